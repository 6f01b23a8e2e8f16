"""The agent's time, by which its sidecars count: that of the clock when it starts, and steady from there."""

from __future__ import annotations

import time
from collections.abc import Callable

_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # goes on while a machine sleeps


def steady_time() -> Callable[[], float]:
    """Unix seconds that go on evenly, whatever happens to the system's clock."""
    offset = time.time() - time.clock_gettime(_BOOT)
    return lambda: time.clock_gettime(_BOOT) + offset
