"""What the sidecars of one agent on one host count, told to each other through memory that they share.

Rules
1. Each process has rings of bytes that only it writes; the others read them whenever they look at a counter. So nothing
   is locked, nobody waits, and a limit holds across processes as it holds in one.
2. A record lies in the ring before its end is told, and carries a checksum over itself and its place. One that does not
   fit is not there yet, or was overwritten: it is looked at again later, and passed over once the ring has gone round.
3. A process that takes the place of a dead one finds what still lies in all rings, its predecessor's too.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from proxy.adapters.shared_memory import LIMITS, QUOTAS, RING, START, SharedMemory

__all__ = ["LIMITS", "LONGEST", "QUOTAS", "Siblings"]

LONGEST = 4096  # bytes of a record; a longer one is not shared
_HEAD = struct.Struct("=II")  # checksum of what follows, its bytes


class Siblings:
    """The rings of one kind as the holder of `memory` sees them; a record is bytes. One thread at a time."""

    def __init__(self, memory: SharedMemory, kind: int) -> None:
        self._memory, self._kind = memory, kind
        self._map, self._words = memory.map, memory.words
        self._own = memory.ring(memory.number, kind)
        self._next = self._end(self._own)
        self._heard: dict[int, int] = {}
        self._others: list[tuple[int, int]] = []  # (place of the word that tells the end, ring)
        self._known = 0
        self._meet()
        # All rings from their oldest byte; what is there of our own was our predecessor's.
        self._heard[self._own] = max(self._next - RING, 0)
        rings = [self._own, *(ring for _, ring in self._others)]
        self._waiting = [record for each in rings for record in self._read(each)]

    def _meet(self) -> None:
        """Those who came since the last look."""
        while self._known < self._memory.present:
            ring = self._memory.ring(self._known, self._kind)
            if ring != self._own:
                self._heard[ring] = max(self._end(ring) - RING, 0)
                self._others.append((ring // 8, ring))
            self._known += 1

    def tell(self, record: bytes) -> None:
        size = len(record)
        if size > LONGEST:
            return
        at, base = self._next, self._own + START
        data = _HEAD.pack(zlib.crc32(record, at & 0xFFFFFFFF), size) + record
        size += _HEAD.size
        inside = at % RING
        if inside + size <= RING:
            self._map[base + inside : base + inside + size] = data
        else:
            first = RING - inside
            self._map[base + inside : base + RING] = data[:first]
            self._map[base : base + size - first] = data[first:]
        self._next = self._words[self._own // 8] = at + size

    def told(self) -> bool:
        """Whether there are news; asked more often than there are."""
        words, heard = self._words, self._heard
        if self._waiting or words[0] != self._known:
            return True
        for place, ring in self._others:  # noqa: SIM110 - a generator for each look would cost more than the look
            if words[place] != heard[ring]:
                return True
        return False

    def news(self) -> Iterator[bytes]:
        """What the others told since the last call."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            yield from waiting
        words, heard = self._words, self._heard
        if words[0] != self._known:
            self._meet()
        for place, ring in self._others:
            if words[place] != heard[ring]:
                yield from self._read(ring)

    def _end(self, ring: int) -> int:
        return self._words[ring // 8]

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

    def _get(self, ring: int, at: int, size: int) -> bytes:
        base, at = ring + START, at % RING
        first = self._map[base + at : base + min(at + size, RING)]
        return first if len(first) == size else first + self._map[base : base + size - len(first)]
