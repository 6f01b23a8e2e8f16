"""`cache-lookup-value`: reads a value from a cache into a variable.

https://learn.microsoft.com/azure/api-management/cache-lookup-value-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.pipeline.caching import caching_type, look_up, value_key
from proxy.pipeline.registry import ANYWHERE, Handler, policy

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("cache-lookup-value", sections=ANYWHERE)
def cache_lookup_value(element: Element, compiler: Compiler) -> Handler:
    """Set a variable to a cached value, to the default on a miss; without a default a miss leaves it alone."""
    choose = caching_type(element)
    key = element.string("key")
    variable = element.literal("variable-name")
    default = element.any_value("default-value") if element.has("default-value") else None

    async def handle(exchange: Exchange) -> None:
        found, value = await look_up(exchange, choose(exchange), value_key(key.get(exchange)))
        if found:
            exchange.variables[variable] = value
        elif default is not None:
            exchange.variables[variable] = default.get(exchange)

    return handle
