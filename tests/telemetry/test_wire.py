from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from telemetry.encode import wire
from telemetry.encode.requests import Callers
from telemetry.encode.wire import Nested, Number, Text, attributes, nested

NUMBERS = [0, 1, 127, 128, 16_383, 16_384, 2**21 - 1, 2**31, 2**63 - 1, -1, -(2**63)]
SIZES = [1, 100, 101, 102, 110, 127, 128, 16_300, 16_383, 16_384, 3_000_000]


def pairs(data: bytes) -> list[tuple[str, Any]]:
    """The attributes of a span."""
    found: list[KeyValue] = list(Span.FromString(data).attributes)
    return [(pair.key, getattr(pair.value, pair.value.WhichOneof("value"))) for pair in found]


@pytest.mark.parametrize("size", [0, *SIZES])
def test_a_nested_message_is_read_back(size: int) -> None:
    inner = ScopeSpans(schema_url="x" * size)
    data = inner.SerializeToString()
    assert list(ResourceSpans.FromString(nested(2, data)).scope_spans) == [inner]
    assert nested(2, data) == Nested(2)[len(data)] + data


@pytest.mark.parametrize("size", SIZES)
def test_a_text_behind_its_head_is_an_attribute(size: int) -> None:
    text = "é" * (size // 2) + "x" * (size % 2)
    assert pairs(Text(9, "url.path")[size] + text.encode()) == [("url.path", text)]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_is_an_attribute(number: int) -> None:
    assert pairs(Number(9, "size")[number]) == pairs(attributes(9, [("size", number)])) == [("size", number)]


def test_what_does_not_apply_is_not_said() -> None:
    assert Text(9, "url.query")[0] == Number(9, "cacheTime", zero=False)[0] == b""
    assert pairs(attributes(9, [("a", ""), ("b", None), ("c", False), ("d", 0), ("e", 0.0)])) == [
        ("c", False), ("d", 0), ("e", 0.0)
    ]  # fmt: skip


def test_a_value_of_no_kind_is_refused() -> None:
    with pytest.raises(TypeError, match="bytes"):
        attributes(9, [("a", b"")])


def test_tables_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "TABLE", 2)
    table = Number(9, "size")
    assert [pairs(table[number])[0][1] for number in (1, 2, 3, 1)] == [1, 2, 3, 1]
    assert len(table) <= 2


def test_callers_beyond_the_bound_are_written_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telemetry.encode.requests.TABLE", 2)
    callers = Callers()
    for number in range(5):
        assert pairs(callers[f"s{number}", ""][0]) == [("apim.subscription.id", f"s{number}")]
    assert len(callers) == 2
