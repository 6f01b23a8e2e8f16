"""The Transport port over aiohttp's connector: pools, DNS, TLS and the response parser are aiohttp's, the rest is here.

Rules
1. The URL goes on the wire as it is; no second reading of it, no redirects unless asked, no cookies, no inflating.
2. A body streams both ways with backpressure; a small response that is already there becomes bytes at once.
3. A pooled connection that died is tried once more for an idempotent request whose body can be sent again.
4. A connection goes back to its pool only when both messages are complete; anything else closes it.
5. What a policy calls goes only where `Reach` allows (`Outgoing.guarded`), over connections of its own.
6. Whatever goes wrong is BackendTimeout or BackendConnectionFailure, or the client's own failure while uploading.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import ssl
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urljoin

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from proxy.adapters.destination import Destination
from proxy.adapters.dialling import Dialler
from proxy.adapters.forward_proxy import ProxyingConnector
from proxy.adapters.hops import OURS, end_to_end, header_block
from proxy.adapters.http2.backend import Http2Backends
from proxy.adapters.identities import Identities
from proxy.adapters.reach import Reach, ScreenedResolver
from proxy.adapters.tunnel import TunnelBody, accepts
from proxy.errors import BackendConnectionFailure, BackendTimeout, GatewayError
from proxy.messages import Body, Headers, HeadOnly, Response, Url
from proxy.ports import HttpProxy, Outgoing

CONNECT_TIMEOUT = 10.0  # seconds
POOL_IDLE = 15.0  # seconds a connection may idle in the pool: shorter than most servers keep theirs
READ_BUFFER = 64 * 1024  # bytes; reading pauses at twice this
MAX_REDIRECTS = 10
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS", "DELETE", "TRACE"})
_TIMEOUTS = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=CONNECT_TIMEOUT)
_BROKEN = (aiohttp.ClientError, HttpProcessingError, OSError, EOFError)


class HttpTransport:
    """Sends requests to backends. Made on the running loop; `per_host` bounds the connections to one host, 0 = none."""

    def __init__(
        self,
        per_host: int = 0,
        tls: ssl.SSLContext | None = None,
        reach: Reach | None = None,
        http2_tls: ssl.SSLContext | None = None,
    ) -> None:
        self._connector = ProxyingConnector(limit=0, limit_per_host=per_host, keepalive_timeout=POOL_IDLE)
        self._reach = reach or Reach()
        self._screened = ProxyingConnector(
            limit=0,
            limit_per_host=per_host,
            keepalive_timeout=POOL_IDLE,
            resolver=ScreenedResolver(self._reach),
        )
        self._identities = Identities()
        self._tls: ssl.SSLContext | bool = tls if tls is not None else True
        self._http2 = Http2Backends(Dialler(self._reach, self._identities, http2_tls))
        self._destinations: dict[tuple[str, str, int, bool, str, HttpProxy | None], Destination] = {}

    async def close(self) -> None:
        await self._connector.close()
        await self._screened.close()
        await self._http2.close()

    async def send(self, request: Outgoing) -> Response:
        try:
            async with asyncio.timeout(request.timeout):
                response = await self._send(request)
                if request.follow_redirects:
                    response = await self._follow(request, response)
                return response
        except TimeoutError as late:
            raise BackendTimeout(f"The backend did not answer within {request.timeout:g} seconds.") from late

    async def _follow(self, request: Outgoing, response: Response) -> Response:
        for _ in range(MAX_REDIRECTS):
            location = response.headers.get("Location")
            if response.status not in (301, 302, 303, 307, 308) or not location:
                return response
            keeps = response.status in (307, 308)
            if keeps and not request.body.buffered:
                return response
            url = _redirected(request.url, location)
            if url is None:
                return response
            await response.body.discard()
            method = request.method if keeps or request.method in ("GET", "HEAD") else "GET"
            headers = Headers(request.headers)
            identity = request.identity
            if (url.host, url.port) != (request.url.host, request.url.port):
                identity = None
                for secret in ("Authorization", "Cookie", "Host"):
                    headers.popall(secret, None)
            body = request.body if keeps else Body()
            request = dataclasses.replace(
                request, method=method, url=url, headers=headers, body=body, identity=identity, continue_timeout=None
            )
            response = await self._send(request)
        return response

    async def _send(self, request: Outgoing) -> Response:
        if request.http_version != "1.1" and (answer := await self._http2.send(request)) is not None:
            return answer
        again = request.method in _IDEMPOTENT and request.body.buffered
        while True:
            connection = await self._connect(request)
            protocol = connection.protocol
            assert protocol is not None
            pooled = protocol._parser is not None
            try:
                if request.thumbprints:
                    _pinned(protocol, request.thumbprints)
                return await self._exchange(request, connection, protocol)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError) as broken:
                connection.close()
                if not (pooled and again):
                    raise BackendConnectionFailure(f"The backend closed the connection: {_text(broken)}") from broken
                again = False
            except GatewayError:
                connection.close()
                raise
            except _BROKEN as broken:
                connection.close()
                raise BackendConnectionFailure(f"The backend's answer is not valid: {_text(broken)}") from broken
            except BaseException:
                connection.close()
                raise

    async def _connect(self, request: Outgoing) -> Connection:
        url, identity, proxy = request.url, request.identity, request.proxy
        connector = self._connector
        if request.guarded:
            connector = self._screened
            objection = self._reach.objection(url)
            if objection is None and proxy is not None:  # whatever is plain http on the way to it, was decided before
                objection = self._reach.objection(Url("https", proxy.host, proxy.port))
            if objection:
                raise BackendConnectionFailure(objection)
        verify = request.verify_tls and not request.thumbprints
        name = (url.scheme, url.host, url.port, verify, identity.name if identity else "", proxy)
        destination = self._destinations.get(name)
        if destination is None:
            if len(self._destinations) >= 4096:
                self._destinations.clear()
            tls = self._tls if verify else False
            if identity is not None and url.scheme in ("https", "wss"):
                try:
                    tls = await self._identities.context(identity, verify)
                except ValueError as wrong:
                    raise BackendConnectionFailure(f"The client certificate cannot be used: {wrong}.") from wrong
            try:
                destination = Destination.of(url, tls)
                if proxy is not None:
                    destination = destination.through(proxy, url.scheme)
            except ValueError as wrong:
                raise BackendConnectionFailure(f"The backend address '{url.authority}' is not valid.") from wrong
            self._destinations[name] = destination
        try:
            return await connector.connect(destination, [], _TIMEOUTS)  # type: ignore[arg-type]
        except TimeoutError as late:
            raise BackendConnectionFailure(f"No connection to {url.authority} within {CONNECT_TIMEOUT:g} s.") from late
        except _BROKEN as refused:
            raise BackendConnectionFailure(f"No connection to {url.authority}: {_text(refused)}") from refused

    async def _exchange(self, request: Outgoing, connection: Connection, protocol: ResponseHandler) -> Response:
        protocol.set_response_params(
            skip_payload=request.method == "HEAD",
            read_until_eof=True,
            auto_decompress=False,
            read_bufsize=READ_BUFFER,
            max_field_size=32 * 1024,
        )
        transport = protocol.transport
        if transport is None or transport.is_closing():
            raise aiohttp.ServerDisconnectedError
        upgrade = request.url.scheme in ("ws", "wss")
        body = request.body
        waits = request.continue_timeout is not None and not body.empty
        try:
            head = header_block(_first_line(request), _fields(request, upgrade, waits))
        except ValueError as wrong:
            raise GatewayError(f"The request cannot be sent: {wrong}.", reason="InvalidHeader") from wrong
        upload: asyncio.Task[None] | None = None
        go = asyncio.Event() if waits else None
        if body.buffered and not waits:
            content = body.content()
            transport.write(head + content if content else head)
        else:
            transport.write(head)
            upload = asyncio.create_task(_upload(protocol, body, go, request.continue_timeout))
            upload.add_done_callback(_retrieved)
        try:
            while True:
                message, payload = await _answer(protocol, upload)
                if message.code >= 200 or message.code == 101:
                    break
                if message.code == 100 and go is not None:
                    go.set()
            response = Response(message.code, message.reason, end_to_end(message.headers))
            if upgrade and message.code == 101:
                if not accepts(request.headers, message.headers):
                    raise BackendConnectionFailure("The backend's WebSocket handshake is not valid.")
                response.body = TunnelBody(connection, protocol)
                return response
            if message.code == 101:
                raise BackendConnectionFailure("The backend switched protocols without being asked.")
        except BaseException:
            if upload is not None:
                upload.cancel()
            raise
        response.body = _body(message, payload, connection, upload)
        return response


def _pinned(protocol: ResponseHandler, thumbprints: frozenset[str]) -> None:
    """Raises BackendConnectionFailure unless the server showed one of these certificates."""
    secured = protocol.transport.get_extra_info("ssl_object") if protocol.transport is not None else None
    shown = secured.getpeercert(binary_form=True) if secured is not None else None
    if shown is None or hashlib.sha1(shown, usedforsecurity=False).hexdigest().upper() not in thumbprints:
        raise BackendConnectionFailure("The server's certificate is none of those that are expected.")


def _first_line(request: Outgoing) -> str:
    url = request.url
    path = url.path or "/"
    if request.proxy is not None and url.scheme == "http":
        path = f"http://{url.authority}{path}"
    return f"{request.method} {path}?{url.query} HTTP/1.1" if url.query else f"{request.method} {path} HTTP/1.1"


def _fields(request: Outgoing, upgrade: bool, waits: bool) -> list[tuple[str, str]]:
    headers, body = request.headers, request.body
    fields = [(name, value) for name, value in headers.items() if name.lower() not in _NOT_COPIED]
    fields.insert(0, ("Host", headers.get("Host") or request.url.authority))
    if request.proxy is not None and request.proxy.authorization and request.url.scheme == "http":
        fields.append(("Proxy-Authorization", request.proxy.authorization))
    if upgrade:
        fields += (("Connection", "Upgrade"), ("Upgrade", "websocket"))
    elif body.length is None:
        fields.append(("Transfer-Encoding", "chunked"))
    elif body.length or request.method not in _WITHOUT_BODY:
        fields.append(("Content-Length", str(body.length)))
    if waits:
        fields.append(("Expect", "100-continue"))
    return fields


_NOT_COPIED = OURS | {"host", "expect"}


async def _answer(protocol: ResponseHandler, upload: asyncio.Task[None] | None) -> tuple[Any, StreamReader]:
    """The next message head; a failed upload ends the wait with its own error."""
    if upload is None:
        return await protocol.read()
    reading = asyncio.ensure_future(protocol.read())
    try:
        while not reading.done():
            await asyncio.wait((reading, upload), return_when=asyncio.FIRST_COMPLETED)
            if upload.done():
                # A backend that closes while we send may have answered before: that answer is read. A client that
                # failed to send is the cause itself.
                if not reading.done() and isinstance(upload.exception(), GatewayError):
                    upload.result()
                break
        return await reading
    finally:
        if not reading.done():
            reading.cancel()


async def _upload(
    protocol: ResponseHandler, body: Body, go: asyncio.Event | None, continue_timeout: float | None
) -> None:
    """Send a body; chunked when its length is not known. With `go` it waits for 100 Continue, for a while."""
    if go is not None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(continue_timeout):
                await go.wait()
    chunked = body.length is None
    async for chunk in body.chunks():
        transport = protocol.transport
        if transport is None or transport.is_closing():
            raise aiohttp.ServerDisconnectedError
        transport.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
        if protocol._paused:
            await protocol._drain_helper()
    if chunked and protocol.transport is not None:
        protocol.transport.write(b"0\r\n\r\n")


def _body(message: Any, payload: StreamReader, connection: Connection, upload: asyncio.Task[None] | None) -> Body:
    if payload is EMPTY_PAYLOAD or payload.is_eof():
        content = payload.read_nowait(-1) if payload is not EMPTY_PAYLOAD else b""
        _finish(connection, upload)
        if payload is EMPTY_PAYLOAD and (length := message.headers.get("Content-Length")) is not None:
            return HeadOnly(int(length))
        return Body(content)
    length = message.headers.get("Content-Length")
    return Body(None, Download(payload, connection, upload), int(length) if length is not None else None)


class Download(AsyncIterator[bytes]):
    """The rest of a response body. Ends the connection's use with its last byte, or by `aclose`."""

    __slots__ = ("_connection", "_payload", "_upload")

    def __init__(self, payload: StreamReader, connection: Connection, upload: asyncio.Task[None] | None) -> None:
        self._payload = payload
        self._connection: Connection | None = connection
        self._upload = upload

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._payload.readany()
        except _BROKEN as broken:
            await self.aclose()
            raise BackendConnectionFailure(f"The backend broke off its answer: {_text(broken)}") from broken
        except BaseException:
            await self.aclose()
            raise
        if chunk:
            return chunk
        if self._connection is not None:
            connection, self._connection = self._connection, None
            _finish(connection, self._upload)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            if self._upload is not None:
                self._upload.cancel()
            connection.close()

    def __del__(self) -> None:
        if self._connection is not None:
            if self._upload is not None:
                self._upload.cancel()
            self._connection.close()


def _finish(connection: Connection, upload: asyncio.Task[None] | None) -> None:
    """The response is complete: pool the connection, unless the request is not."""
    if upload is None or (upload.done() and not upload.cancelled() and upload.exception() is None):
        connection.release()
        return
    upload.cancel()
    connection.close()


def _retrieved(upload: asyncio.Task[None]) -> None:
    """Look at the outcome, so that the loop does not complain about a failure that came too late to matter."""
    if not upload.cancelled():
        upload.exception()


def _redirected(url: Url, location: str) -> Url | None:
    """Where a Location leads, written as it may stand on the wire; None when that is no place to call."""
    try:
        found = Url.parse(urljoin(str(url), location))
    except ValueError:
        return None
    return found if found is not None and found.scheme in ("http", "https") else None


def _text(problem: BaseException) -> str:
    return str(problem) or type(problem).__name__
