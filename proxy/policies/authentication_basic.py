"""`authentication-basic`: sends a user name and a password to the backend.

https://learn.microsoft.com/azure/api-management/authentication-basic-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.pipeline.credentials import basic_authorization
from proxy.pipeline.registry import INBOUND, Handler, policy

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("authentication-basic", sections={INBOUND})
def authentication_basic(element: Element, compiler: Compiler) -> Handler:
    """Authenticate to the backend with a user name and a password."""
    authorization = basic_authorization(element)

    def handle(exchange: Exchange) -> None:
        exchange.request.headers["Authorization"] = authorization(exchange)

    return handle
