"""`rate-limit`: limits the calls of a subscription in a sliding window.

https://learn.microsoft.com/azure/api-management/rate-limit-policy
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy.pipeline.limits import MAX_PERIOD, Announcement, counter
from proxy.pipeline.registry import INBOUND, Handler, policy
from proxy.ports import Want

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@dataclass(slots=True, frozen=True)
class Limit:
    """`calls` in `period` seconds; for one API or operation by id, else by name (lower case), else for all."""

    calls: int
    period: int
    key: str
    id: str = ""
    name: str = ""
    operations: tuple[Limit, ...] = ()

    def covers(self, id: str, name: str) -> bool:
        return self.id == id.lower() if self.id else self.name == name.lower()


@policy("rate-limit", sections={INBOUND}, scopes=frozenset({"product", "api", "operation"}))
def rate_limit(element: Element, compiler: Compiler) -> Handler:
    """Limit the calls of a subscription, and of it for single APIs and operations."""
    announcement = Announcement.of(element)
    element.literal_integer("version", None, minimum=0)  # the service writes it into some; it tells how, not what
    whole = _limit(element, f"rate-limit/{compiler.definition_id}")
    apis = tuple(_part(child, whole.key) for child in element.children("api"))
    operations = tuple(_part(child, whole.key) for child in element.children("operation"))
    simple = not apis and not operations

    def handle(exchange: Exchange) -> None:
        subscription = exchange.subscription
        if subscription is None:
            return
        counters = exchange.ports.counters
        if simple:
            key = f"{whole.key}/{subscription.id}"
            reading = counters.take(key, whole.period, whole.calls)
            if reading.count >= whole.calls:
                detail = counter(key, reading.count, whole.calls, whole.period)
                raise announcement.refuse(exchange, reading.reset_after, whole.calls, detail)
            announcement.allow(exchange, whole.calls - reading.count - 1, whole.calls)
            return
        limits = [(f"{limit.key}/{subscription.id}", limit) for limit in _applicable(exchange, whole, apis, operations)]
        remaining = whole.calls
        exceeded = []
        readings = counters.claim([Want(key, limit.period, limit.calls) for key, limit in limits])
        for (key, limit), reading in zip(limits, readings, strict=True):
            remaining = min(remaining, limit.calls - reading.count - 1)
            if reading.count >= limit.calls:
                exceeded.append((reading.reset_after, counter(key, reading.count, limit.calls, limit.period)))
        if exceeded:
            reset_after, detail = max(exceeded)
            raise announcement.refuse(exchange, reset_after, whole.calls, detail)
        announcement.allow(exchange, remaining, whole.calls)

    return handle


def _limit(element: Element, key: str, id: str = "", name: str = "") -> Limit:
    calls = element.literal_integer("calls", minimum=0)
    period = element.literal_integer("renewal-period", minimum=1, maximum=MAX_PERIOD)
    operations = tuple(_part(child, key) for child in element.children("operation")) if element.name == "api" else ()
    return Limit(calls, period, key, id, name, operations)


def _part(element: Element, parent: str) -> Limit:
    """The limit of an <api> or <operation>; its id wins over its name."""
    id, name = element.literal("id", "").lower(), element.literal("name", "").lower()
    if not id and not name:
        element.issue(f"<{element.name}> needs 'id' or 'name'.", "missing-attribute")
    return _limit(element, f"{parent}/{element.name}:{id or name}", id, name)


def _applicable(
    exchange: Exchange, whole: Limit, apis: tuple[Limit, ...], operations: tuple[Limit, ...]
) -> list[Limit]:
    limits = [whole]
    api, operation = exchange.api, exchange.operation
    if api is not None:
        for limit in apis:
            if limit.covers(api.id, api.name):
                limits.append(limit)
                operations += limit.operations
    if operation is not None:
        limits += (limit for limit in operations if limit.covers(operation.id, operation.name))
    return limits
