"""What workers of one port count, told to each other through memory that they share.

Rules
1. Each worker has rings of bytes that only it writes; the others read them whenever they look at a counter. So nothing
   is locked, nobody waits, and a limit holds across workers as it holds in one.
2. A record lies in the ring before its end is told, and carries a checksum over itself and its place. One that does not
   fit is not there yet, or was overwritten: it is looked at again later, and passed over once the ring has gone round.
3. A worker that takes the place of a dead one finds what still lies in all rings, its predecessor's too.
"""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
import zlib
from collections.abc import Iterator

LIMITS, QUOTAS = KINDS = (0, 1)  # a ring of each for each worker
RING = 1 << 20  # bytes of one: about 20,000 counts
LONGEST = 4096  # bytes of a record; a longer one is not shared
_START = 64  # where the bytes of a ring begin, behind the place at which the next record will be
_WHOLE = _START + RING
_HEAD = struct.Struct("=II")  # checksum of what follows, its bytes


def shared_memory(workers: int) -> int:
    """A descriptor of memory for so many workers, to be inherited by them."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("counters")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, len(KINDS) * workers * _WHOLE)
    return descriptor


class Siblings:
    """The rings of one kind as worker `number` sees them; a record is bytes. One thread at a time."""

    def __init__(self, descriptor: int, number: int, kind: int) -> None:
        self._map = mmap.mmap(descriptor, 0)
        self._words = memoryview(self._map).cast("Q")  # a place is one aligned word: read and written as a whole
        count = len(self._map) // _WHOLE // len(KINDS)
        rings = range(kind * count, (kind + 1) * count)
        self._own = rings[number]
        self._next = self._end(self._own)
        # All rings from their oldest byte; what is there of our own was our predecessor's.
        self._heard = {each: max(self._end(each) - RING, 0) for each in rings}
        self._others = [each for each in rings if each != self._own]
        self._waiting = [record for each in rings for record in self._read(each)]

    def tell(self, record: bytes) -> None:
        if len(record) > LONGEST:
            return
        at = self._next
        self._put(at, _HEAD.pack(zlib.crc32(record, at & 0xFFFFFFFF), len(record)) + record)
        self._next = at + _HEAD.size + len(record)
        self._words[self._own * _WHOLE // 8] = self._next

    def news(self) -> Iterator[bytes]:
        """What the others told since the last call."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            yield from waiting
        heard = self._heard
        for each in self._others:
            if self._words[each * _WHOLE // 8] != heard[each]:
                yield from self._read(each)

    def _end(self, ring: int) -> int:
        return self._words[ring * _WHOLE // 8]

    def _read(self, ring: int) -> Iterator[bytes]:
        at, end = self._heard[ring], self._end(ring)
        if end - at > RING:  # it went round: what is left of it begins somewhere inside of a record
            at = end - RING
        while at < end:
            record = self._record(ring, at)
            if record is not None:
                at += _HEAD.size + len(record)
                yield record
            elif self._end(ring) - at < RING // 2:  # the ring has not gone round, so it is about to be there
                break
            else:
                at += 1
        self._heard[ring] = at

    def _record(self, ring: int, at: int) -> bytes | None:
        checksum, size = _HEAD.unpack(self._get(ring, at, _HEAD.size))
        if size > LONGEST:
            return None
        record = self._get(ring, at + _HEAD.size, size)
        return record if zlib.crc32(record, at & 0xFFFFFFFF) == checksum else None

    def _put(self, at: int, data: bytes) -> None:
        base, at = self._own * _WHOLE + _START, at % RING
        first = data[: RING - at]
        self._map[base + at : base + at + len(first)] = first
        if len(first) < len(data):
            self._map[base : base + len(data) - len(first)] = data[len(first) :]

    def _get(self, ring: int, at: int, size: int) -> bytes:
        base, at = ring * _WHOLE + _START, at % RING
        first = self._map[base + at : base + min(at + size, RING)]
        return first if len(first) == size else first + self._map[base : base + size - len(first)]
