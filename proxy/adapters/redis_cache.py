"""The external cache: any Redis-compatible server.

Rules
1. A server in trouble never fails a request and never holds it up for more than TIMEOUT: it is a miss (redis_link.py).
2. What comes from the server is only bytes; `proxy.pipeline.frozen` reads them and trusts nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from proxy.adapters import redis_link
from proxy.adapters.redis_link import RedisLink, Use, name_of
from proxy.config.caches import Address

TIMEOUT = 0.05  # seconds for one answer
MAX_VALUE = 8 * 1024 * 1024

SETTING = "policy.cache.external.connection"
FILE_SETTING = "policy.cache.external.connection.file"
USE = Use(
    "external cache", SETTING, "lookups miss", logging.getLogger("proxy.cache"), "ExternalCacheUp", "ExternalCacheDown"
)


def from_settings(values: Mapping[str, str]) -> RedisCache | None:
    """The external cache of the settings, if there is one. Raises SettingError."""
    server = configured(values)
    return None if server is None else RedisCache(server, prefix(values))


def prefix(values: Mapping[str, str]) -> str:
    """What stands before every key."""
    return values.get("policy.cache.external.prefix", "").strip() or "passerelle/"


def configured(values: Mapping[str, str]) -> Address | None:
    """Where the server of the settings is, if there is one. Raises SettingError."""
    return redis_link.configured(values, SETTING, FILE_SETTING)


class RedisCache:
    """Call `start` on the running loop, and `close` at the end. Raises SettingError."""

    def __init__(self, server: Address, prefix: str = "passerelle/", timeout: float = TIMEOUT) -> None:
        self._link = RedisLink(server, USE, timeout)
        self._prefix = prefix

    @property
    def available(self) -> bool:
        return not self._link.open

    def start(self) -> None:
        """Begin to connect in the background."""
        self._link.start()

    async def close(self) -> None:
        await self._link.close()

    async def get(self, key: str) -> bytes | None:
        value = await self._link.ask("GET", name_of(self._prefix, key))
        return value if isinstance(value, bytes) else None

    async def put(self, key: str, value: bytes, seconds: float) -> bool:
        if len(value) > MAX_VALUE:
            return False
        if seconds <= 0:
            return await self.remove(key) and False
        return (
            await self._link.ask("SET", name_of(self._prefix, key), value, "PX", max(1, int(seconds * 1000)))
            is not None
        )

    async def remove(self, key: str) -> bool:
        return await self._link.ask("DEL", name_of(self._prefix, key)) is not None
