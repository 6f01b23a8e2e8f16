"""The external cache in use: the one of the settings if they name one, else the one that the configuration names.

Rules
1. The settings of a sidecar prevail: whoever runs it knows its network.
2. A configuration that names another server switches at once; requests in flight end with the one they began with.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from proxy.adapters.redis_cache import RedisCache
from proxy.config.caches import Address
from proxy.ports import Cache
from proxy.settings import SettingError

log = logging.getLogger("proxy.cache")
LINGER = 1.0  # seconds that a server that is no longer used stays open


class ExternalCache:
    """`put` is told which cache is in use, None for none; used on the event loop alone."""

    def __init__(self, fixed: RedisCache | None, prefix: str, put: Callable[[Cache | None], None]) -> None:
        self._fixed = fixed
        self._prefix = prefix
        self._put = put
        self._server: Address | None = None
        self._held: RedisCache | None = None
        self._leaving: set[asyncio.Task[None]] = set()

    def use(self, server: Address | None) -> None:
        """Have the server of a configuration used from now on."""
        if self._fixed is not None or server == self._server:
            return
        self._server, former, self._held = server, self._held, None
        if server is not None:
            try:
                self._held = RedisCache(server, self._prefix)
                self._held.start()
            except SettingError as missing:
                log.error("the external cache cannot be used: %s", missing, extra={"event": "ExternalCacheDown"})
        self._put(self._held)
        if former is not None:
            task = asyncio.get_running_loop().create_task(_leave(former))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        for task in self._leaving:
            task.cancel()
        await asyncio.gather(*self._leaving, return_exceptions=True)
        for each in (self._held, self._fixed):
            if each is not None:
                await each.close()


async def _leave(cache: RedisCache) -> None:
    try:
        await asyncio.sleep(LINGER)
    finally:
        await cache.close()
