"""What workers of one port count, told to each other through memory that they share.

Rules
1. Each worker has a ring of bytes that only it writes; the others read it whenever they look at a counter. So nothing
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

RING = 1 << 20  # bytes of one worker: about 20,000 counts
_START = 64  # where the bytes of a ring begin, behind the place at which the next record will be
_HEAD = struct.Struct("=IIIQQ")  # checksum of the rest, bytes of the key, slice in ms, slot, increment
_PLACE = struct.Struct("=Q")
_BODY = 4  # where what the checksum covers begins
LONGEST_KEY = 4096  # bytes; a counter with a longer one is not shared

Count = tuple[str, int, int, int]  # key, slice in milliseconds, slot, increment


def shared_memory(workers: int) -> int:
    """A descriptor of memory for so many workers, to be inherited by them."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("counters")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, workers * (_START + RING))
    return descriptor


class Siblings:
    """The rings as worker `number` sees them. Not thread-safe: one thread at a time."""

    def __init__(self, descriptor: int, number: int) -> None:
        self._map = mmap.mmap(descriptor, 0)
        self._words = memoryview(self._map).cast("Q")  # of each place one aligned word: read and written as a whole
        count = len(self._map) // (_START + RING)
        self._own = number
        self._next = self._end(number)
        # All rings from their oldest byte; what is there of our own was our predecessor's.
        self._heard = {each: max(self._end(each) - RING, 0) for each in range(count)}
        self._others = [each for each in range(count) if each != number]
        self._waiting = [record for each in range(count) for record in self._read(each)]

    def tell(self, key: str, slice_ms: int, slot: int, increment: int) -> None:
        text = key.encode("utf-8", "surrogatepass")
        if len(text) > LONGEST_KEY:
            return
        at = self._next
        body = _HEAD.pack(0, len(text), slice_ms, slot, increment)[_BODY:] + text
        self._put(at, struct.pack("=I", zlib.crc32(body, at & 0xFFFFFFFF)) + body)
        self._next = at + _BODY + len(body)
        self._words[self._own * (_START + RING) // 8] = self._next

    def news(self) -> Iterator[Count]:
        """What the others told since the last call."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            yield from waiting
        heard = self._heard
        for each in self._others:
            if self._words[each * (_START + RING) // 8] != heard[each]:
                yield from self._read(each)

    def _end(self, worker: int) -> int:
        return self._words[worker * (_START + RING) // 8]

    def _read(self, worker: int) -> Iterator[Count]:
        at, end = self._heard[worker], self._end(worker)
        if end - at > RING:  # it went round: what is left of it begins somewhere inside of a record
            at = end - RING
        while at < end:
            found = self._record(worker, at)
            if found is None:
                if self._end(worker) - at < RING // 2:  # the ring has not gone round, so it is about to be there
                    break
                at += 1
                continue
            at, count = found
            yield count
        self._heard[worker] = at

    def _record(self, worker: int, at: int) -> tuple[int, Count] | None:
        """The place behind a record, and what it says."""
        checksum, size, slice_ms, slot, increment = _HEAD.unpack(self._get(worker, at, _HEAD.size))
        if size > LONGEST_KEY:
            return None
        body = self._get(worker, at + _BODY, _HEAD.size - _BODY + size)
        if zlib.crc32(body, at & 0xFFFFFFFF) != checksum:
            return None
        key = body[_HEAD.size - _BODY :].decode("utf-8", "surrogatepass")
        return at + _HEAD.size + size, (key, slice_ms, slot, increment)

    def _put(self, at: int, data: bytes) -> None:
        base, at = self._own * (_START + RING) + _START, at % RING
        first = data[: RING - at]
        self._map[base + at : base + at + len(first)] = first
        if len(first) < len(data):
            self._map[base : base + len(data) - len(first)] = data[len(first) :]

    def _get(self, worker: int, at: int, size: int) -> bytes:
        base, at = worker * (_START + RING) + _START, at % RING
        first = self._map[base + at : base + min(at + size, RING)]
        return first if len(first) == size else first + self._map[base : base + size - len(first)]
