"""Authorization made of literal or computed credentials, for authentication-basic and as a child of send-request."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING

from proxy.pipeline.element import Element

if TYPE_CHECKING:
    from proxy.exchange import Exchange


def basic_authorization(element: Element) -> Callable[[Exchange], str]:
    """The value of an Authorization header from `username` and `password`, as UTF-8 (RFC 7617)."""
    username = element.string("username")
    password = element.string("password")
    if username.constant and ":" in username.value:
        element.issue("A user name with a colon cannot be sent: RFC 7617 ends it there.", "invalid-attribute")

    def authorization(exchange: Exchange) -> str:
        pair = f"{username.get(exchange)}:{password.get(exchange)}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"

    return authorization
