"""`set-header`: adds, replaces or removes a header of the request (inbound, backend) or the response.

https://learn.microsoft.com/azure/api-management/set-header-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.pipeline.edits import header_edit
from proxy.pipeline.registry import ANYWHERE, BACKEND, INBOUND, Handler, policy

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("set-header", sections=ANYWHERE)
def set_header(element: Element, compiler: Compiler) -> Handler:
    """Set, append to or delete a header of the request or the response."""
    name, edit = header_edit(element)
    section = compiler.section
    if section in (INBOUND, BACKEND):
        if not name.constant or name.value.lower() == "host":

            def request_with_host(exchange: Exchange) -> None:
                headers = exchange.request.headers
                edit(exchange, headers)
                if name.get(exchange).lower() == "host":
                    exchange.request.keep_host = "Host" in headers

            return request_with_host

        def request(exchange: Exchange) -> None:
            edit(exchange, exchange.request.headers)

        return request

    def response(exchange: Exchange) -> None:
        edit(exchange, exchange.message(section).headers)

    return response
