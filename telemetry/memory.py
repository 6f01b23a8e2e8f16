"""Memory that a process has freed, given back to the system.

The C library's allocator keeps what is freed in the pools of its threads. A batch of some megabytes that is read now in
this thread and now in that one leaves that much in each of them, and the process grows though it uses no more.
"""

from __future__ import annotations

import asyncio
import ctypes

EVERY = 60.0  # seconds


def give_back() -> None:
    """Takes some milliseconds, and other threads run meanwhile. Nothing happens where the C library is another one."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


async def give_back_forever(interval: float = EVERY) -> None:
    """Now and then, in another thread."""
    while True:
        await asyncio.sleep(interval)
        await asyncio.to_thread(give_back)
