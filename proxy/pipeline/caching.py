"""What the caching policies share: which cache they mean, how they read and write it, and for how long.

Rules (https://learn.microsoft.com/azure/api-management/api-management-howto-cache-external)
1. `internal` is the cache in the sidecar; `external` the configured one, and without one every lookup misses;
   `prefer-external` is the external one where it is configured, else the internal one. Neither reads the other's.
2. A cache never fails a request: what cannot be read is a miss, what cannot be written is not kept.
3. Keys of values and of responses are apart, and are made of names only, so that they outlive configurations.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from proxy.pipeline.element import Element
from proxy.pipeline.frozen import Thawless, thaw
from proxy.pipeline.values import Value
from proxy.ports import Cache

if TYPE_CHECKING:
    from proxy.exchange import Exchange

log = logging.getLogger("proxy.cache")

CACHING_TYPES = ("prefer-external", "external", "internal")
LONGEST = 2**31 - 1  # seconds

Choose = Callable[["Exchange"], Cache | None]


def caching_type(element: Element) -> Choose:
    """Which cache a policy means; None for an external one that is not configured."""
    return {"internal": _internal, "external": _external, "prefer-external": preferred}[
        element.literal_choice("caching-type", *CACHING_TYPES, default="prefer-external")
    ]


def _internal(exchange: Exchange) -> Cache | None:
    return exchange.ports.cache


def _external(exchange: Exchange) -> Cache | None:
    return exchange.ports.external_cache


def preferred(exchange: Exchange) -> Cache:
    """The external cache where one is configured, else the internal one."""
    external = exchange.ports.external_cache
    return exchange.ports.cache if external is None else external


def seconds(element: Element, name: str, default: int | None = None) -> Value[int]:
    """How long something is kept; from an expression also 0 or less, which then keeps nothing."""
    value = element.integer(name) if default is None else element.integer(name, default)
    if value.constant and not 0 <= value.value <= LONGEST:
        element.issue(f"Attribute '{name}' must be between 0 and {LONGEST} seconds.", "invalid-attribute")
    return value


def value_key(key: str) -> str:
    return f"value/{key}"


async def read(exchange: Exchange, cache: Cache | None, key: str) -> bytes | None:
    """The bytes of a key; the time it takes is the record's cache time."""
    if cache is None:
        return None
    clock = exchange.ports.clock
    began = clock.monotonic()
    try:
        return await cache.get(key)
    finally:
        exchange.cache_ms += (clock.monotonic() - began) * 1000


async def look_up(exchange: Exchange, cache: Cache | None, key: str) -> tuple[bool, Any]:
    """Whether there is a value, and a new copy of it."""
    frozen = await read(exchange, cache, key)
    if frozen is None:
        return False, None
    try:
        return True, thaw(frozen)
    except Thawless as problem:
        log.warning("cache entry %r ignored: %s", key, problem)
        return False, None
