"""`xml-to-json`: converts the body of the request (inbound) or the response from XML to JSON.

https://learn.microsoft.com/azure/api-management/xml-to-json-policy
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from proxy.pipeline.content import accepted, is_json, is_xml
from proxy.pipeline.convert_body import convert_body
from proxy.pipeline.convert_xml import xml_to_json as convert
from proxy.pipeline.registry import INBOUND, ON_ERROR, OUTBOUND, Handler, policy

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("xml-to-json", sections={INBOUND, OUTBOUND, ON_ERROR})
def xml_to_json(element: Element, compiler: Compiler) -> Handler:
    """Convert a body from XML to JSON."""
    kind = element.choice("kind", "javascript-friendly", "direct")
    apply = element.choice("apply", "always", "content-type-xml")
    consider_accept = element.boolean("consider-accept-header", True)
    # the second name is that of older pages of the documentation
    old = element.has("always-array-children") and not element.has("always-array-child-elements")
    arrays = element.boolean("always-array-children" if old else "always-array-child-elements", False)
    section = compiler.section

    async def handle(exchange: Exchange) -> None:
        if consider_accept.get(exchange) and not any(map(is_json, accepted(exchange.request.headers))):
            return
        friendly, always_arrays = kind.get(exchange) == "javascript-friendly", arrays.get(exchange)
        await convert_body(
            exchange.message(section),
            None if apply.get(exchange) == "always" else is_xml,
            lambda content: convert(content, friendly, always_arrays),
            "application/json",
            asyncio.to_thread,
        )

    return handle
