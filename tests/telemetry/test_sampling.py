"""A fixed share of the traces, the same for everybody, and all errors where it is asked for."""

from __future__ import annotations

import random

import pytest

from telemetry.diagnostics import Diagnostic
from telemetry.records import Captured
from telemetry.sampling import sampled, score
from tests.telemetry.sample import failed, record

HALF = Diagnostic("applicationinsights", "ai", 50.0)


def trace_ids(count: int) -> list[str]:
    chance = random.Random(7)
    return [f"{chance.getrandbits(128):032x}" for _ in range(count)]


def test_the_share_is_right_and_decided_by_the_trace() -> None:
    ids = trace_ids(4000)
    for percentage in (5.0, 50.0, 90.0):
        diagnostic = HALF._replace(percentage=percentage)
        kept = [each for each in ids if sampled(record(trace_id=each), diagnostic) == percentage]
        assert abs(len(kept) / len(ids) * 100 - percentage) < 3
        assert kept == [each for each in ids if sampled(record(trace_id=each, span_id="x"), diagnostic) is not None]
    low, high = (HALF._replace(percentage=each) for each in (5.0, 50.0))
    few = [each for each in ids if sampled(record(trace_id=each), low) is not None]
    assert all(sampled(record(trace_id=each), high) is not None for each in few)


def test_the_ends() -> None:
    assert sampled(record(), HALF._replace(percentage=100.0)) == 100.0
    assert sampled(record(), HALF._replace(percentage=0.0)) is None


def test_errors_are_kept_and_stand_for_themselves() -> None:
    none = HALF._replace(percentage=0.0)
    always = none._replace(always_log_errors=True)
    for given in (record(status=404), record(status=0), failed(status=200)):
        assert sampled(given, none) is None
        assert sampled(given, always) == 100.0
    assert sampled(record(), always) is None


def test_another_operation_than_the_trace_decides() -> None:
    ids = trace_ids(50)
    other = [sampled(record(captured=Captured(operation=each)), HALF) for each in ids]
    assert len(set(other)) == 2


def test_the_score_is_that_of_the_sdks() -> None:
    utils = pytest.importorskip(
        "azure.monitor.opentelemetry.exporter.export.trace._utils", reason="the official exporter is not installed"
    )
    for each in [*trace_ids(200), "f" * 32, "0" * 32, "root"]:
        assert score(each) == pytest.approx(utils._get_DJB2_sample_score(each) * 100)
