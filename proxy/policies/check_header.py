"""`check-header`: refuses a request without a header, or with a value that is not listed.

https://learn.microsoft.com/azure/api-management/check-header-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.errors import PolicyRefused
from proxy.pipeline.edits import phrase
from proxy.pipeline.registry import INBOUND, Handler, policy

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("check-header", sections={INBOUND})
def check_header(element: Element, compiler: Compiler) -> Handler:
    """Refuse a request without a header or with an unlisted value of it."""
    name = element.string("name")
    status = element.integer("failed-check-httpcode", minimum=200, maximum=999)
    message = element.string("failed-check-error-message")
    ignore_case = element.boolean("ignore-case")
    values = [child.content() for child in element.children("value")]

    def refuse(exchange: Exchange, reason: str, cause: str) -> PolicyRefused:
        code = status.get(exchange)
        return PolicyRefused(code, phrase(code), reason, cause, public=message.get(exchange))

    def handle(exchange: Exchange) -> None:
        header = name.get(exchange)
        lines = exchange.request.headers.getall(header, None)
        if lines is None:
            raise refuse(exchange, "HeaderNotFound", f"Header {header} was not found in the request. Access denied.")
        if not values:
            return
        found = ",".join(lines)
        folded = found.casefold()
        for value in values:
            allowed = value.get(exchange)
            if allowed == found or (ignore_case.get(exchange) and allowed.casefold() == folded):
                return
        raise refuse(
            exchange, "HeaderValueNotAllowed", f"Header {header} value of {found} is not allowed. Access denied."
        )

    return handle
