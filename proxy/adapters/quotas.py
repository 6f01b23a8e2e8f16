"""Quotas in this process: calls and bytes by name in fixed windows.

Rules
1. They live in memory only: they outlive configurations, and end with the process. Each process counts for itself.
2. Time is the wall clock of the start and monotonic from there: setting the clock later begins no new window.
3. Keys are bounded: a window that has passed is forgotten by the way, and above the bound the least recently used key,
   which is logged, since its quota begins anew.
4. Only the event loop uses it, so it needs no lock.
"""

from __future__ import annotations

import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from proxy.ports import Usage

log = logging.getLogger("proxy.quotas")

MAX_KEYS = 200_000


@dataclass(slots=True)
class _Count:
    window: int
    calls: int = 0
    bytes: int = 0


_Name = tuple[str, float, int]


class LocalQuotas:
    """`now` gives Unix seconds."""

    def __init__(self, now: Callable[[], float] | None = None, max_keys: int = MAX_KEYS) -> None:
        self._now = now or steady_time()
        self._max_keys = max_keys
        self._counts: OrderedDict[_Name, _Count] = OrderedDict()

    def __len__(self) -> int:
        return len(self._counts)

    def usage(self, key: str, start: float, period: int) -> Usage:
        now = self._now()
        window = _window(now, start, period)
        renews_after = start + (window + 1) * period - now if period else None
        count = self._counts.get((key, start, period))
        if count is None or count.window != window:
            return Usage(0, 0, renews_after)
        return Usage(count.calls, count.bytes, renews_after)

    def add(self, key: str, start: float, period: int, calls: int, size: int) -> None:
        name = (key, start, period)
        window = _window(self._now(), start, period)
        count = self._counts.get(name)
        if count is None or count.window != window:
            count = self._counts[name] = _Count(window)
        self._counts.move_to_end(name)
        count.calls += calls
        count.bytes += size
        self._forget()

    def _forget(self) -> None:
        """Drop up to two passed windows from the old end, and whatever is above the bound."""
        now = self._now()
        for _ in range(2):
            name = next(iter(self._counts))
            passed = self._counts[name].window != _window(now, name[1], name[2])
            if not passed and len(self._counts) <= self._max_keys:
                return
            if not passed:
                log.warning("more than %d quota keys: %s begins anew", self._max_keys, name[0])
            del self._counts[name]
            if not self._counts:
                return


def _window(now: float, start: float, period: int) -> int:
    return math.floor((now - start) / period) if period else 0


def steady_time() -> Callable[[], float]:
    """Unix seconds that go on evenly, whatever happens to the system's clock."""
    offset = time.time() - time.monotonic()
    return lambda: time.monotonic() + offset
