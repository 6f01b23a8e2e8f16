"""`cache-lookup`: answers with a kept response instead of asking the backend.

https://learn.microsoft.com/azure/api-management/cache-lookup-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.pipeline.caching import caching_type
from proxy.pipeline.element import Element
from proxy.pipeline.registry import ANSWERED, INBOUND, Handler, Outcome, policy
from proxy.pipeline.responses import CachingPlan, ask_for_all, find_response, response_key
from proxy.pipeline.values import Value

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler


@policy("cache-lookup", sections={INBOUND})
def cache_lookup(element: Element, compiler: Compiler) -> Handler:
    """Answer a GET from the cache, if it holds the response; outbound then goes on behind the cache-store."""
    choose = caching_type(element)
    by_developer = _told(element, "vary-by-developer")
    by_groups = _told(element, "vary-by-developer-groups")
    private = element.boolean("allow-private-response-caching", False)
    downstream = element.choice("downstream-caching-type", "none", "private", "public", default="none")
    must_revalidate = element.boolean("must-revalidate", True)
    headers = [child.content(required=True) for child in element.children("vary-by-header")]
    parameters = [child.content(required=True) for child in element.children("vary-by-query-parameter")]

    async def handle(exchange: Exchange) -> Outcome | None:
        exchange.caching = None
        request = exchange.request
        if request.method != "GET" or ("Authorization" in request.headers and not private.get(exchange)):
            return None
        extra: tuple[str, ...] = ()
        if by_developer.get(exchange):
            extra += ("developer", _developer(exchange))
        if by_groups.get(exchange):
            extra += ("groups", *_groups(exchange))
        key = response_key(exchange, _names(headers, exchange), _names(parameters, exchange), extra)
        plan = CachingPlan(choose(exchange), key, downstream.get(exchange), must_revalidate.get(exchange))
        response = await find_response(exchange, plan)
        if response is None:
            exchange.caching, exchange.cache = plan, "miss"
            ask_for_all(request.headers)
            return None
        exchange.response, exchange.cache = response, "hit"
        return ANSWERED

    return handle


def _told(element: Element, name: str) -> Value[bool]:
    """An attribute that is documented as required and as having a default: its absence is worth a warning."""
    if not element.has(name):
        element.issue(
            f"Attribute '{name}' is missing and taken as false. Add it.", "missing-attribute", severity="warning"
        )
    return element.boolean(name, False)


def _names(values: list[Value[str]], exchange: Exchange) -> tuple[str, ...]:
    """Names in a fixed order and spelling; one text may hold several, separated by semicolons."""
    names = {name.strip().lower() for value in values for name in value.get(exchange).split(";")}
    return tuple(sorted(names - {""}))


def _developer(exchange: Exchange) -> str:
    if exchange.user is not None:
        return exchange.user.id
    return exchange.subscription.id if exchange.subscription else ""


def _groups(exchange: Exchange) -> list[str]:
    return sorted(group.id for group in exchange.user.groups) if exchange.user else []
