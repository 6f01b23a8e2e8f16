"""`set-body`: replaces the body of the request (inbound, backend) or the response.

https://learn.microsoft.com/azure/api-management/set-body-policy
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from proxy.pipeline.edits import body_edit, is_template
from proxy.pipeline.registry import ANYWHERE, Handler, policy

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element
    from proxy.pipeline.liquid_edit import LiquidEdit


@policy("set-body", sections=ANYWHERE)
def set_body(element: Element, compiler: Compiler) -> Handler:
    """Replace the body by a text, by what an expression makes, or by a rendered Liquid template."""
    edit = body_edit(element)
    section = compiler.section
    if is_template(edit):
        return _rendered(edit, section)

    async def handle(exchange: Exchange) -> None:
        message = exchange.message(section)
        old = message.body
        edit(exchange, message)
        await old.discard()

    return handle


def _rendered(edit: LiquidEdit, section: str) -> Handler:
    async def handle(exchange: Exchange) -> None:
        message = exchange.message(section)
        old = message.body
        if edit.reads_body:
            await old.read()
        if edit.loops:
            await asyncio.to_thread(edit, exchange, message)
        else:
            edit(exchange, message)
        await old.discard()

    return handle
