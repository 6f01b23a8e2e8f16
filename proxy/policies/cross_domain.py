"""`cross-domain`: serves the crossdomain.xml that browser plug-ins ask for.

https://learn.microsoft.com/azure/api-management/cross-domain-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from proxy.messages import Body, Headers, Response
from proxy.pipeline.registry import INBOUND, RESPOND, Handler, Outcome, policy

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element

PATH = "/crossdomain.xml"
# Adobe's specification of the file: element -> attributes
_CHILDREN = {
    "site-control": ("permitted-cross-domain-policies",),
    "allow-access-from": ("domain", "to-ports", "secure"),
    "allow-http-request-headers-from": ("domain", "headers", "secure"),
}


@policy("cross-domain", sections={INBOUND}, scopes=frozenset({"global"}))
def cross_domain(element: Element, compiler: Compiler) -> Handler:
    """Serve crossdomain.xml at the root of the gateway."""
    inner = element.child("cross-domain-policy", required=True)
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<cross-domain-policy>"]
    for name, attributes in _CHILDREN.items():
        for child in inner.children(name) if inner else ():
            given = [(each, child.literal(each, None)) for each in attributes]
            lines.append(
                f"  <{name}{''.join(f' {key}={quoteattr(text)}' for key, text in given if text is not None)} />"
            )
    content = "\n".join([*lines, "</cross-domain-policy>"]).encode()

    def handle(exchange: Exchange) -> Outcome | None:
        request = exchange.request
        if request.original_url.path != PATH or request.method not in ("GET", "HEAD"):
            return None
        exchange.response = Response(200, "OK", Headers({"Content-Type": "application/xml"}), Body(content))
        return RESPOND

    return handle
