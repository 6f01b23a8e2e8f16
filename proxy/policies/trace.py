"""`trace`: adds a message to the trace and the request's telemetry.

https://learn.microsoft.com/azure/api-management/trace-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.pipeline.registry import ANYWHERE, Handler, policy

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("trace", sections=ANYWHERE)
def trace(element: Element, compiler: Compiler) -> Handler:
    """Say something in the trace and in telemetry."""
    source = element.literal("source")
    severity = element.literal_choice("severity", "verbose", "information", "error", default="verbose")
    inner = element.child("message")
    message = inner.content() if inner else element.content(required=True)
    metadata = [(child.literal("name"), child.string("value")) for child in element.children("metadata")]

    def handle(exchange: Exchange) -> None:
        facts = {name: value.get(exchange) for name, value in metadata}
        exchange.traces.append((source, severity, message.get(exchange), facts))

    return handle
