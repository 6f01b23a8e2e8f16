"""Pieces of protobuf wire format, so that what thousands of requests share is encoded once.

Two facts of the format (https://protobuf.dev/programming-guides/encoding/) carry this: a message may be written as the
concatenation of two encoded parts of it, and a nested message is its tag, its length and its bytes. So an item is
`shared part + own part`, and a batch is put together from finished items without parsing them again.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

from telemetry.encode.attributes import SCOPE, resource_message
from telemetry.settings import Resource

CACHE_LIMIT = 2000


def nested(number: int, data: bytes) -> bytes:
    """A nested message as field `number` (1 to 15)."""
    length = len(data)
    if length < 0x80:
        return bytes((number << 3 | 2, length)) + data
    head = bytearray((number << 3 | 2,))
    while length >= 0x80:
        head.append(length & 0x7F | 0x80)
        length >>= 7
    head.append(length)
    return bytes(head) + data


def export_request(resource: Resource, items: Iterable[bytes]) -> bytes:
    """An OTLP export request of one resource and one scope; all three signals number their fields alike."""
    scope = nested(1, nested(1, SCOPE.encode()))
    scoped = scope + b"".join([nested(2, item) for item in items])
    return nested(1, nested(1, resource_message(resource).SerializeToString()) + nested(2, scoped))


class SharedParts:
    """Encoded parts by the values they were made of; starts anew when it is full, so it stays bounded."""

    def __init__(self, limit: int = CACHE_LIMIT) -> None:
        self._limit = limit
        self._parts: dict[Hashable, bytes] = {}

    def get(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        part = self._parts.get(key)
        if part is None:
            if len(self._parts) >= self._limit:
                self._parts.clear()
            part = self._parts[key] = make()
        return part
