"""What emit-metric and the token metrics share: dimensions, and adding a value to what the record carries."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from proxy.pipeline.element import Element
from telemetry.records import MetricRecord

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.values import Value

MAX_CUSTOM = 5  # dimensions; ten were allowed before, so more than five is only a warning
MAX_CUSTOM_BEFORE = 10
MAX_VALUES = 100  # values that one request may emit
MAX_TEXT = 256  # characters of a dimension's name or value

Read = Callable[["Exchange"], str]

# Dimensions whose value the gateway knows.
DEFAULTS: dict[str, Read] = {
    "api id": lambda exchange: exchange.api.id if exchange.api else "",
    "operation id": lambda exchange: exchange.operation.id if exchange.operation else "",
    "product id": lambda exchange: exchange.product.id if exchange.product else "",
    "user id": lambda exchange: exchange.user.id if exchange.user else "",
    "subscription id": lambda exchange: exchange.subscription.id if exchange.subscription else "",
    "location": lambda exchange: exchange.deployment.region,
    "gateway id": lambda exchange: exchange.deployment.gateway_id,
}
# What is only known once the backend was called.
LATE: dict[str, Read] = {"backend id": lambda exchange: exchange.backend.id if exchange.backend else ""}


class Dimensions:
    """The <dimension> children of an element. `late`: dimensions that wait for the backend are allowed."""

    def __init__(self, element: Element, *, late: bool = False) -> None:
        children = element.children("dimension", required=True)
        known = {**DEFAULTS, **LATE} if late else DEFAULTS
        self._names = [child.string("name") for child in children]
        self._values = [_value(child, known) for child in children]
        custom = sum(child.has("value") for child in children)
        if custom > MAX_CUSTOM:
            severity = "error" if custom > MAX_CUSTOM_BEFORE else "warning"
            message = f"{custom} dimensions of your own; at most {MAX_CUSTOM} are allowed."
            element.issue(message, "limit", severity=severity)

    def measured(self, exchange: Exchange) -> Callable[[], tuple[tuple[str, str], ...]]:
        """Evaluates now; what waits for the backend is read when the result is called."""
        names = [name.get(exchange)[:MAX_TEXT] for name in self._names]
        values = [value if value in LATE.values() else value(exchange)[:MAX_TEXT] for value in self._values]

        def read() -> tuple[tuple[str, str], ...]:
            texts = [value if isinstance(value, str) else value(exchange)[:MAX_TEXT] for value in values]
            return tuple(zip(names, texts, strict=True))

        return read


def emit(exchange: Exchange, *values: MetricRecord) -> None:
    """Beyond MAX_VALUES nothing is added."""
    if len(exchange.metrics) + len(values) <= MAX_VALUES:
        exchange.metrics += values


def _value(dimension: Element, defaults: dict[str, Read]) -> Read:
    given: Value[str] | None = dimension.string("value", None)
    if given is not None:
        return given.get
    name = next((each.value.value for each in dimension.node.attributes if each.name == "name"), "")
    known = defaults.get(name.strip().lower())
    if known is None:
        listed = ", ".join(each.title().replace("Id", "ID").replace("Api", "API") for each in defaults)
        dimension.issue(f"Dimension '{name}' needs a value; only {listed} have one.", "missing-attribute")
        return lambda exchange: ""
    return known
