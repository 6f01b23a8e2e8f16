"""`json-to-xml`: converts the body of the request (inbound) or the response from JSON to XML.

https://learn.microsoft.com/azure/api-management/json-to-xml-policy
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from proxy.pipeline.content import accepted, is_json, is_xml
from proxy.pipeline.convert_body import convert_body
from proxy.pipeline.convert_json import Mapping
from proxy.pipeline.convert_json import json_to_xml as convert
from proxy.pipeline.registry import INBOUND, ON_ERROR, OUTBOUND, Handler, policy

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("json-to-xml", sections={INBOUND, OUTBOUND, ON_ERROR})
def json_to_xml(element: Element, compiler: Compiler) -> Handler:
    """Convert a body from JSON to XML."""
    apply = element.choice("apply", "always", "content-type-json")
    consider_accept = element.boolean("consider-accept-header", True)
    parse_date = element.literal_boolean("parse-date", True)
    separator = element.string("namespace-separator", "_")
    prefix = element.string("namespace-prefix", "xmlns")
    block = element.string("attribute-block-name", "")
    section = compiler.section

    async def handle(exchange: Exchange) -> None:
        if consider_accept.get(exchange) and not any(map(is_xml, accepted(exchange.request.headers))):
            return
        mapping = Mapping(
            separator.get(exchange) or "_", prefix.get(exchange) or "xmlns", block.get(exchange), parse_date
        )
        await convert_body(
            exchange.message(section),
            None if apply.get(exchange) == "always" else is_json,
            lambda content: convert(content, mapping),
            "application/xml",
            asyncio.to_thread,
        )

    return handle
