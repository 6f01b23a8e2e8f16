"""`cache-store-value`: keeps a value in a cache under a key.

https://learn.microsoft.com/azure/api-management/cache-store-value-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.pipeline.caching import caching_type, seconds, value_key
from proxy.pipeline.frozen import freeze
from proxy.pipeline.registry import ANYWHERE, Handler, policy

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("cache-store-value", sections=ANYWHERE)
def cache_store_value(element: Element, compiler: Compiler) -> Handler:
    """Keep a copy of a value for `duration` seconds; null is not kept."""
    choose = caching_type(element)
    key = element.string("key")
    value = element.any_value("value")
    duration = seconds(element, "duration")

    async def handle(exchange: Exchange) -> None:
        kept = value.get(exchange)
        name, period = value_key(key.get(exchange)), duration.get(exchange)
        cache = choose(exchange)
        if cache is not None and kept is not None:
            await cache.put(name, freeze(kept), period)

    return handle
