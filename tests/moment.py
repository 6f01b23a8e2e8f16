"""The time for a test: another local zone than the machine's, and a period that does not end in its midst."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import pytest

HOUR, DAY = 3_600, 86_400


@contextlib.contextmanager
def zone(name: str) -> Iterator[None]:
    """The local time of this process is that of `name`, such as America/New_York."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TZ", name)
        time.tzset()
        try:
            yield
        finally:
            patched.undo()
            time.tzset()


def not_at_the_end(period: int = DAY, margin: float = 5.0) -> None:
    """Wait for the next period (of UTC, in seconds) when this one ends within `margin`: for what asks for the time here
    and there, and compares."""
    left = period - time.time() % period
    if left < margin:
        time.sleep(left + 0.05)
