"""The cache inside the sidecar: frozen values by key, in memory.

Rules
1. It is bounded in entries and in bytes (keys and an overhead per entry included); the least recently used goes first.
2. Times are monotonic: setting the system's clock neither ends nor prolongs anything.
3. It knows nothing of configurations and so outlives them; it ends with the process.
4. Only the event loop uses it, so it needs no lock.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

from proxy.settings import integer

MAX_BYTES = 64 * 1024 * 1024
MAX_ENTRIES = 100_000
OVERHEAD = 200  # bytes of an entry beside its key and value, about


def local_cache(values: Mapping[str, str]) -> LocalCache:
    """The cache of the settings. Raises SettingError."""
    megabytes = integer(values, "policy.cache.internal.megabytes", MAX_BYTES // 1024**2, 1, 1_000_000)
    entries = integer(values, "policy.cache.internal.entries", MAX_ENTRIES, 1, 100_000_000)
    return LocalCache(max_bytes=megabytes * 1024**2, max_entries=entries)


class LocalCache:
    """`now` gives monotonic seconds. A value larger than an eighth of `max_bytes` is not kept."""

    def __init__(
        self, now: Callable[[], float] = time.monotonic, max_bytes: int = MAX_BYTES, max_entries: int = MAX_ENTRIES
    ) -> None:
        self._now = now
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._entries: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self.size = 0

    def __len__(self) -> int:
        return len(self._entries)

    async def get(self, key: str) -> bytes | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[0] <= self._now():
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return entry[1]

    async def put(self, key: str, value: bytes, seconds: float) -> bool:
        self._drop(key)
        cost = _cost(key, value)
        if seconds <= 0 or cost > self._max_bytes // 8:
            return False
        self._entries[key] = (self._now() + seconds, value)
        self.size += cost
        self._forget()
        return True

    async def remove(self, key: str) -> bool:
        self._drop(key)
        return True

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.size -= _cost(key, entry[1])

    def _forget(self) -> None:
        """Drop what is above the bounds, and up to two expired entries from the old end by the way."""
        now = self._now()
        spare = 2
        while self._entries:
            key, (expires, _) = next(iter(self._entries.items()))
            above = self.size > self._max_bytes or len(self._entries) > self._max_entries
            if not above and (spare == 0 or expires > now):
                return
            spare -= not above
            self._drop(key)


def _cost(key: str, value: bytes) -> int:
    return len(key) + len(value) + OVERHEAD
