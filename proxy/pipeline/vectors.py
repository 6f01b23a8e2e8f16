"""A small index of vectors as bytes, so that any cache can hold it: which entries are nearest to a vector?

Rules
1. Vectors have length 1 and half precision; the distance of two is 1 minus their cosine, from 0 (alike) to 2.
2. Of many entries only those whose signs agree best with the vector's are measured, so that a search takes about as
   long whatever the index holds.
3. An index is bounded in bytes: the oldest entries go first. What is expired is left out when it is written.
4. Bytes that are no index, or of vectors of another size, are an empty one.
"""

from __future__ import annotations

import hashlib
import heapq
import math
import struct
from collections.abc import Iterator
from typing import NamedTuple

MAX_INDEX = 1024 * 1024  # bytes
MAX_DIMENSIONS = 8192
MEASURED = 24  # entries whose distance is computed
_MAGIC = b"PV1\0"
_HEAD = struct.Struct(">4sH")
_ENTRY = struct.Struct(">d8s")  # Unix seconds of its end, and its name


class Vector(NamedTuple):
    """`halves` are the coordinates as they are stored, `signs` one bit for each, `name` is made of them."""

    coordinates: tuple[float, ...]
    halves: bytes
    signs: bytes
    name: bytes


def vector(numbers: list[float]) -> Vector:
    """A vector of length 1 in the direction of `numbers`. Raises ValueError when they have none."""
    if not 0 < len(numbers) <= MAX_DIMENSIONS:
        raise ValueError("a vector has 1 to 8192 numbers")
    size = math.hypot(*numbers)
    if not math.isfinite(size) or size == 0:
        raise ValueError("the vector has no direction")
    form = _form(len(numbers))
    halves = form.pack(*[number / size for number in numbers])
    coordinates = form.unpack(halves)
    bits = "".join(["1" if number > 0 else "0" for number in coordinates])
    signs = int(bits, 2).to_bytes((len(bits) + 7) // 8, "big")
    return Vector(coordinates, halves, signs, hashlib.blake2b(halves, digest_size=8).digest())


def nearest(index: bytes | None, to: Vector, limit: float, now: float) -> list[tuple[float, bytes]]:
    """(distance, name) of the entries within `limit` of a vector, the nearest first."""
    mine, width = int.from_bytes(to.signs, "big"), len(to.signs)
    form = _form(len(to.coordinates))
    start = _ENTRY.size + width
    candidates = []
    for entry in _entries(index, to):
        end, name = _ENTRY.unpack_from(entry)
        if end > now:
            differing = (int.from_bytes(entry[_ENTRY.size : start], "big") ^ mine).bit_count()
            candidates.append((differing, name, entry[start:]))
    found = []
    for _, name, halves in heapq.nsmallest(MEASURED, candidates, key=lambda each: each[0]):
        distance = math.dist(form.unpack(halves), to.coordinates) ** 2 / 2
        if distance <= limit:
            found.append((distance, name))
    return sorted(found)


def added(index: bytes | None, new: Vector, end: float, now: float) -> tuple[bytes, float]:
    """The index with a vector that ends at `end` (Unix seconds), and when its last entry ends."""
    size = _ENTRY.size + len(new.signs) + len(new.halves)
    room = max((MAX_INDEX - _HEAD.size) // size - 1, 0)
    kept = [
        bytes(entry)
        for entry in _entries(index, new)
        if _ENTRY.unpack_from(entry)[0] > now and _ENTRY.unpack_from(entry)[1] != new.name
    ]
    kept = kept[max(len(kept) - room, 0) :]
    kept.append(_ENTRY.pack(end, new.name) + new.signs + new.halves)
    last = max(_ENTRY.unpack_from(entry)[0] for entry in kept)
    return _HEAD.pack(_MAGIC, len(new.coordinates)) + b"".join(kept), last


def _entries(index: bytes | None, like: Vector) -> Iterator[memoryview]:
    """The entries of an index, oldest first."""
    if index is None or len(index) < _HEAD.size or _HEAD.unpack_from(index) != (_MAGIC, len(like.coordinates)):
        return
    size = _ENTRY.size + len(like.signs) + len(like.halves)
    view = memoryview(index)
    for start in range(_HEAD.size, len(index) - size + 1, size):
        yield view[start : start + size]


def _form(dimensions: int) -> struct.Struct:
    return struct.Struct(f"<{dimensions}e")
