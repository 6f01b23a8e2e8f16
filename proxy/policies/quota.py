"""`quota`: limits the calls and the bandwidth of a subscription to a product in fixed windows.

https://learn.microsoft.com/azure/api-management/quota-policy
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy.pipeline.quotas import FIRST_PERIOD, Allowance, claim
from proxy.pipeline.registry import INBOUND, Handler, policy

if TYPE_CHECKING:
    from proxy.config.resources import Subscription
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@dataclass(slots=True, frozen=True)
class Part:
    """A quota of its own for one API or operation, by id, else by name (lower case)."""

    allowance: Allowance
    key: str
    id: str = ""
    name: str = ""
    operations: tuple[Part, ...] = ()

    def covers(self, id: str, name: str) -> bool:
        return self.id == id.lower() if self.id else self.name == name.lower()


@policy("quota", sections={INBOUND}, scopes=frozenset({"product"}))
def quota(element: Element, compiler: Compiler) -> Handler:
    """Limit the calls and kilobytes of a subscription, and of it for single APIs and operations."""
    key = f"quota/{compiler.definition_id}"
    apis = tuple(_part(child, key) for child in element.children("api"))
    operations = tuple(_part(child, key) for child in element.children("operation"))
    whole = Part(Allowance.of(element, optional=bool(apis or operations)), key)
    simple = not apis and not operations

    def handle(exchange: Exchange) -> None:
        subscription = exchange.subscription
        if subscription is None:
            return
        start = _start(subscription)
        applicable = [whole] if simple else _applicable(exchange, whole, apis, operations)
        parts = [(f"{part.key}/{subscription.id}", part.allowance) for part in applicable]
        claim(exchange, parts, start)

    return handle


def _start(subscription: Subscription) -> float:
    """When the first window begins: with the subscription."""
    began = subscription.start or subscription.created
    return began.timestamp() if began else FIRST_PERIOD


def _part(element: Element, parent: str) -> Part:
    """The quota of an <api> or <operation>; its id wins over its name."""
    id, name = element.literal("id", "").lower(), element.literal("name", "").lower()
    if not id and not name:
        element.issue(f"<{element.name}> needs 'id' or 'name'.", "missing-attribute")
    key = f"{parent}/{element.name}:{id or name}"
    operations = tuple(_part(child, key) for child in element.children("operation")) if element.name == "api" else ()
    return Part(Allowance.of(element, optional=bool(operations)), key, id, name, operations)


def _applicable(exchange: Exchange, whole: Part, apis: tuple[Part, ...], operations: tuple[Part, ...]) -> list[Part]:
    parts = [whole]
    api, operation = exchange.api, exchange.operation
    if api is not None:
        for part in apis:
            if part.covers(api.id, api.name):
                parts.append(part)
                operations += part.operations
    if operation is not None:
        parts += (part for part in operations if part.covers(operation.id, operation.name))
    return parts
