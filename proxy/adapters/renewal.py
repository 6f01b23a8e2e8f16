"""Things that end and are fetched again: access tokens by name.

Rules
1. One is kept until MARGIN seconds before its end, or for half of its life where that is later. A new one that cannot
   be had leaves the old one in use until it ends.
2. One call at a time for a name, whoever asks; after a failure none for RETRY seconds.
3. At most MAX_HELD are held; the oldest goes first.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from proxy.ports import Clock

MARGIN = 300.0  # seconds
RETRY = 5.0
TIMEOUT = 10.0
MAX_HELD = 1024

T = TypeVar("T")
Fetch = Callable[[], Awaitable[tuple[T, float]]]


class Unobtainable(Exception):
    """Nothing is held and nothing can be had; the text says why, without a secret."""


@dataclass(slots=True)
class _Entry(Generic[T]):
    """Times are monotonic seconds. `problem` is what the last call failed with, tried at `tried`."""

    value: T | None = None
    renew: float = 0.0
    end: float = 0.0
    problem: str = ""
    tried: float = float("-inf")
    flight: asyncio.Task[None] | None = None


class Renewal(Generic[T]):
    """Used on the event loop alone. `failed` is told the name and why."""

    def __init__(self, clock: Clock, failed: Callable[[Hashable, str], None]) -> None:
        self._clock = clock
        self._failed = failed
        self._entries: OrderedDict[Hashable, _Entry[T]] = OrderedDict()

    async def get(self, name: Hashable, fetch: Fetch[T]) -> T:
        """What is held by that name, or what `fetch` gives with the seconds of its life. Raises Unobtainable."""
        entry = self._entries.get(name)
        if entry is None:
            entry = self._entries[name] = _Entry()
            if len(self._entries) > MAX_HELD:
                self._entries.popitem(last=False)
        if self._clock.monotonic() < entry.renew and entry.value is not None:
            return entry.value
        if entry.flight is None and self._clock.monotonic() - entry.tried >= RETRY:
            entry.tried = self._clock.monotonic()
            entry.flight = asyncio.create_task(self._renew(name, entry, fetch))
        if entry.flight is not None:
            await asyncio.shield(entry.flight)
        if self._clock.monotonic() < entry.end and entry.value is not None:
            return entry.value
        raise Unobtainable(entry.problem)

    async def close(self) -> None:
        flights = [each.flight for each in self._entries.values() if each.flight is not None]
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    async def _renew(self, name: Hashable, entry: _Entry[T], fetch: Fetch[T]) -> None:
        try:
            async with asyncio.timeout(TIMEOUT):
                value, life = await fetch()
            now = self._clock.monotonic()
            entry.value, entry.end, entry.problem = value, now + life, ""
            entry.renew = now + max(life - MARGIN, life / 2)
        except Exception as problem:  # whatever the endpoint does, requests fail in one way
            entry.problem = "the token endpoint was too slow" if isinstance(problem, TimeoutError) else str(problem)
            self._failed(name, entry.problem)
        finally:
            entry.flight = None
