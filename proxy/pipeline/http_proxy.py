"""The HTTP proxy that a `<proxy>` element describes: a policy of its own, and a child of send-request."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from proxy.errors import ExpressionFailed
from proxy.messages import Url
from proxy.pipeline.element import Element
from proxy.pipeline.source import unresolved
from proxy.ports import HttpProxy

if TYPE_CHECKING:
    from proxy.exchange import Exchange


def http_proxy(element: Element) -> Callable[[Exchange], HttpProxy]:
    """The proxy of this moment; raises ExpressionFailed for a URL that is none."""
    url = element.string("url")
    username, password = element.string("username", ""), element.string("password", "")
    if url.constant and url.value and not unresolved(url.value):
        try:
            http_proxy_of(url.value, "", "")
        except ValueError as problem:
            element.issue(f"Attribute 'url' {problem}", "invalid-attribute")

    def find(exchange: Exchange) -> HttpProxy:
        try:
            return http_proxy_of(url.get(exchange), username.get(exchange), password.get(exchange), not url.constant)
        except ValueError as problem:
            raise ExpressionFailed(f"The URL of the proxy {problem}") from problem

    return find


@lru_cache(maxsize=256)
def http_proxy_of(url: str, username: str, password: str, screened: bool = False) -> HttpProxy:
    """Without a scheme it is http. Raises ValueError."""
    address = Url.parse(url if "://" in url else f"http://{url.strip()}")
    if address is None or address.scheme not in ("http", "https"):
        raise ValueError(f"must be a URL such as http://proxy.example:8080, and {url[:200]!r} is none.")
    pair = f"{username}:{password}".encode()
    authorization = f"Basic {base64.b64encode(pair).decode()}" if username or password else ""
    return HttpProxy(address.scheme, address.host, address.port, authorization, screened)
