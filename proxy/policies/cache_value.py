"""`cache-value`: a cached value, and the policies that make it when it is missing or old.

No page documents it; the public policy toolkit writes it. Rules
1. On a miss the policies in <value> run and should set the variable; what they set is kept for `expires-after` seconds.
2. On a hit they do not run, unless the value is older than `refresh-after` seconds (0: always). What they then set
   replaces the value; if they set nothing, the old value stays, with the time it has left.
3. While one request makes the value, others of this process wait for it; those that have an old value go on with that.
   If nothing came of it, each makes its own.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from proxy.pipeline.caching import caching_type, look_up, seconds, value_key
from proxy.pipeline.frozen import freeze
from proxy.pipeline.registry import ANYWHERE, Handler, Outcome, policy
from proxy.pipeline.steps import run_steps
from proxy.ports import Cache

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element

EXPIRES_AFTER = 28_800  # seconds


@policy("cache-value", sections=ANYWHERE)
def cache_value(element: Element, compiler: Compiler) -> Handler:
    """Set a variable to a cached value; the policies inside make it when it is missing or old."""
    choose = caching_type(element)
    key = element.string("key")
    variable = element.literal("variable-name")
    expires_after = seconds(element, "expires-after", EXPIRES_AFTER)
    refresh_after = seconds(element, "refresh-after") if element.has("refresh-after") else None
    default = element.any_value("default-value") if element.has("default-value") else None
    maker = element.child("value", required=True)
    steps = compiler.sequence(maker).steps if maker else ()
    making: dict[str, asyncio.Event] = {}

    async def fresh(exchange: Exchange, cache: Cache, name: str) -> bool:
        """Whether a value that is there may be used as it is."""
        if refresh_after is None:
            return True
        return refresh_after.get(exchange) > 0 and await cache.get(_fresh_key(name)) is not None

    async def make(exchange: Exchange, cache: Cache | None, name: str, old: Any) -> Outcome | None:
        """Run the policies inside, and keep what they set."""
        before = exchange.variables.pop(variable, None)
        outcome = await run_steps(steps, exchange)
        made = exchange.variables.get(variable)
        if made is not None:
            if cache is not None:
                await cache.put(name, freeze(made), expires_after.get(exchange))
                if refresh_after is not None:
                    await cache.put(_fresh_key(name), b"", refresh_after.get(exchange))
        elif old is not None:
            exchange.variables[variable] = old
        elif default is not None:
            exchange.variables[variable] = default.get(exchange)
        elif before is not None:
            exchange.variables[variable] = before
        return outcome

    async def handle(exchange: Exchange) -> Outcome | None:
        cache = choose(exchange)
        name = value_key(key.get(exchange))
        found, value = await look_up(exchange, cache, name)
        if found:
            assert cache is not None
            if await fresh(exchange, cache, name) or name in making:
                exchange.variables[variable] = value
                return None
        elif name in making:
            await making[name].wait()
            found, value = await look_up(exchange, cache, name)
            if found:
                exchange.variables[variable] = value
                return None
        if name in making:
            return await make(exchange, cache, name, value)
        done = making[name] = asyncio.Event()
        try:
            return await make(exchange, cache, name, value)
        finally:
            del making[name]
            done.set()

    return handle


def _fresh_key(name: str) -> str:
    return f"fresh/{name}"
