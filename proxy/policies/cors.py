"""`cors`: answers preflights and lets other origins read responses.

https://learn.microsoft.com/azure/api-management/cors-policy
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from proxy.messages import DEFAULT_PORTS, Headers, Response
from proxy.pipeline.preflight import is_preflight
from proxy.pipeline.registry import INBOUND, RESPOND, Handler, Outcome, policy
from proxy.pipeline.source import unresolved
from proxy.pipeline.steps import Late
from proxy.pipeline.values import Value

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("cors", sections={INBOUND})
def cors(element: Element, compiler: Compiler) -> Handler:
    """Answer CORS preflights and add CORS headers to responses."""
    credentials = element.boolean("allow-credentials", False)
    terminate = element.boolean("terminate-unmatched-request", True)
    origins = _list(element.child("allowed-origins", required=True), "origin", required=True, check=_check_origin)
    methods_element = element.child("allowed-methods")
    methods = _list(methods_element, "method", required=True)
    max_age = methods_element.integer("preflight-result-max-age", 0, minimum=0) if methods_element else Value.of(0)
    allowed_headers = _list(element.child("allowed-headers"), "header")
    exposed = _list(element.child("expose-headers"), "header")

    def allowed_origin(exchange: Exchange, origin: str) -> str | None:
        """What Access-Control-Allow-Origin says to this origin; None when it is not allowed."""
        normal = _origin(origin)
        for value in origins:
            allowed = value.get(exchange).strip()
            if allowed == "*":
                return origin if credentials.get(exchange) else "*"
            if normal is not None and _origin(allowed) == normal:
                return origin
        return None

    def preflight(exchange: Exchange, allow_origin: str) -> Outcome | None:
        request = exchange.request.headers
        wanted = request["Access-Control-Request-Method"].upper()
        names = [value.get(exchange).upper() for value in methods] or ["GET", "POST"]
        if wanted not in names and "*" not in names:
            return None
        headers = Headers()
        _allow(headers, allow_origin, credentials.get(exchange))
        headers["Access-Control-Allow-Methods"] = wanted if "*" in names else ",".join(names)
        listed = [value.get(exchange) for value in allowed_headers]
        shown = request.get("Access-Control-Request-Headers", "") if "*" in listed else ",".join(listed)
        if shown:
            headers["Access-Control-Allow-Headers"] = shown
        headers["Access-Control-Max-Age"] = str(max_age.get(exchange))
        exchange.response = Response(200, "OK", headers)
        return RESPOND

    def handle(exchange: Exchange) -> Outcome | None:
        origin = exchange.request.headers.get("Origin")
        if origin is None or any(isinstance(late, _Matched) for late in exchange.after_outbound):
            return None
        allow_origin = allowed_origin(exchange, origin)
        method = exchange.request.method
        if is_preflight(exchange):
            if allow_origin is not None and (outcome := preflight(exchange, allow_origin)):
                return outcome
        elif allow_origin is not None:
            names = ",".join(value.get(exchange) for value in exposed)
            with_credentials = credentials.get(exchange)

            def announce(exchange: Exchange) -> None:
                if exchange.response is None:
                    return
                headers = exchange.response.headers
                _allow(headers, allow_origin, with_credentials)
                if names:
                    headers["Access-Control-Expose-Headers"] = names

            exchange.after_outbound.append(_Matched(announce))
            return None
        elif method not in ("GET", "HEAD"):  # only these are documented to be refused
            return None
        if terminate.get(exchange):
            exchange.response = Response()
            return RESPOND
        return None

    return handle


class _Matched(Late):
    """Marks that a cors policy has matched: only the first one counts."""


def _allow(headers: Headers, allow_origin: str, credentials: bool) -> None:
    headers["Access-Control-Allow-Origin"] = allow_origin
    if allow_origin != "*":
        headers.add("Vary", "Origin")
    if credentials:
        headers["Access-Control-Allow-Credentials"] = "true"


def _list(
    element: Element | None,
    name: str,
    required: bool = False,
    check: Callable[[Element, str], None] | None = None,
) -> list[Value[str]]:
    values = []
    for child in element.children(name, required=required) if element else ():
        value = child.content(required=True)
        if check and value.constant and value.value:
            check(child, value.value)
        values.append(value)
    return values


def _check_origin(element: Element, text: str) -> None:
    if text != "*" and not unresolved(text) and _origin(text) is None:
        element.issue(f"{text!r} is not an origin. Write * or one such as https://example.com.", "invalid-text")


def _origin(text: str) -> tuple[str, str, int | None] | None:
    """An origin in parts, with the scheme's own port where it names none; None when it is no origin."""
    if text == "null":
        return ("null", "", None)
    try:
        parts = urlsplit(text.strip().rstrip("/"))
        port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    if not parts.scheme or not parts.hostname or parts.path or parts.query:
        return None
    return (parts.scheme, parts.hostname, port)
