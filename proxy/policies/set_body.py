"""`set-body`: replaces the body of the request (inbound, backend) or the response.

https://learn.microsoft.com/azure/api-management/set-body-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.pipeline.edits import body_edit
from proxy.pipeline.registry import ANYWHERE, Handler, policy

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("set-body", sections=ANYWHERE)
def set_body(element: Element, compiler: Compiler) -> Handler:
    """Replace the body by a text or by what an expression makes."""
    edit = body_edit(element)
    section = compiler.section

    async def handle(exchange: Exchange) -> None:
        message = exchange.message(section)
        old = message.body
        edit(exchange, message)
        await old.discard()

    return handle
