"""Protobuf wire format by hand, so that a request costs what is its own and the rest is a copy of bytes made before.

Three facts of the format (https://protobuf.dev/programming-guides/encoding/) carry this: a message may be written as
the concatenation of encoded parts of it, in any order; a nested message is its tag, its length and its bytes; and what
stands before the text of an attribute depends on the name and the length of the text alone.

    span = shared part (what its kind decides) + own part (ids, times, and the attributes of this request)

Rules
1. An empty text is no attribute: `Text` writes nothing for it.
2. Every table of made pieces is bounded.
"""

from __future__ import annotations

import struct
from collections.abc import Hashable, Iterable
from typing import Any, Generic, TypeVar

from telemetry.settings import Resource

SCOPE = "passerelle.telemetry"
TABLE = 4096  # pieces that one table holds
SERVICE = "passerelle-gateway"

_DOUBLE = struct.Struct("<d")
_MASK = (1 << 64) - 1

K = TypeVar("K", bound=Hashable)


def varint(value: int) -> bytes:
    """Negative numbers as the ten bytes of their two's complement."""
    if 0 <= value < 0x80:
        return bytes((value,))
    if 0 <= value < 0x4000:
        return bytes((value & 0x7F | 0x80, value >> 7))
    value &= _MASK
    data = bytearray()
    while value >= 0x80:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    data.append(value)
    return bytes(data)


def tag(number: int, kind: int) -> bytes:
    """Of field `number`; `kind` is 0 for a varint, 1 for 8 bytes, 2 for a length and bytes, 5 for 4 bytes."""
    return varint(number << 3 | kind)


def nested(number: int, data: bytes) -> bytes:
    """A text, bytes or a message as field `number`."""
    return tag(number, 2) + varint(len(data)) + data


def any_value(value: object) -> bytes:
    """An AnyValue of a text, a bool, an int or a float."""
    if isinstance(value, str):
        return nested(1, value.encode("utf-8", "replace"))
    if isinstance(value, bool):
        return tag(2, 0) + varint(value)
    if isinstance(value, int):
        return tag(3, 0) + varint(value)
    if isinstance(value, float):
        return tag(4, 1) + _DOUBLE.pack(value)
    raise TypeError(f"an attribute cannot be {type(value).__name__}")


def attributes(number: int, values: Iterable[tuple[str, Any]]) -> bytes:
    """KeyValues as repeated field `number`; an empty text or None means "not applicable" and is left out."""
    return b"".join(
        [
            nested(number, nested(1, name.encode("utf-8", "replace")) + nested(2, any_value(value)))
            for name, value in values
            if value is not None and value != ""
        ]
    )


class Table(dict[K, bytes], Generic[K]):
    """Pieces by what they were made of, made when they are first asked for; starts anew when it is full."""

    def make(self, key: K) -> bytes:
        raise NotImplementedError

    def __missing__(self, key: K) -> bytes:
        if len(self) >= TABLE:
            self.clear()
        piece = self[key] = self.make(key)
        return piece


class Text(Table[int]):
    """What stands before the text of an attribute, by the number of its bytes: `Text(9, "url.path")[len(data)]`."""

    def __init__(self, number: int, name: str) -> None:
        self._number = number
        self._name = nested(1, name.encode())

    def make(self, key: int) -> bytes:
        if not key:
            return b""
        value = tag(1, 2) + varint(key)
        pair = self._name + tag(2, 2) + varint(len(value) + key) + value
        return tag(self._number, 2) + varint(len(pair) + key) + pair


class Number(Table[int]):
    """A whole attribute by its number: `Number(9, "http.request.body.size")[2048]`. `zero` says whether 0 is said."""

    def __init__(self, number: int, name: str, zero: bool = True) -> None:
        self._zero = zero
        key = nested(1, name.encode())
        # What stands before the number, by how many bytes it has, 0 to 10.
        self.heads: list[bytes] = []
        for size in range(11):
            value = tag(2, 2) + varint(1 + size) + tag(3, 0)
            self.heads.append(tag(number, 2) + varint(len(key) + len(value) + size) + key + value)

    def make(self, key: int) -> bytes:
        if not key and not self._zero:
            return b""
        data = varint(key)
        return self.heads[len(data)] + data


class Nested(Table[int]):
    """What stands before a text, bytes or a message that is field `number`, by the number of its bytes."""

    def __init__(self, number: int) -> None:
        self._tag = tag(number, 2)

    def make(self, key: int) -> bytes:
        return self._tag + varint(key)


def resource_values(resource: Resource) -> list[tuple[str, Any]]:
    return [
        ("service.name", SERVICE),
        ("service.instance.id", resource.instance_id),
        ("process.pid", resource.process_id or None),
        ("apim.gateway.id", resource.gateway_id),
        ("apim.region", resource.region),
    ]


def export_request(resource: Resource, pieces: list[bytes], length: int) -> bytes:
    """An OTLP export request of one resource and one scope; all three signals number their fields alike. `pieces` are
    spans, log records or metrics, as field 2, `length` bytes of them."""
    who = nested(1, attributes(1, resource_values(resource)))
    scope = nested(1, nested(1, SCOPE.encode()))
    length += len(scope)
    scoped = tag(2, 2) + varint(length) + scope
    head = tag(1, 2) + varint(len(who) + len(scoped) - len(scope) + length) + who + scoped
    return b"".join([head, *pieces])
