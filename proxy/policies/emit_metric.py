"""`emit-metric`: adds a value to a metric of its own, with dimensions.

https://learn.microsoft.com/azure/api-management/emit-metric-policy
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from proxy.errors import ExpressionFailed
from proxy.pipeline.metrics import Dimensions, emit
from proxy.pipeline.registry import ANYWHERE, Handler, policy
from telemetry.records import MetricRecord

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("emit-metric", sections=ANYWHERE)
def emit_metric(element: Element, compiler: Compiler) -> Handler:
    """Add a value to a custom metric."""
    name = element.literal("name")
    namespace = element.literal("namespace", "API Management")
    value = element.number("value", 1.0)
    dimensions = Dimensions(element)

    def handle(exchange: Exchange) -> None:
        amount = value.get(exchange)
        if not math.isfinite(amount):
            raise ExpressionFailed(f"The value of metric '{name}' is no finite number.")
        emit(exchange, MetricRecord(namespace, name, amount, dimensions.measured(exchange)()))

    return handle
