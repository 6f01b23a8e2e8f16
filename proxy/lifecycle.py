"""Read first: the nine stages of one request, in one function.

    accept -> route -> admit -> link -> inbound -> backend -> outbound -> respond -> record

Rules
1. Every request ends in exactly one record, however it ended; without telemetry in none.
2. Without a configuration the answer is 503; never a 2xx.
3. An error before the pipeline (404, 401) runs the on-error sections of the scopes that are known by then.
4. Once the response head is out, a failure aborts the connection; the outlet does so, and here it is only recorded.
5. One gateway serves a request to its end, also when another takes its place meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Protocol

from multidict import istr

from proxy.admission import admit
from proxy.awaited import Awaited
from proxy.capture import begin as begin_capture
from proxy.config.gateway import Gateway
from proxy.config.resources import Deployment
from proxy.errors import (
    BadRequest,
    ClientConnectionFailure,
    GatewayError,
    NotReady,
    OperationNotFound,
    Origin,
    Overloaded,
)
from proxy.exchange import Exchange
from proxy.forwarded import client_certificate
from proxy.messages import DEFAULT_PORTS, FORWARDED_FOR, Body, Headers, Request, Response, Url
from proxy.pipeline.link import Pipeline
from proxy.pipeline.registry import Outcome
from proxy.pipeline.run import execute, fail
from proxy.pipeline.steps import Step
from proxy.ports import Cache, Ports
from proxy.record import record
from proxy.routing import UnknownOperation
from proxy.soap import BodyNeeded, first_element
from proxy.traceparent import random_digits, trace_context
from proxy.tracing.live import ASKED, Traces, begin

log = logging.getLogger("proxy.requests")

_TRACEPARENT = istr("traceparent")


@dataclass(slots=True)
class Incoming:
    """One request as the server read it: `headers` without hop-by-hop ones; `problem` is what is wrong with it.

    `path` and `query` are canonical (proxy/target.py). `upgrade`: it asks for a WebSocket. `tls_version` is empty, and
    `client_certificate` (DER) too, unless TLS ends here.
    """

    method: str
    path: str
    query: str
    scheme: str
    authority: str
    headers: Headers
    body: Body
    client_ip: str
    http_version: str = "1.1"
    tls_version: str = ""
    upgrade: bool = False
    client_certificate: bytes = b""
    problem: GatewayError | None = None


class Outlet(Protocol):
    """Where the response goes. `status` is what was sent, 0 until the head is out; sizes are body bytes."""

    status: int
    sent: int

    @property
    def received(self) -> int: ...

    async def send(self, response: Response) -> None:
        """Raises ClientConnectionFailure, or the failure of a response body after aborting the connection."""
        ...

    def inform(self, status: int, headers: Headers) -> None:
        """Tell of an informational answer (1xx) before the final one."""
        ...


@dataclass(slots=True)
class Sidecar:
    """What all requests of this process share. `gateway` is None until a configuration is there; a new configuration
    is one assignment."""

    ports: Ports
    gateway: Gateway | None = None
    instance: str = ""
    requests: int = 0
    failures: int = 0
    in_flight: int = 0
    # Requests that are served at a time, and whether bodies on their way in are given up: see adapters/pressure.py.
    most: int = sys.maxsize
    strained: bool = False
    # Bytes that bodies which policies read may take, and do.
    room: int = sys.maxsize
    claimed: int = 0
    deployment: Deployment = field(default_factory=Deployment)
    traces: Traces = field(default_factory=Traces)
    # The client's scheme is known, since a proxy in front tells it, and APIs are found by it.
    by_scheme: bool = False
    # The header in which a proxy in front tells the client's certificate; empty: none does.
    certificate_header: str = ""
    # Somebody takes records: telemetry is on.
    recording: bool = True

    def publish(self, gateway: Gateway) -> None:
        """Put a configuration in force; on the event loop."""
        self.deployment = replace(gateway.deployment, instance_id=self.instance)
        self.gateway = gateway

    def use_external_cache(self, cache: Cache | None) -> None:
        """Have requests that begin now use this one; on the event loop."""
        self.ports = replace(self.ports, external_cache=cache)


async def serve(sidecar: Sidecar, incoming: Incoming, outlet: Outlet) -> None:
    """One request, from its head to its record."""
    gateway = sidecar.gateway
    exchange = accept(sidecar, incoming)
    exchange.inform = outlet.inform
    tracing = begin(gateway, exchange) if ASKED in incoming.headers else None
    sidecar.in_flight += 1
    try:
        try:
            if gateway is None or incoming.problem is not None:
                raise incoming.problem or NotReady()
            if sidecar.in_flight > sidecar.most:
                raise Overloaded(f"there is too little memory to serve more than {sidecar.most} requests at a time")
            scheme = incoming.scheme if sidecar.by_scheme or incoming.tls_version else ""
            try:
                open = route(gateway, exchange, incoming.upgrade, scheme)
            except BodyNeeded:  # for some SOAP APIs
                open = route(gateway, exchange, incoming.upgrade, scheme, await first_element(exchange.request.body))
            if not open:
                admit(gateway.access, exchange)
            if tracing is not None:
                tracing.settle(exchange)
            pipeline = gateway.pipeline(exchange.product, exchange.api, exchange.operation)  # link
        except (NotReady, BadRequest, Overloaded) as error:
            await fail(exchange, error)
        except GatewayError as error:
            assert gateway is not None
            if tracing is not None:
                tracing.settle(exchange)
            pipeline = refusing(gateway, exchange, error)
            if pipeline.plan is not None:
                exchange.capture = begin_capture(pipeline.plan, exchange)
            await execute(pipeline, exchange)
        else:
            if pipeline.plan is not None:
                exchange.capture = begin_capture(pipeline.plan, exchange)
            await execute(pipeline, exchange)  # inbound, backend, outbound, on-error
        if tracing is not None and exchange.response is not None:
            tracing.announce(exchange.response.headers)
        if exchange.capture is not None and exchange.response is not None:
            exchange.capture.responding(exchange.response)
        await respond(exchange, outlet)
    except GatewayError as error:
        exchange.last_error = error.last_error(exchange.elapsed_ms())
        exchange.errors.append(exchange.last_error)
    except asyncio.CancelledError:
        gone = ClientConnectionFailure("The client closed the connection before the response was complete.")
        exchange.last_error = gone.last_error(exchange.elapsed_ms())
        exchange.errors.append(exchange.last_error)
        raise
    finally:
        sidecar.in_flight -= 1
        sidecar.requests += 1
        if outlet.status >= 500:
            sidecar.failures += 1
        try:
            for each in exchange.at_end or ():
                each(outlet.received, outlet.sent)
        finally:
            if sidecar.recording:
                sidecar.ports.journal.append(record(exchange, gateway, outlet.status, outlet.received, outlet.sent))
            if tracing is not None:
                tracing.finish(exchange, sidecar.traces, outlet.status, outlet.received, outlet.sent)


async def respond(exchange: Exchange, outlet: Outlet) -> None:
    """Send the response; one whose head cannot be written (rule 4 is not touched yet) becomes an error response."""
    assert exchange.response is not None
    exchange.responding = exchange.ports.clock.monotonic()
    body = exchange.response.body
    if not body.buffered and exchange.backend_status:
        body.through(lambda stream: Awaited(exchange, stream))
    try:
        await outlet.send(exchange.response)
    except GatewayError as error:
        if outlet.status or isinstance(error, ClientConnectionFailure):
            raise
        await fail(exchange, error)
        await outlet.send(exchange.response)


def accept(sidecar: Sidecar, incoming: Incoming) -> Exchange:
    """The exchange of a request: its URL, its trace, the client's address behind those of the proxies before us."""
    scheme, headers, client_ip = incoming.scheme, incoming.headers, incoming.client_ip
    host, port = _host_and_port(incoming.authority, scheme)
    path, query, ports = incoming.path, incoming.query, sidecar.ports
    certificate = incoming.client_certificate
    if not certificate and sidecar.certificate_header:
        certificate = client_certificate(headers.get(sidecar.certificate_header, ""))
    request = Request(
        incoming.method,
        Url(scheme, host, port, path, query),
        path,
        query,
        headers,
        incoming.body,
        None,
        client_ip,
        incoming.http_version,
        incoming.tls_version,
        certificate,
    )
    clock = ports.clock
    exchange = Exchange(request, ports, sidecar.deployment, clock.monotonic(), clock.utcnow())
    digits = random_digits()
    continued = headers.get(_TRACEPARENT)
    if continued is None:
        exchange.trace_id, flags = digits[:32], exchange.trace_flags
    else:
        trace, parent, flags = trace_context(continued, digits[:32])
        exchange.trace_id, exchange.parent_span_id, exchange.trace_flags = trace, parent, flags
    exchange.span_id, backend_span = digits[32:48], digits[48:64]
    exchange.backend_span_id = backend_span
    exchange.drawn = digits[64:]
    headers[_TRACEPARENT] = f"00-{exchange.trace_id}-{backend_span}-{flags}"
    if FORWARDED_FOR in headers:
        headers[FORWARDED_FOR] = f"{', '.join(headers.getall(FORWARDED_FOR))}, {client_ip}"
    else:
        headers[FORWARDED_FOR] = client_ip
    return exchange


@lru_cache(maxsize=1024)
def _host_and_port(authority: str, scheme: str) -> tuple[str, int]:
    host, _, port = authority.rpartition(":")
    if not host or not port.isdigit():
        host, port = authority, ""
    return host.strip("[]"), int(port) if port else DEFAULT_PORTS.get(scheme, 80)


def route(gateway: Gateway, exchange: Exchange, upgrade: bool, scheme: str = "", element: str | None = None) -> bool:
    """Set API, operation, parameters and backend; True for a preflight, which needs no key.

    `scheme` is http or https where the API's protocols are to be asked, else empty. `element`: see `Routes.match`.
    """
    request = exchange.request
    try:
        found = gateway.routes.match(request.method, request.path, request.query, request.headers, upgrade, element)
    except UnknownOperation as error:
        exchange.api = error.api
        raise
    if scheme and scheme not in found.api.schemes:
        raise OperationNotFound(f"{request.method} {request.path}: API {found.api.key} is not offered over {scheme}")
    exchange.api, exchange.operation = found.api, found.operation
    if found.parameters:
        exchange.matched_parameters = found.parameters
    request.path = found.path
    if found.api.service_url:
        request.base = base_url(found.api.service_url)
    return found.preflight


@lru_cache(maxsize=4096)
def base_url(text: str) -> Url | None:
    """A backend's base URL; None for one that cannot be called (the forward-request policy says so)."""
    return Url.parse(text)


def refusing(gateway: Gateway, exchange: Exchange, error: GatewayError) -> Pipeline:
    """The pipeline that ends with this error at once, and then runs what on-error sections are known to apply.

    A cross-domain policy comes first: the file that it serves belongs to no operation.
    """
    known = gateway.pipeline(exchange.product, exchange.api, exchange.operation)
    first = tuple(step for step in known.inbound if step.origin.source == "cross-domain")

    def refuse(_: Exchange) -> Outcome | None:
        raise error

    last = Step.of(refuse, Origin(error.source, "", "inbound", ""))
    return Pipeline(inbound=(*first, last), on_error=known.on_error, lasting=known.lasting, plan=known.plan)
