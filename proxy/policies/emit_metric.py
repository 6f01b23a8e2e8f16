"""`emit-metric`: adds a value to a metric of its own, with dimensions.

https://learn.microsoft.com/azure/api-management/emit-metric-policy
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from proxy.errors import ExpressionFailed
from proxy.pipeline.registry import ANYWHERE, Handler, policy
from telemetry.records import MetricRecord

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element
    from proxy.pipeline.values import Value

MAX_CUSTOM = 5  # dimensions; ten were allowed before, so more than five is only a warning
MAX_CUSTOM_BEFORE = 10
MAX_VALUES = 100  # values that one request may emit
MAX_TEXT = 256  # characters of a dimension's name or value

# Dimensions whose value the gateway knows.
DEFAULTS: dict[str, Callable[[Exchange], str]] = {
    "api id": lambda exchange: exchange.api.id if exchange.api else "",
    "operation id": lambda exchange: exchange.operation.id if exchange.operation else "",
    "product id": lambda exchange: exchange.product.id if exchange.product else "",
    "user id": lambda exchange: exchange.user.id if exchange.user else "",
    "subscription id": lambda exchange: exchange.subscription.id if exchange.subscription else "",
    "location": lambda exchange: exchange.deployment.region,
    "gateway id": lambda exchange: exchange.deployment.gateway_id,
}


@policy("emit-metric", sections=ANYWHERE)
def emit_metric(element: Element, compiler: Compiler) -> Handler:
    """Add a value to a custom metric."""
    name = element.literal("name")
    namespace = element.literal("namespace", "API Management")
    value = element.number("value", 1.0)
    children = element.children("dimension", required=True)
    dimensions = [(child.string("name"), _value(child)) for child in children]
    custom = sum(child.has("value") for child in children)
    if custom > MAX_CUSTOM:
        severity = "error" if custom > MAX_CUSTOM_BEFORE else "warning"
        element.issue(f"{custom} dimensions of your own; at most {MAX_CUSTOM} are allowed.", "limit", severity=severity)

    def handle(exchange: Exchange) -> None:
        amount = value.get(exchange)
        if not math.isfinite(amount):
            raise ExpressionFailed(f"The value of metric '{name}' is no finite number.")
        measured = tuple((each.get(exchange)[:MAX_TEXT], read(exchange)[:MAX_TEXT]) for each, read in dimensions)
        if len(exchange.metrics) < MAX_VALUES:
            exchange.metrics += (MetricRecord(namespace, name, amount, measured),)

    return handle


def _value(dimension: Element) -> Callable[[Exchange], str]:
    given: Value[str] | None = dimension.string("value", None)
    if given is not None:
        return given.get
    name = next((each.value.value for each in dimension.node.attributes if each.name == "name"), "")
    known = DEFAULTS.get(name.strip().lower())
    if known is None:
        listed = ", ".join(each.title().replace("Id", "ID").replace("Api", "API") for each in DEFAULTS)
        dimension.issue(f"Dimension '{name}' needs a value; only {listed} have one.", "missing-attribute")
        return lambda exchange: ""
    return known
