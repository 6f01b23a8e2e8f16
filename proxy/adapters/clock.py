"""The system's clock and random source behind the Clock port, and the time by which limits are counted."""

from __future__ import annotations

import asyncio
import datetime
import random
import secrets
import time
from collections.abc import Callable
from functools import partial

DRIFT = 0.0005  # seconds in a second that two clocks may differ more, at most
_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # goes on while a machine sleeps


class SystemClock:
    monotonic = staticmethod(time.monotonic)
    utcnow = staticmethod(partial(datetime.datetime.now, datetime.UTC))  # with its time zone

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def random(self) -> float:
        return random.random()  # noqa: S311 (back-off jitter, not a secret)

    def entropy(self, size: int) -> bytes:
        return secrets.token_bytes(size)


def offset_of_boot() -> float:
    """Unix time less the time since the machine was booted, by the clock as it stands now."""
    return time.time() - time.clock_gettime(_BOOT)


def steady_time(offset: float | None = None) -> Callable[[], float]:
    """Unix seconds that go on evenly, whatever happens to the system's clock; alike in all processes of a machine that
    have the same `offset`."""
    since_boot = partial(time.clock_gettime, _BOOT)
    begin = offset_of_boot() if offset is None else offset
    return lambda: since_boot() + begin


class Ahead:
    """How many seconds the agent's time is ahead of ours, from what its messages tell when they come. One that was long
    under way tells too little, so the most counts; it fades, since clocks drift."""

    def __init__(self) -> None:
        self.value = 0.0
        self._at = 0.0

    def hear(self, told: float, now: float, first: bool) -> float:
        """`first`: of a connection, whose agent may be another one."""
        found = told - now
        if first or found > self.value - DRIFT * (now - self._at):
            self.value, self._at = found, now
        return self.value
