"""`rewrite-uri`: replaces path and query of the request to the backend.

https://learn.microsoft.com/azure/api-management/rewrite-uri-policy
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote_plus

from proxy.errors import BadRequest, ExpressionFailed
from proxy.pipeline.registry import BACKEND, INBOUND, Handler, policy

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element

_PLACEHOLDER = re.compile(r"\{\*?([^{}/?&=]+)\}")
_PATH_SAFE = "/%:@!$&'()*+,;=-._~"
_QUERY_SAFE = "/%:@!$&'()*+,;=-._~?"


@policy("rewrite-uri", sections={INBOUND, BACKEND})
def rewrite_uri(element: Element, compiler: Compiler) -> Handler:
    """Replace the path, and from a `?` on the query, by a template."""
    template = element.string("template")
    copy_unmatched = element.boolean("copy-unmatched-params", True)
    literal = template.constant

    def handle(exchange: Exchange) -> None:
        path, _, query = template.get(exchange).strip().partition("?")
        # braces that an expression made are data unless they name a parameter
        path = quote(_fill(path, exchange, literal, _path_value), safe=_PATH_SAFE)
        query = quote(_fill(query, exchange, literal, _query_value), safe=_QUERY_SAFE)
        if copy_unmatched.get(exchange):
            query = _with_unmatched(query, exchange)
        exchange.request.path = path if path.startswith("/") else f"/{path}"
        exchange.request.query = query

    return handle


def _fill(template: str, exchange: Exchange, strict: bool, encode: Callable[[str, str, Exchange], str]) -> str:
    if "{" not in template:
        return template
    parameters = exchange.matched_parameters

    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        if name in parameters:
            return encode(name, parameters[name], exchange)
        if strict:
            raise ExpressionFailed(f"Template parameter '{name}' is not in the operation's URL template.")
        return found.group()

    return _PLACEHOLDER.sub(value, template)


def _path_value(name: str, value: str, exchange: Exchange) -> str:
    """The value as one segment, or as several when it stands for the rest of the path; it never climbs up."""
    if any(segment in (".", "..") for segment in value.split("/")):
        raise BadRequest("The URL has a path parameter with a dot segment.")
    rest = exchange.operation is not None and f"{{*{name}}}" in exchange.operation.url_template
    return quote(value, safe="/:@!$&'()*+,;=-._~" if rest else ":@!$&'()*+,;=-._~")


def _query_value(name: str, value: str, exchange: Exchange) -> str:
    return quote(value, safe="/:@!$'()*,;-._~?")


def _with_unmatched(query: str, exchange: Exchange) -> str:
    """The template's query, then the incoming parameters that neither it nor the operation's template names."""
    incoming = exchange.request.query
    if not incoming:
        return query
    taken = {name.lower() for name, _ in parse_qsl(query, keep_blank_values=True)}
    if exchange.operation is not None:
        _, _, pattern = exchange.operation.url_template.partition("?")
        taken |= {name.lower() for name, _ in parse_qsl(pattern, keep_blank_values=True)}
    kept = [part for part in incoming.split("&") if unquote_plus(part.partition("=")[0]).lower() not in taken]
    return "&".join([query, *kept] if query else kept)
