"""A response to its bytes on the client's connection.

Rules
1. Framing is ours: Content-Length when the size is known, else chunked, else (HTTP/1.0) the end of the connection.
2. HEAD, 204 and 304 have no body, whatever a backend or a policy says.
3. Nothing follows a head that is out: if the body fails or is too short, the connection is aborted, so that no client
   takes a part for the whole.
4. A small body leaves in one write with its head; a stream waits for the client's pace.
"""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING

from proxy.adapters.heads import HeadWriter, last_chunk
from proxy.adapters.hops import OURS
from proxy.adapters.tunnel import TunnelBody
from proxy.errors import BackendConnectionFailure, ClientConnectionFailure, GatewayError
from proxy.messages import DATE, Body, Headers, HeadOnly, Response

if TYPE_CHECKING:
    from proxy.adapters.connection import Connection

_RESPONSE = HeadWriter(OURS)
_BODILESS = frozenset({204, 205, 304})
_GONE = "The client closed the connection before the response was complete."


class Reply:
    """The outlet of one request. `keep` tells whether the connection may carry another request afterwards."""

    __slots__ = ("_connection", "_head", "_modern", "keep", "received", "sent", "status")

    def __init__(self, connection: Connection, method: str, modern: bool, keep: bool) -> None:
        self._connection = connection
        self._head = method == "HEAD"
        self._modern = modern
        self.keep = keep
        self.status = 0
        self.sent = 0
        self.received = 0

    async def send(self, response: Response) -> None:
        body, status = response.body, response.status
        plain = type(body) is Body and body.buffered and not body.trailers
        if plain and not self._head and status >= 200 and status not in _BODILESS:
            content = body.content()
            headers, size = response.headers, len(content)
            more = [f"Content-Length: {size}"]
            if DATE not in headers:
                more.insert(0, f"Date: {http_date()}")
            if not self.keep:
                more.append("Connection: close")
            elif not self._modern:
                more.append("Connection: keep-alive")
            data = _head(status, response.reason, headers, more) + content
            connection = self._connection
            transport = connection.transport
            if transport is None or transport.is_closing():
                raise ClientConnectionFailure(_GONE)
            self.status = status
            connection.write_whole(data, self.keep)
            self.sent = size
            return
        try:
            await self._send(response)
        except BaseException:
            self.keep = False
            await response.body.discard()
            if self.status:
                self._connection.abort()
            raise

    async def _send(self, response: Response) -> None:
        body, status = response.body, response.status
        if isinstance(body, TunnelBody):
            await self._tunnel(response, body)
            return
        bodiless = self._head or status in _BODILESS or status < 200
        length = body.would_be if isinstance(body, HeadOnly) and bodiless else body.length
        chunked = (length is None or bool(body.trailers)) and not bodiless and self._modern
        if length is None and not bodiless and not chunked:
            self.keep = False
        head = self._encode(response, self._framing(status, bodiless, length, chunked))
        stream = body.take()
        if stream is None or bodiless:
            content = b"" if bodiless else body.content()
            self.sent = len(content)
            if chunked:
                content = b"%x\r\n%b\r\n%b" % (len(content), content, last_chunk(body.trailers))
            self._write_whole(head + content, status)
            if stream is not None and (close := getattr(stream, "aclose", None)) is not None:
                await close()
            return
        try:
            self._write(head, status)
            async for chunk in stream:
                self._write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk, status)
                self.sent += len(chunk)
                await self._connection.drain()
        except ConnectionError as gone:
            raise ClientConnectionFailure(_GONE) from gone
        finally:
            if (close := getattr(stream, "aclose", None)) is not None:
                await close()
        if chunked:
            self._write(last_chunk(body.trailers), status)
        elif length is not None and self.sent != length:
            raise BackendConnectionFailure(f"The body has {self.sent} bytes, its Content-Length says {length}.")

    def _framing(self, status: int, bodiless: bool, length: int | None, chunked: bool) -> list[str]:
        lines: list[str] = []
        if chunked:
            lines.append("Transfer-Encoding: chunked")
        elif length is not None and (not bodiless or (self._head and length) or (status == 304 and length)):
            lines.append(f"Content-Length: {length}")
        if not self.keep:
            lines.append("Connection: close")
        elif not self._modern:
            lines.append("Connection: keep-alive")
        return lines

    def _encode(self, response: Response, framing: list[str]) -> bytes:
        if DATE not in response.headers:
            framing.insert(0, f"Date: {http_date()}")
        return _head(response.status, response.reason, response.headers, framing)

    def inform(self, status: int, headers: Headers) -> None:
        """Tell of an informational answer (1xx) before the final one."""
        transport = self._connection.transport
        if self._modern and not self.status and transport is not None:
            self._connection.flush()
            transport.write(_head(status, "", headers, []))

    async def _tunnel(self, response: Response, body: TunnelBody) -> None:
        self.keep = False
        upgrade = ["Connection: Upgrade", "Upgrade: websocket"]
        self._write(self._encode(Response(101, "Switching Protocols", response.headers), upgrade), 101)
        self._connection.tunnel = True
        self.received, self.sent = await body.run(self._connection)

    def _write_whole(self, data: bytes, status: int) -> None:
        transport = self._connection.transport
        if transport is None or transport.is_closing():
            raise ClientConnectionFailure(_GONE)
        self.status = status
        self._connection.write_whole(data, self.keep)

    def _write(self, data: bytes, status: int) -> None:
        transport = self._connection.transport
        if transport is None or transport.is_closing():
            raise ClientConnectionFailure(_GONE)
        if not self.status:
            self._connection.flush()  # the answer before this one may still wait
            self.status = status
        transport.write(data)


def _head(status: int, reason: str, headers: Headers, more: list[str]) -> bytes:
    try:
        return _RESPONSE.block([f"HTTP/1.1 {status} {reason or _phrase(status)}"], headers.items(), more)
    except ValueError as wrong:
        raise GatewayError(f"The response cannot be sent: {wrong}.", reason="InvalidHeader") from wrong


def error_reply(error: GatewayError) -> bytes:
    """A whole response for a request that never became one; the connection closes behind it."""
    body = error.body("")
    headers = Headers(error.headers)
    headers["Content-Type"] = "application/json"
    return _head(error.status, error.phrase, headers, [f"Content-Length: {len(body)}", "Connection: close"]) + body


def plain(status: int, body: bytes, keep: bool) -> bytes:
    """A whole JSON response of our own, for the status endpoints."""
    headers = Headers({"Content-Type": "application/json", "Cache-Control": "no-store", "Date": http_date()})
    framing = [f"Content-Length: {len(body)}", f"Connection: {'keep-alive' if keep else 'close'}"]
    return _head(status, "", headers, framing) + body


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


_DATE: tuple[int, str] = (0, "")


def http_date() -> str:
    """The present second as an HTTP date; made once per second."""
    global _DATE
    now = int(time.time())
    if _DATE[0] != now:
        _DATE = (now, formatdate(now, usegmt=True))
    return _DATE[1]
