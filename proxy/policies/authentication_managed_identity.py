"""`authentication-managed-identity`: gets an access token of the gateway's own identity, for the backend or a variable.

Documented for inbound; real documents have it in all sections, where it is the variable that counts.
https://learn.microsoft.com/azure/api-management/authentication-managed-identity-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.pipeline.own_identity import managed_identity
from proxy.pipeline.registry import ANYWHERE, Handler, policy

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("authentication-managed-identity", sections=ANYWHERE)
def authentication_managed_identity(element: Element, compiler: Compiler) -> Handler:
    """Authenticate to the backend with a token of the gateway's own identity."""
    identity = managed_identity(element)

    async def handle(exchange: Exchange) -> None:
        token = await identity.token(exchange)
        if identity.variable:
            exchange.variables[identity.variable] = token
        else:
            exchange.request.headers["Authorization"] = f"Bearer {token}"

    return handle
