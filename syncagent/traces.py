"""Finished traces of requests on their way from the sidecars to the plane. Pure; the newest stay when there are many.

A trace is JSON that a sidecar wrote; the agent does not look into it.
"""

from __future__ import annotations

import asyncio
from collections import deque

MOST = 100
BATCH = 10
LARGEST = 1024 * 1024


class Traces:
    """(id, JSON text) of each, in the order in which they came."""

    def __init__(self, most: int = MOST) -> None:
        self._waiting: deque[tuple[str, str]] = deque(maxlen=most)
        self._come = asyncio.Event()

    def add(self, id: str, document: bytes) -> bool:
        """False when it is too large or no text, and then it is dropped."""
        try:
            text = document.decode()
        except UnicodeDecodeError:
            return False
        if not 0 < len(id) <= 64 or len(document) > LARGEST:
            return False
        self._waiting.append((id, text))
        self._come.set()
        return True

    async def wait(self) -> None:
        """Until at least one waits."""
        while not self._waiting:
            self._come.clear()
            await self._come.wait()

    def take(self) -> list[tuple[str, str]]:
        """The oldest ones, at most a batch."""
        return [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]

    def give_back(self, batch: list[tuple[str, str]]) -> None:
        """What could not be sent waits again, as far as there is room beside what is newer."""
        room = (self._waiting.maxlen or MOST) - len(self._waiting)
        self._waiting.extendleft(reversed(batch[max(len(batch) - room, 0) :] if room > 0 else []))
