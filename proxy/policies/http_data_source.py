"""`http-data-source`: the document of a GraphQL resolver. One HTTP call resolves one field; its answer is the data.

https://learn.microsoft.com/azure/api-management/http-data-source-policy
Rules
1. The policies of <http-request> see a request of their own: the client's headers, and a JSON body with the `arguments`
   of the field. What is sent has the headers that they set, and that body only where the method has one.
2. An absolute <set-url> says where it goes, unless set-backend-service does: then it gives path and query. A relative
   one lies below that backend, or below the API's own.
3. A status of 400 or more is an error of the field; <http-response> runs for the others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from proxy.errors import BackendConnectionFailure, GatewayError
from proxy.messages import Body, Url
from proxy.pipeline.calls import absolute_url
from proxy.pipeline.registry import BACKEND, INBOUND, OUTBOUND, Handler, policy
from proxy.pipeline.resolution import own_headers
from proxy.pipeline.source import unresolved
from proxy.pipeline.steps import Block, Step, run_steps

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element
    from proxy.pipeline.nodes import Node

SCOPES = frozenset({"resolver"})
REQUEST = frozenset(
    {
        *("get-authorization-context", "set-backend-service", "include-fragment", "set-method", "set-header"),
        *("set-body", "authentication-certificate", "authentication-basic", "authentication-managed-identity"),
    }
)
RESPONSE = frozenset(
    {"set-body", "xml-to-json", "json-to-xml", "find-and-replace", "publish-event", "include-fragment"}
)


@policy("http-data-source", sections={BACKEND}, scopes=SCOPES)
def http_data_source(element: Element, compiler: Compiler) -> Handler:
    """Resolve a field of a GraphQL API with an HTTP call."""
    request = element.child("http-request", required=True)
    backend, response = element.child("backend"), element.child("http-response")
    if request is None:
        return lambda exchange: None
    url_element = request.child("set-url", required=True)
    url = url_element.content(required=True) if url_element else None
    nodes = request.policies()
    if not any(node.name in ("set-method", "include-fragment") for node in nodes):
        request.issue("<http-request> needs a <set-method>.", "missing-element")
    at = next((index for index, node in enumerate(nodes) if node.name == "set-url"), len(nodes))
    inner = compiler.within(request, INBOUND, REQUEST)
    before, after = _block(inner, nodes[:at]), _block(inner, nodes[at:])
    forward = _forward(backend, compiler)
    answered = compiler.within(response, OUTBOUND, RESPONSE).sequence(response).steps if response else ()
    given = url.value if url is not None and url.constant and not unresolved(url.value) else ""
    if url_element and "://" in given.partition("?")[0] and absolute_url(given) is None:
        url_element.issue(f"{given!r} is not an http or https URL.", "invalid-text")

    async def handle(exchange: Exchange) -> None:
        own = exchange.request
        original = own.body
        await run_steps(before, exchange)
        _direct(exchange, url.get(exchange) if url is not None else "")
        await run_steps(after, exchange)
        seen, own.headers = own.headers, own_headers(own.headers)
        if own.body is original:
            if own.method in ("GET", "HEAD"):
                own.body = Body()
            else:
                own.headers.setdefault("Content-Type", "application/json")
        await run_steps(forward, exchange)
        own.headers, answer = seen, exchange.response
        if answer is None:
            return
        if answer.status >= 400:
            message = f"The data source answered with status {answer.status}."
            raise GatewayError(message, reason="ResolverFailed", public=message)
        await run_steps(answered, exchange)

    return handle


def _block(compiler: Compiler, nodes: tuple[Node, ...]) -> tuple[Step, ...]:
    steps = compiler.steps([node for node in nodes if node.name != "set-url"])
    return Block([step for step in steps if isinstance(step, Step)]).steps


def _forward(backend: Element | None, compiler: Compiler) -> tuple[Step, ...]:
    """What sends the request: the policies of <backend>, or else forward-request."""
    from proxy.pipeline.link import FORWARD

    if backend is None:
        return FORWARD
    return compiler.within(backend, BACKEND, frozenset({"forward-request"})).sequence(backend).steps or FORWARD


def _direct(exchange: Exchange, text: str) -> None:
    """Rule 2. Raises BackendConnectionFailure."""
    request, resolution = exchange.request, exchange.resolution
    assert resolution is not None
    found = absolute_url(text)
    if found is not None:
        if request.base is None:
            request.base = replace(found, path="", query="")
            resolution.guarded = True
    else:
        request.base = request.base or resolution.service
        base = request.base
        path = text.strip()
        found = Url.parse(f"{base.scheme}://{base.authority}/{path.lstrip('/')}") if base is not None else None
        if found is None or "://" in path.partition("?")[0]:
            raise BackendConnectionFailure(f"{text[:200]!r} is not a URL that can be called.")
    request.path, request.query = found.path, found.query
