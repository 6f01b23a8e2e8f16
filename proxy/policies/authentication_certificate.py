"""`authentication-certificate`: shows a client certificate to the backend.

https://learn.microsoft.com/azure/api-management/authentication-certificate-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.pipeline.own_identity import client_identity
from proxy.pipeline.registry import INBOUND, Handler, policy

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("authentication-certificate", sections={INBOUND})
def authentication_certificate(element: Element, compiler: Compiler) -> Handler:
    """Authenticate to the backend with a client certificate."""
    identity = client_identity(element, compiler)

    def handle(exchange: Exchange) -> None:
        exchange.identity = identity(exchange)

    return handle
