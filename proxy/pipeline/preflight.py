"""A CORS preflight is OPTIONS with Origin and Access-Control-Request-Method, unless the API defines OPTIONS itself.

The lifecycle routes a preflight by the method it asks for and runs that operation's pipeline; `run.execute` then runs
only its cors policies. https://learn.microsoft.com/azure/api-management/cors-policy
"""

from __future__ import annotations

from proxy.exchange import Exchange


def is_preflight(exchange: Exchange) -> bool:
    """Whether the exchange is a preflight for its operation."""
    request = exchange.request
    if request.method != "OPTIONS":
        return False
    if exchange.operation is not None and exchange.operation.method.upper() == "OPTIONS":
        return False
    return "Origin" in request.headers and "Access-Control-Request-Method" in request.headers
