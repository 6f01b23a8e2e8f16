"""`send-one-way-request`: sends a request of its own and does not wait for the answer.

https://learn.microsoft.com/azure/api-management/send-one-way-request-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.errors import ExpressionFailed, GatewayError
from proxy.pipeline.calls import call_of
from proxy.pipeline.registry import ANYWHERE, Handler, policy

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("send-one-way-request", sections=ANYWHERE)
def send_one_way_request(element: Element, compiler: Compiler) -> Handler:
    """Send a request to any URL and go on at once."""
    call = call_of(element, compiler)

    async def handle(exchange: Exchange) -> None:
        try:
            outgoing = await call.outgoing(exchange)
        except ExpressionFailed:
            raise
        except GatewayError as problem:  # nobody waits for this request, so nobody fails with it
            exchange.traces.append(("send-one-way-request", "error", problem.message, {}))
            return
        if not exchange.ports.errands.run(outgoing):
            exchange.traces.append(("send-one-way-request", "error", "Too many requests are in flight: dropped.", {}))

    return handle
