"""`set-method`: changes the method of the request to the backend.

https://learn.microsoft.com/azure/api-management/set-method-policy
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from proxy.errors import ExpressionFailed
from proxy.pipeline.registry import BACKEND, INBOUND, ON_ERROR, Handler, policy

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element

_METHOD = re.compile(r"[A-Za-z]{1,40}")


@policy("set-method", sections={INBOUND, BACKEND, ON_ERROR})
def set_method(element: Element, compiler: Compiler) -> Handler:
    """Change the method of the request."""
    method = element.content(required=True)
    if method.constant and method.value and not _METHOD.fullmatch(method.value):
        element.issue(f"{method.value!r} is not a method. Write one such as GET.", "invalid-text")

    def handle(exchange: Exchange) -> None:
        name = method.get(exchange).strip()
        if not _METHOD.fullmatch(name):
            raise ExpressionFailed(f"{name!r} is not a method.")
        exchange.request.method = name.upper()

    return handle
