"""Waiting for something that another process or thread does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


async def until(ready: Callable[[], object], seconds: float = 8.0) -> None:
    """Until `ready()` is true; the test fails otherwise."""
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "waited in vain"
        await asyncio.sleep(0.01)
