"""`cache-store`: keeps the response for requests that ask for the same.

https://learn.microsoft.com/azure/api-management/cache-store-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.pipeline.caching import seconds
from proxy.pipeline.registry import OUTBOUND, Handler, policy
from proxy.pipeline.responses import keep_response

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


def _nothing(exchange: Exchange) -> None:
    return None


@policy("cache-store", sections={OUTBOUND})
def cache_store(element: Element, compiler: Compiler) -> Handler:
    """Keep the response for `duration` seconds where cache-lookup missed: a 200, or any if `cache-response` says so."""
    duration = seconds(element, "duration")
    mark = f"{compiler.scope} {compiler.path}"
    any_status = element.boolean("cache-response", False)
    if element.literal_choice("caching-mode", "cache-on", "do-not-cache", default="cache-on") != "cache-on":  # of old
        return _nothing

    async def handle(exchange: Exchange) -> None:
        plan, response = exchange.caching, exchange.response
        if plan is None or response is None:  # no cache-lookup, it does not apply to this request, or it hit
            return
        if response.status == 200 or any_status.get(exchange):
            await keep_response(exchange, plan, response, duration.get(exchange), mark)

    return handle
