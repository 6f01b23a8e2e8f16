"""`forward-request`: sends the request to the backend; its answer becomes the response.

https://learn.microsoft.com/azure/api-management/forward-request-policy
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from proxy.errors import BackendConnectionFailure, BackendErrorStatus, BadRequest, GatewayError
from proxy.messages import FORWARDED_FOR, HOST, Headers, Response
from proxy.pipeline.backends import answered, authorized, chosen, failed, parse_base, remember_session, with_credentials
from proxy.pipeline.registry import BACKEND, Handler, policy
from proxy.pipeline.service_fabric import repeated
from proxy.ports import Outgoing

if TYPE_CHECKING:
    from proxy.config.resources import Backend
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element

SOCKETS = {"http": "ws", "https": "wss"}
_HTTP_VERSIONS = {"1": "1.1", "2": "2", "2or1": "2or1"}


@policy("forward-request", sections={BACKEND})
def forward_request(element: Element, compiler: Compiler) -> Handler:
    """Send the request to the backend."""
    if element.has("timeout") and element.has("timeout-ms"):
        element.issue("Attributes 'timeout' and 'timeout-ms' exclude each other. Remove one.", "invalid-attribute")
    seconds = element.number("timeout", 300.0, minimum=0)
    milliseconds = element.integer("timeout-ms", None, minimum=0)
    continue_timeout = element.number("continue-timeout", None, minimum=0)
    http_version = _HTTP_VERSIONS[element.literal_choice("http-version", *_HTTP_VERSIONS, default="1")]
    follow_redirects = element.boolean("follow-redirects", False)
    buffer_request = element.boolean("buffer-request-body", False)
    element.literal_boolean("buffer-response", True)  # bytes stream as they come, in both cases
    fail_on_error = element.literal_boolean("fail-on-error-status-code", False)

    timeout = seconds.value if milliseconds is None and seconds.constant else None
    buffers = not buffer_request.constant or buffer_request.value
    follows = not follow_redirects.constant or follow_redirects.value

    async def send(exchange: Exchange) -> Response:
        request = exchange.request
        backend = member = exchange.backend
        if backend is not None and (backend.pool or backend.breaker):
            member = chosen(exchange, backend)
            if member is not backend:
                request.base = parse_base(member.url)
        outgoing = _outgoing(exchange, member)
        if member is not None and member.managed_identity[0]:
            await authorized(exchange, member, outgoing)
        if timeout is not None:
            outgoing.timeout = timeout
        else:
            outgoing.timeout = seconds.get(exchange) if milliseconds is None else milliseconds.get(exchange) / 1000
        if continue_timeout is not None:
            outgoing.continue_timeout = continue_timeout.get(exchange)
        outgoing.http_version = http_version
        if exchange.api is not None and exchange.api.type == "grpc":
            if request.http_version != "2":
                raise BadRequest("gRPC needs HTTP/2.", 505, "HTTP Version Not Supported")
            outgoing.http_version = "2"
        outgoing.identity = exchange.identity or outgoing.identity
        outgoing.proxy = exchange.proxy or outgoing.proxy
        if follows and follow_redirects.get(exchange):
            outgoing.follow_redirects = True
            outgoing.private = _private(exchange, member)
        outgoing.inform = exchange.inform
        clock = exchange.ports.clock
        started = clock.monotonic()
        exchange.backend_method, exchange.backend_url = outgoing.method, str(outgoing.url)
        exchange.backend_status = 0
        try:
            capture = exchange.capture  # as `exchange.transport` does
            response = await (exchange.ports.transport if capture is None else capture.transport).send(outgoing)
        except GatewayError as problem:
            if member is not None:
                failed(exchange, member, problem)
            raise
        finally:
            exchange.backend_ms += (clock.monotonic() - started) * 1000
        exchange.backend_status = response.status
        exchange.backend_http_version = response.http_version
        exchange.response = response
        if backend is not None and member is not None and (backend.pool or backend.breaker):
            answered(exchange, member, response)
            remember_session(backend, member, request.headers, response.headers)
        return response

    async def handle(exchange: Exchange) -> None:
        request, fabric = exchange.request, exchange.fabric
        if exchange.graph is not None and await exchange.graph.answer(exchange):
            return
        if exchange.response is not None:  # what an earlier attempt left
            await exchange.response.body.discard()
            exchange.response = None
        if buffers and buffer_request.get(exchange):
            await request.body.read()
        if request.body.spent:
            raise BackendConnectionFailure(
                'The request body was already sent once. Set buffer-request-body="true" to send it again.'
            )
        if fabric is None:
            response = await send(exchange)
        else:
            response = await repeated(exchange, fabric, lambda: send(exchange))
        if fail_on_error and response.status >= 400:
            raise BackendErrorStatus(response.status, response.reason)

    return handle


def _outgoing(exchange: Exchange, backend: Backend | None) -> Outgoing:
    request = exchange.request
    url = request.backend_url()
    if url is None:
        raise BackendConnectionFailure("No backend is configured: the API has no service URL and no policy sets one.")
    if exchange.graph is not None and exchange.operation is not None and exchange.operation.id == "onHandshake":
        # the address of a GraphQL server is one of http; subscriptions are asked of it over a WebSocket
        url = replace(url, scheme=SOCKETS.get(url.scheme, url.scheme))
    headers = Headers(request.headers)
    if not request.keep_host and HOST in headers:
        del headers[HOST]
    resolution = exchange.resolution  # what its data source may know is the resolver's to say
    # documented: no policy takes the client's address away
    if resolution is None and request.client_ip and FORWARDED_FOR not in headers:
        headers[FORWARDED_FOR] = request.client_ip
    guarded = resolution is not None and resolution.guarded
    outgoing = Outgoing(request.method, url, headers, request.body, guarded=guarded, screened=exchange.screened)
    return outgoing if backend is None else with_credentials(backend, outgoing)


def _private(exchange: Exchange, backend: Backend | None) -> frozenset[str]:
    """Headers that are for the backend alone: what its entity adds to each call, and the client's key."""
    names = set(backend.headers) if backend is not None else set()
    if exchange.api is not None:
        names.add(exchange.api.key_header)
    return frozenset(name.lower() for name in names)
