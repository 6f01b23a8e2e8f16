"""What the child tells of errors, caches and the configuration in force; and the way of the latter from the agent."""

from __future__ import annotations

import time

import pytest

from telemetry import frames
from telemetry.batch import Kinds
from telemetry.child import Child
from telemetry.frames import pack, unpack
from telemetry.journal import Journal
from telemetry.metrics import Metric
from telemetry.settings import Resource
from telemetry.state import GatewayMetrics, Standing
from tests.telemetry.sample import ERROR, failed, record

QUIET = {"telemetry.logs.std": "none"}


def by_name(metrics: list[Metric]) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


def test_errors_are_counted_by_who_raised_them_and_why() -> None:
    metrics = GatewayMetrics(10)
    refused = ERROR._replace(source="rate-limit", reason="RateLimitExceeded")
    told = [failed(), failed(), record(), record(status=429, last_error=refused, api_id="")]
    metrics.add(Kinds().batch(told), Resource(""))
    points = {tuple(point.labels): point.value for point in by_name(metrics.read())["apim.request.errors"].points}
    assert points == {
        (
            ("apim.api.id", "orders"),
            ("apim.last_error.source", "request-forwarder"),
            ("apim.last_error.reason", "BackendConnectionFailure"),
            ("http.response.status_code", 500),
        ): 2,
        (
            ("apim.last_error.source", "rate-limit"),
            ("apim.last_error.reason", "RateLimitExceeded"),
            ("http.response.status_code", 429),
        ): 1,
    }


def test_only_what_asked_a_cache_is_counted_there() -> None:
    metrics = GatewayMetrics(10)
    told = [record(cache="hit"), record(cache="miss"), record(cache="hit"), record(cache="none")]
    metrics.add(Kinds().batch(told), Resource(""))
    found = by_name(metrics.read())
    assert {dict(point.labels)["apim.cache"]: point.value for point in found["apim.cache.requests"].points} == {
        "hit": 2,
        "miss": 1,
    }
    assert found["apim.telemetry.received"].points[0].value == 4


def test_there_is_no_version_before_there_is_a_configuration() -> None:
    found = by_name(GatewayMetrics(10).read())
    assert not found["apim.config.version"].points
    assert not found["apim.config.lag"].points


def test_the_standing_crosses_the_pipe_and_lag_is_time() -> None:
    child = Child(QUIET, 1)
    buffer = bytearray(pack(frames.STANDING, (7, 9, time.time() - 30)))
    for kind, content in unpack(buffer):
        child.frame(kind, content)
    found = by_name(child.read())
    assert found["apim.config.version"].points[0].value == 7
    assert found["apim.config.behind"].points[0].value == 2
    assert found["apim.config.lag"].points[0].value == pytest.approx(30, abs=5)


def test_the_limits_server_is_told_where_there_is_one() -> None:
    child = Child(QUIET, 1)
    assert not by_name(child.read())["apim.limits.server.up"].points
    journal = Journal(QUIET, "host:1")
    for figures in ((True, 3, 0, 0, 0.25), (False, 3, 2, 1, 0.5)):
        journal.limit(*figures)
    for kind, content in unpack(bytearray(journal._told[frames.LIMITS])):
        child.frame(kind, content)
    found = by_name(child.read())
    assert found["apim.limits.server.up"].points[0].value == 0
    assert {dict(each.labels)["apim.limits.by"]: each.value for each in found["apim.limits.decisions"].points} == {
        "server": 3,
        "local": 2,
        "none": 1,
    }
    assert found["apim.limits.server.wait"].points[0].value == 0.5


def test_a_source_that_never_confirmed_has_no_lag() -> None:
    metrics = GatewayMetrics(10)
    metrics.standing = Standing(7, 7, 0)
    found = by_name(metrics.read())
    assert found["apim.config.version"].points
    assert not found["apim.config.lag"].points


async def test_of_what_is_told_while_the_pipe_is_full_only_the_newest_waits() -> None:
    journal = Journal(QUIET, "host:1")
    journal.start()
    for second in range(1000):
        journal.stand(1, 1, float(second))
    journal.identify("gw", "lab")
    assert len(journal._frames) + len(journal._untold) == 2
    await journal.close()
