"""`set-status`: changes the status code and reason of the response.

https://learn.microsoft.com/azure/api-management/set-status-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.messages import Response
from proxy.pipeline.edits import status_edit
from proxy.pipeline.registry import ANYWHERE, Handler, policy

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("set-status", sections=ANYWHERE)
def set_status(element: Element, compiler: Compiler) -> Handler:
    """Change the status code and reason of the response."""
    edit = status_edit(element)

    def handle(exchange: Exchange) -> None:
        if exchange.response is None:
            exchange.response = Response()
        edit(exchange, exchange.response)

    return handle
