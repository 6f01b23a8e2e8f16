"""`send-request`: sends a request of its own and keeps the answer in a variable.

https://learn.microsoft.com/azure/api-management/send-request-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.errors import BackendErrorStatus, ExpressionFailed, GatewayError
from proxy.messages import Response
from proxy.pipeline.calls import call_of
from proxy.pipeline.registry import ANYWHERE, Handler, policy
from proxy.ports import whole_answer

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("send-request", sections=ANYWHERE)
def send_request(element: Element, compiler: Compiler) -> Handler:
    """Send a request to any URL and keep the answer in a variable."""
    variable = element.string("response-variable-name", "")
    ignore_error = element.literal_boolean("ignore-error", False)
    fail_on_error = element.literal_boolean("fail-on-error-status-code", False)
    element.literal_boolean("buffer-response", True)  # whoever asks for the body has all of it, in both cases
    call = call_of(element, compiler)

    async def handle(exchange: Exchange) -> None:
        name = variable.get(exchange)
        answer: Response | None = None
        try:
            given = await whole_answer(exchange.transport, await call.outgoing(exchange))
            if fail_on_error and given.status >= 400:
                raise BackendErrorStatus(given.status, given.reason)
            answer = given
        except ExpressionFailed:
            raise
        except GatewayError as problem:
            if not ignore_error:
                raise
            exchange.traces.append(("send-request", "information", f"Ignored: {problem.message}", {}))
        if name:
            exchange.variables[name] = answer

    return handle
