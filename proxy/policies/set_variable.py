"""`set-variable`: keeps a value for later policies and expressions of the request.

https://learn.microsoft.com/azure/api-management/set-variable-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.pipeline.registry import ANYWHERE, Handler, policy

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("set-variable", sections=ANYWHERE)
def set_variable(element: Element, compiler: Compiler) -> Handler:
    """Set a variable: a literal is a string, an expression's value keeps its type."""
    name = element.literal("name")
    get = element.any_value("value").get

    def handle(exchange: Exchange) -> None:
        exchange.variables[name] = get(exchange)

    return handle
