"""`invoke-request`: calls a URL or a backend entity; its answer is the response, or goes into a variable.

No page documents it; what is known comes from the public policy toolkit.
Rules
1. `url` is absolute, or a path below the backend entity (without one, below the backend of the request). Without it the
   path and query of the request are taken.
2. The call starts empty, with GET; what it sends stands in its children. A backend entity adds its credentials, and
   its pool and circuit breakers apply; so with one the URL cannot lead to another host.
3. Without response-variable-name the pipeline ends with the answer, as return-response ends it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from proxy.errors import BackendConnectionFailure, ExpressionFailed, GatewayError
from proxy.messages import Body, Headers, Response, Url
from proxy.pipeline.backends import answered, authorized, chosen, failed, named_backend, parse_base, with_credentials
from proxy.pipeline.calls import METHOD, absolute_url
from proxy.pipeline.edits import header_problem, value_problem
from proxy.pipeline.registry import ANYWHERE, RESPOND, Handler, Outcome, policy
from proxy.pipeline.source import unresolved
from proxy.ports import Outgoing, whole_answer

if TYPE_CHECKING:
    from proxy.config.resources import Backend
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element

TIMEOUT = 300.0  # seconds
MaybeBackend = Callable[["Exchange"], "Backend | None"]


@policy("invoke-request", sections=ANYWHERE)
def invoke_request(element: Element, compiler: Compiler) -> Handler:
    """Call a URL or a backend entity, and answer with what it answers or keep that in a variable."""
    method, url = element.string("method", "GET"), element.string("url", None)
    if method.constant and not unresolved(method.value) and not METHOD.fullmatch(method.value):
        element.issue(f"{method.value!r} is not a method. Write one such as GET.", "invalid-attribute")
    backend_of: MaybeBackend | None = None
    if element.has("backend-id"):
        backend_of = named_backend(element, "backend-id", compiler)
    variable = element.literal("response-variable-name", "")
    headers_of = _headers(element)
    body_element = element.child("body")
    body = body_element.body_content() if body_element else None

    async def handle(exchange: Exchange) -> Outcome | None:
        name = method.get(exchange).strip()
        if not METHOD.fullmatch(name):
            raise ExpressionFailed(f"{name!r} is not a method.")
        backend = backend_of(exchange) if backend_of is not None else None
        member = chosen(exchange, backend) if backend is not None else None
        target = _target(exchange, url.get(exchange) if url is not None else None, member)
        content = body.get(exchange) if body is not None else b""
        outgoing = Outgoing(name.upper(), target, headers_of(exchange), Body(content), TIMEOUT, guarded=member is None)
        if member is not None:
            outgoing = with_credentials(member, outgoing)
            await authorized(exchange, member, outgoing)
        response = await _answer(exchange, outgoing, member, whole=bool(variable))
        if variable:
            exchange.variables[variable] = response
            return None
        if exchange.response is not None:
            await exchange.response.body.discard()
        exchange.response = response
        return RESPOND

    return handle


async def _answer(exchange: Exchange, outgoing: Outgoing, member: Backend | None, whole: bool) -> Response:
    try:
        if whole:
            response = await whole_answer(exchange.transport, outgoing)
        else:
            response = await exchange.transport.send(outgoing)
    except GatewayError as problem:
        if member is not None:
            failed(exchange, member, problem)
        raise
    if member is not None:
        answered(exchange, member, response)
    return response


def _target(exchange: Exchange, text: str | None, backend: Backend | None) -> Url:
    """Rule 1."""
    request = exchange.request
    try:
        base = parse_base(backend.url) if backend is not None else request.base
    except ValueError as wrong:
        raise BackendConnectionFailure(str(wrong)) from wrong
    if text is not None and "://" in text.partition("?")[0]:
        if backend is not None:
            raise ExpressionFailed(
                f"With a backend-id the URL must be a path below it, and {text[:200]!r} is absolute."
            )
        url = absolute_url(text)
        if url is None:
            raise BackendConnectionFailure(f"{text[:200]!r} is not an absolute http or https URL.")
        return url
    if base is None:
        raise BackendConnectionFailure("There is no backend below which the URL could be.")
    path, _, query = (request.path, "", request.query) if text is None else text.strip().partition("?")
    made = Url.parse(f"{base.scheme}://{base.authority}/{path.lstrip('/')}?{query}")
    if made is None:
        raise ExpressionFailed(f"{path[:200]!r} is not a path.")
    query = f"{base.query}&{made.query}" if base.query and made.query else base.query or made.query
    below = made.path if path else ""
    return replace(base, path=f"{base.path.rstrip('/')}{below}" or "/", query=query)


def _headers(element: Element) -> Callable[[Exchange], Headers]:
    edits = []
    for child in element.children("header"):
        name = child.string("name")
        if name.constant and name.value and not unresolved(name.value) and (problem := header_problem(name.value)):
            child.issue(problem, "invalid-header")
        edits.append((name, child.string("value")))

    def make(exchange: Exchange) -> Headers:
        headers = Headers()
        for name, value in edits:
            key, line = name.get(exchange), value.get(exchange)
            if problem := header_problem(key) or value_problem(key, line):
                raise ExpressionFailed(problem)
            headers.add(key, line)
        return headers

    return make
