"""`send-request`: sends a request of its own and keeps the answer in a variable.

https://learn.microsoft.com/azure/api-management/send-request-policy
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from proxy.errors import BackendConnectionFailure, BackendTimeout, BodyTooLarge, ExpressionFailed, GatewayError
from proxy.messages import MAX_BUFFERED_BODY, Response
from proxy.pipeline.calls import call_of
from proxy.pipeline.registry import ANYWHERE, Handler, policy

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element
    from proxy.ports import Outgoing


@policy("send-request", sections=ANYWHERE)
def send_request(element: Element, compiler: Compiler) -> Handler:
    """Send a request to any URL and keep the answer in a variable."""
    variable = element.string("response-variable-name", "")
    ignore_error = element.literal_boolean("ignore-error", False)
    call = call_of(element, compiler)

    async def handle(exchange: Exchange) -> None:
        name = variable.get(exchange)
        answer: Response | None = None
        try:
            answer = await _answer(exchange, await call.outgoing(exchange))
        except ExpressionFailed:
            raise
        except GatewayError as problem:
            if not ignore_error:
                raise
            exchange.traces.append(("send-request", "information", f"Ignored: {problem.message}", {}))
        if name:
            exchange.variables[name] = answer

    return handle


async def _answer(exchange: Exchange, outgoing: Outgoing) -> Response:
    """The whole answer, body included, within the timeout."""
    response: Response | None = None
    try:
        async with asyncio.timeout(outgoing.timeout):
            response = await exchange.ports.transport.send(outgoing)
            await response.body.read()
    except TimeoutError as late:
        raise BackendTimeout(f"The request did not complete within {outgoing.timeout:g} seconds.") from late
    except BodyTooLarge as large:
        raise BackendConnectionFailure(f"The answer is larger than {MAX_BUFFERED_BODY} bytes.") from large
    finally:
        if response is not None and not response.body.buffered:
            await response.body.discard()
    return response
