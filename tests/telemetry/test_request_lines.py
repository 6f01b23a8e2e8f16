"""The short way to a line is the long way's, character by character."""

from __future__ import annotations

import json

import pytest
from hypothesis import Phase, given, settings

from telemetry.batch import Kinds
from telemetry.records import RequestRecord
from telemetry.request_lines import NUMBERS, OWN, RequestLines
from tests.telemetry.generated import batches
from tests.telemetry.sample import batch, failed, record

KINDS = Kinds(limit=50)
SHAPES = {shape: RequestLines(shape) for shape in ("text", "json")}


@pytest.mark.parametrize("shape", SHAPES)
def test_lines_of_generated_records(shape: str) -> None:
    @settings(max_examples=20, phases=[Phase.generate])
    @given(batches)
    def compare(records: list[RequestRecord]) -> None:
        plain = [each._replace(last_error=None, errors=(), traces=()) for each in records]
        found = KINDS.batch([*records, *plain, *plain])
        lines = SHAPES[shape]
        assert lines.lines(found, "Zürich 100%") == [lines.line(each, "Zürich 100%") for each in found]

    compare()


@pytest.mark.parametrize("shape", SHAPES)
def test_records_that_differ_in_anything_do_not_get_each_others_fields(shape: str) -> None:
    changed = {
        name: value + "x" if isinstance(value, str) else value + 1
        for name, value in record()._asdict().items()
        if isinstance(value, str | int | float)
    }
    odd = (
        record(api_id="100%s"),
        record(url='http://gw/"\\'),
        record(client_ip="\x1b[31m"),
        failed(),
        record(cache_ms=3.0),
    )
    found = batch(record(), *[record(**{name: value}) for name, value in changed.items()], *odd, record())
    lines = RequestLines(shape)
    assert lines.lines(found, "lab") == [lines.line(each, "lab") for each in found]
    assert "region: lab" in lines.lines(found, "lab")[0] or '"region": "lab"' in lines.lines(found, "lab")[0]
    assert "other" in lines.lines(found, "other")[0], "a template has its region"


def test_numbers_are_numbers_in_json() -> None:
    (line,) = RequestLines("json").lines(batch(record(cache_ms=3.0)), "lab")
    found = json.loads(line)
    assert {name for name in OWN if type(found[name]) is int} == NUMBERS


def test_colors_are_those_of_the_long_way() -> None:
    lines = RequestLines("text", color=True)
    found = batch(record())
    assert lines.lines(found, "lab") == [lines.line(found[0], "lab")]
    assert lines.lines(found, "lab")[0].startswith("\x1b[32m[Info]")
