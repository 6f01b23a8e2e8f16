"""`return-response`: ends the pipeline and answers.

https://learn.microsoft.com/azure/api-management/return-response-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.errors import ExpressionFailed
from proxy.messages import Body, Headers, Response
from proxy.pipeline.edits import body_edit, header_edit, status_edit
from proxy.pipeline.registry import ANYWHERE, RESPOND, Handler, Outcome, policy

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("return-response", sections=ANYWHERE)
def return_response(element: Element, compiler: Compiler) -> Handler:
    """End the pipeline with a response of its own, 200 and empty unless told otherwise."""
    variable = element.literal("response-variable-name", None)
    status_element = element.child("set-status")
    status = status_edit(status_element) if status_element else None
    headers = [header_edit(child) for child in element.children("set-header")]
    body_element = element.child("set-body")
    body = body_edit(body_element) if body_element else None

    async def handle(exchange: Exchange) -> Outcome | None:
        response = _copy(exchange, variable) if variable else Response()
        if status:
            status(exchange, response)
        for header in headers:
            header.apply(exchange, response.headers)
        if body:
            body(exchange, response)
        if exchange.response is not None and exchange.response.body is not response.body:
            await exchange.response.body.discard()
        exchange.response = response
        return RESPOND

    return handle


def _copy(exchange: Exchange, variable: str) -> Response:
    """The response in a variable, as a new one; its body is shared until set-body replaces it.

    Documented samples name a variable that nobody sets: that is a new response. So is null, what send-request leaves.
    """
    kept = exchange.variables.get(variable)
    if kept is None:
        return Response()
    if not isinstance(kept, Response):
        raise ExpressionFailed(f"Variable '{variable}' holds no response.")
    body = Body(kept.body.content()) if kept.body.buffered else kept.body
    return Response(kept.status, kept.reason, Headers(kept.headers), body)
