"""Requests inside limit-concurrency, counted across the sidecars of one host in the memory that they share.

Rules
1. Each process has a table that only it writes: a key's digest, and how many requests are inside. It lies in one of
   NEAR rows, which the digest tells; where all are taken the key counts in its own process only.
2. What a dead process held does not count: before a request is refused, whoever is counted is asked to be alive.
3. A request enters, and then looks: two that enter at once see each other, so that there are never too many inside.
"""

from __future__ import annotations

import hashlib

from proxy.adapters.shared_memory import ROWS, SharedMemory
from proxy.ports import Places

NEAR = 8
_LARGEST = ROWS - NEAR


class SharedPlaces(Places):
    def __init__(self, memory: SharedMemory) -> None:
        super().__init__()
        self._memory, self._words = memory, memory.words
        self._own = SharedMemory.table(memory.number)
        self._rows: dict[str, int] = {}  # where a key's row is, in words
        self._taken: set[int] = set()

    def enter(self, name: str, maximum: int) -> int:
        before = super().enter(name, maximum)
        if before >= maximum:
            return before
        digest, first = _digest(name)
        self._write(name, digest, first)
        others = self._others(digest, first, False)
        if others and before + others >= maximum:
            others = self._others(digest, first, True)
            if before + others >= maximum:
                self.leave(name)
        return before + others

    def leave(self, name: str) -> None:
        super().leave(name)
        row = self._rows.get(name)
        if row is None:
            return
        inside = self.get(name, 0)
        self._words[row + 1] = inside
        if not inside:
            self._words[row] = 0
            self._taken.discard(self._rows.pop(name))

    def _write(self, name: str, digest: int, first: int) -> None:
        row = self._rows.get(name)
        if row is None:
            places = range(self._own + first, self._own + first + 2 * NEAR, 2)
            row = next((each for each in places if each not in self._taken), None)
            if row is None:
                return
            self._rows[name] = row
            self._taken.add(row)
        self._words[row + 1] = self[name]
        self._words[row] = digest

    def _others(self, digest: int, first: int, living: bool) -> int:
        """How many are inside elsewhere; `living`: only of processes that are."""
        memory, words, found = self._memory, self._words, 0
        for number in range(memory.present):
            if number == memory.number:
                continue
            start = SharedMemory.table(number) + first
            for row in range(start, start + 2 * NEAR, 2):
                if words[row] == digest and words[row + 1] and (not living or memory.alive(number)):
                    found += words[row + 1]
        return found


def _digest(name: str) -> tuple[int, int]:
    """A number that is not 0, and where in a table it may lie, in words."""
    digest = int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()) or 1
    return digest, 2 * (digest % _LARGEST)
