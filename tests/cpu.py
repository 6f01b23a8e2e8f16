"""How much work something is, for the tests that say hostile input costs little of it."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """A full collection of what thousands of tests before it left behind takes seconds, and comes whenever it likes."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@contextmanager
def cpu(seconds: float) -> Iterator[None]:
    """What is inside takes less than so many CPU seconds of this thread."""
    with uncollected():
        began = time.thread_time()
        yield
        spent = time.thread_time() - began
    assert spent < seconds, f"{spent:.3f} s of CPU time"
