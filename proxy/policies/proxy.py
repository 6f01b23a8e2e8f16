"""`proxy`: has the backend called through an HTTP proxy.

https://learn.microsoft.com/azure/api-management/proxy-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.pipeline.http_proxy import http_proxy
from proxy.pipeline.registry import INBOUND, Handler, policy

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("proxy", sections={INBOUND})
def proxy(element: Element, compiler: Compiler) -> Handler:
    """Have the backend called through an HTTP proxy; with a user name and a password it sees them as Basic."""
    find = http_proxy(element)

    def handle(exchange: Exchange) -> None:
        exchange.proxy = find(exchange)

    return handle
