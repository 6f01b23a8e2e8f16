"""The request that send-request and send-one-way-request describe.

Rules
1. Mode `copy` starts from the current request: method, URL, headers and, in inbound and backend, the body. Mode `new`
   starts from an empty GET.
2. The children then change it; an expression in them sees the current request, not this one.
3. Host is the URL's own unless a set-header says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy.errors import BackendConnectionFailure, ExpressionFailed
from proxy.messages import Body, Headers, Request, Response, Url
from proxy.pipeline.credentials import basic_authorization
from proxy.pipeline.edits import HeaderEdit, body_edit, header_edit
from proxy.pipeline.element import Element
from proxy.pipeline.http_proxy import http_proxy
from proxy.pipeline.own_identity import ManagedIdentity, client_identity, managed_identity
from proxy.pipeline.registry import BACKEND, INBOUND
from proxy.pipeline.source import unresolved
from proxy.pipeline.values import Value
from proxy.ports import ClientIdentity, HttpProxy, Outgoing

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler

METHOD = re.compile(r"[A-Za-z]{1,40}")
MODES = ("new", "copy")


@dataclass(slots=True, frozen=True)
class Call:
    """A compiled call; `outgoing(exchange)` is the request of this moment, with a token where it needs one."""

    mode: Value[str]
    timeout: Value[float]
    section: str
    url: Value[str] | None
    method: Value[str] | None
    headers: tuple[HeaderEdit, ...]
    body: Callable[[Exchange, Request | Response], None] | None
    authorization: Callable[[Exchange], str] | None
    managed_identity: ManagedIdentity | None
    client_identity: Callable[[Exchange], ClientIdentity] | None
    proxy: Callable[[Exchange], HttpProxy] | None

    async def outgoing(self, exchange: Exchange) -> Outgoing:
        """Raises ExpressionFailed, or BackendConnectionFailure for a URL that cannot be called."""
        request = self._start(exchange)
        if self.method is not None:
            request.method = _method(self.method.get(exchange))
        for edit in self.headers:
            edit.apply(exchange, request.headers)
        if self.body is not None:
            self.body(exchange, request)
        if self.authorization is not None:
            request.headers["Authorization"] = self.authorization(exchange)
        if self.managed_identity is not None:
            token = await self.managed_identity.token(exchange)
            if self.managed_identity.variable:
                exchange.variables[self.managed_identity.variable] = token
            else:
                request.headers["Authorization"] = f"Bearer {token}"
        text = str(exchange.request.backend_url() or "") if self.url is None else self.url.get(exchange)
        url = absolute_url(text)
        if url is None:
            raise BackendConnectionFailure(f"{text[:200]!r} is not an absolute http or https URL.")
        identity = self.client_identity(exchange) if self.client_identity is not None else None
        timeout = self.timeout.get(exchange)
        proxy = self.proxy(exchange) if self.proxy is not None else None
        return Outgoing(
            request.method, url, request.headers, request.body, timeout, identity=identity, guarded=True, proxy=proxy
        )

    def _start(self, exchange: Exchange) -> Request:
        current = exchange.request
        if self.mode.get(exchange) == "new":
            return Request("GET", current.original_url, "/", "", Headers(), Body())
        headers = Headers(current.headers)
        headers.popall("Host", None)
        body = Body()
        if self.section in (INBOUND, BACKEND) and current.body.buffered:
            body = Body(current.body.content())
        return Request(current.method, current.original_url, current.path, current.query, headers, body)


def call_of(element: Element, compiler: Compiler) -> Call:
    """Read `mode`, `timeout` and the children."""
    mode = element.choice("mode", *MODES, default="new")
    timeout = element.number("timeout", 60.0, minimum=0)
    url_element, method_element = element.child("set-url"), element.child("set-method")
    headers = tuple(header_edit(child) for child in element.children("set-header"))
    body_element, basic = element.child("set-body"), element.child("authentication-basic")
    managed, certificate = element.child("authentication-managed-identity"), element.child("authentication-certificate")
    proxy = element.child("proxy")
    url = url_element.content(required=True) if url_element else None
    if url is None and mode.constant and mode.value == "new":
        element.issue(f"<{element.name}> needs a <set-url> unless its mode is copy.", "missing-element")
    if url_element and url and url.constant and url.value and not unresolved(url.value) and not absolute_url(url.value):
        url_element.issue(f"{url.value!r} is not an absolute http or https URL.", "invalid-text")
    method = method_element.content(required=True) if method_element else None
    if method_element and method and method.constant and method.value and not METHOD.fullmatch(method.value):
        method_element.issue(f"{method.value!r} is not a method. Write one such as GET.", "invalid-text")
    if not (mode.constant and mode.value == "new") and body_element is None and compiler.section in (INBOUND, BACKEND):
        element.reads.add("request")
    return Call(
        mode,
        timeout,
        compiler.section,
        url,
        method,
        headers,
        body_edit(body_element) if body_element else None,
        basic_authorization(basic) if basic else None,
        managed_identity(managed) if managed else None,
        client_identity(certificate, compiler) if certificate else None,
        http_proxy(proxy) if proxy else None,
    )


def absolute_url(text: str) -> Url | None:
    """An http URL that can be called, or None."""
    url = Url.parse(text)
    return url if url is not None and url.scheme in ("http", "https") else None


def _method(name: str) -> str:
    name = name.strip()
    if not METHOD.fullmatch(name):
        raise ExpressionFailed(f"{name!r} is not a method.")
    return name.upper()
