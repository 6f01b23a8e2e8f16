"""The system's clock and random source behind the Clock port."""

from __future__ import annotations

import asyncio
import datetime
import random
import secrets
import time
from functools import partial


class SystemClock:
    monotonic = staticmethod(time.monotonic)
    utcnow = staticmethod(partial(datetime.datetime.now, datetime.UTC))  # with its time zone

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def random(self) -> float:
        return random.random()  # noqa: S311 (back-off jitter, not a secret)

    def entropy(self, size: int) -> bytes:
        return secrets.token_bytes(size)
