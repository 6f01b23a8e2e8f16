import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans

from telemetry.encode.wire import SharedParts, nested


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16383, 16384, 3_000_000])
def test_a_nested_message_is_read_back(size: int) -> None:
    inner = ScopeSpans(schema_url="x" * size)
    outer = ResourceSpans.FromString(nested(2, inner.SerializeToString()))
    assert list(outer.scope_spans) == [inner]


def test_shared_parts_are_made_once_and_bounded() -> None:
    parts = SharedParts(limit=2)
    made: list[int] = []

    def make(number: int) -> bytes:
        made.append(number)
        return b"%d" % number

    assert [parts.get(n, lambda n=n: make(n)) for n in (1, 1, 2, 2, 3, 3, 1)] == [
        b"1", b"1", b"2", b"2", b"3", b"3", b"1",
    ]  # fmt: skip
    assert made == [1, 2, 3, 1]
