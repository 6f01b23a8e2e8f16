"""`cache-remove-value`: forgets the value of a key.

https://learn.microsoft.com/azure/api-management/cache-remove-value-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.errors import GatewayError
from proxy.pipeline.caching import caching_type, value_key
from proxy.pipeline.registry import ANYWHERE, Handler, policy

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("cache-remove-value", sections=ANYWHERE)
def cache_remove_value(element: Element, compiler: Compiler) -> Handler:
    """Remove a value from a cache; whether a cache that cannot be reached is an error, the document says."""
    choose = caching_type(element)
    key = element.string("key")
    must = element.boolean("fail-on-cache-removal-error", False)

    async def handle(exchange: Exchange) -> None:
        cache = choose(exchange)
        name = value_key(key.get(exchange))
        if must.get(exchange):
            if cache is None:
                raise _failed("No external cache is configured.")
            if not await cache.remove(name):
                raise _failed("The cache could not be reached.")
        elif cache is not None:
            await cache.remove(name)

    return handle


def _failed(why: str) -> GatewayError:
    return GatewayError(f"The value could not be removed from the cache. {why}", reason="CacheRemovalFailure")
