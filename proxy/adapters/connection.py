"""One connection of a client: a short way for requests that are whole and ordinary, aiohttp's for all others.

Rules
1. Requests of a connection are served one after the other. Those of the short way run in the stack of who brings what
   they wait for (drive.py), the others in the connection's task; both are cancelled when the client goes.
2. Deadlines are watched by one sweep per second over all connections, not by timers per request: a request head within
   HEAD_DEADLINE, a body at MIN_RATE or faster, idle connections at most IDLE.
3. After a malformed request, an unread body, a declined upgrade or an aborted response the connection closes.
4. A connection has one reader of its bytes at a time: the short way takes them only while aiohttp's parser certainly
   stands between two messages, and only while the client takes what it is sent.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from aiohttp import HttpVersion10
from aiohttp.http_exceptions import LineTooLong
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler, RequestPayloadError, _ErrInfo

from proxy.adapters import whole
from proxy.adapters.drive import Drive
from proxy.adapters.fields import end_to_end
from proxy.adapters.negotiation import PREFACE
from proxy.adapters.pressure import FAREWELL, FAREWELLS, turn_away
from proxy.adapters.reply import Reply, error_reply, plain
from proxy.adapters.screen import MAX_FIELDS, MAX_HEADERS, MAX_LINE, is_twin, screen, too_large
from proxy.adapters.streams import Upload, read_away
from proxy.adapters.tls import Secured
from proxy.errors import BadRequest, GatewayError
from proxy.lifecycle import Incoming, Sidecar, serve
from proxy.messages import Body
from proxy.target import Target, canonical

if TYPE_CHECKING:
    from proxy.server import Server

log = logging.getLogger("proxy.connection")

HEAD_DEADLINE = 10.0  # seconds from the first byte (or the connect) to the end of the head
IDLE = 75.0  # seconds between requests
MIN_RATE = 240  # body bytes per second that a client must send ...
GRACE = 5.0  # ... measured over this many seconds
_EMPTY_LINE = b"\r\n\r\n"


class Connection(RequestHandler):
    __slots__ = (
        "_after",
        "_begun",
        "_behind",
        "_body",
        "_bytes",
        "_client",
        "_drive",
        "_fed",
        "_fresh",
        "_house",
        "_large",
        "_mark",
        "_opening",
        "_serving",
        "_since",
        "_surplus",
        "reply",
        "secured",
        "tunnel",
    )

    def __init__(self, house: Server, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            house,
            loop=loop,
            keepalive_timeout=0,
            access_log=None,  # type: ignore[arg-type]
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
            max_headers=MAX_FIELDS,
            auto_decompress=False,
            read_bufsize=64 * 1024,
        )
        self._house = house
        self._since = loop.time()  # of the wait for a head: connect, first byte, or end of the last request
        self._serving = False
        self._large = False  # whether a head may be larger than all of its fields may be
        self._bytes = 0  # received in the present state
        self._mark = (0.0, 0)  # begin of the present measurement of a body: time, bytes
        self._body: StreamReader | None = None
        self._client = ""  # its address
        self._drive: Drive | None = None  # a request of the short way that is being served
        self._surplus = False  # there is no room for it
        self.reply: Reply | None = None  # the answer of whatever is being served
        self._after: asyncio.Future[None] | None = None  # the task waits for the end of that request
        self.tunnel = False
        self.secured: Secured | None = None  # what TLS told, where it ends here
        self._fresh = True  # nothing was understood yet: it may become HTTP/2
        self._begun = b""
        self._behind = b""  # the last bytes that aiohttp's parser got; none while it stands between two messages
        self._fed = self._opening = 0  # bytes that it got since it stood there, and those of the head among them

    # what the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = self.peername
        self._client = peer[0] if isinstance(peer, tuple) else ""
        if self._house.crowded:
            self._turn_away()

    def _turn_away(self) -> None:
        """There is no room: its first request gets 503; this does at once when too many wait for that."""
        self._force_close = self._surplus = True
        self._house.turned_away += 1
        if self._house.turned_away > FAREWELLS:
            self._send_away()
        else:
            self._loop.call_later(FAREWELL, self._send_away)

    def _send_away(self) -> None:
        if self._surplus:
            self._surplus = False
            self._house.turned_away -= 1
            if self.transport is not None:
                turn_away(self.transport)

    def data_received(self, data: bytes) -> None:
        if self._surplus:
            self._send_away()
            return
        busy = self._serving or self._bytes or self._behind or self._messages or self._paused or self._force_close
        if not busy:
            request = whole.read(data)
            if request is not None:
                self._fresh = False
                self._serve(request)
                return
        if self._serving:
            self._bytes += len(data)
            self._feed(data)
            self._large = True  # what is pipelined is measured field by field
            body = self._body
            if body is not None and not body.is_eof():
                self._judge(body)
                if self._bytes > 16 * 1024 + 8 * (body.total_bytes + 1):
                    self.abort()  # chunk extensions and one-byte chunks without end
            return
        if not self._bytes:
            if self._fresh and (data := self._first(data)) == b"":
                return
            self._since = self._loop.time()
            if b"  " in data[:32]:
                self._refuse(BadRequest("The request line is malformed."))
                return
            self._opening, self._fed = -1 if self._behind else data.find(_EMPTY_LINE) + len(_EMPTY_LINE), 0
        self._bytes += len(data)
        self._large = self._bytes > MAX_HEADERS
        self._feed(data)
        if self._bytes > MAX_LINE + MAX_HEADERS and not self._messages:
            self._refuse(BadRequest("The request head is too large.", 431, "Request Header Fields Too Large"))

    def _feed(self, data: bytes) -> None:
        """Have aiohttp's parser read. A head and a chunked body end with an empty line, a part of a head does not."""
        self._fed += len(data)
        last = (self._behind + data[-4:])[-4:]
        self._behind = b"" if last == _EMPTY_LINE else last
        super().data_received(data)

    def _judge(self, body: StreamReader) -> None:
        """What follows a body that has not ended can only be what is wrong with it: tell whoever reads it."""
        if self._messages and not body.is_eof():
            body.set_exception(RequestPayloadError("malformed"))

    def _first(self, data: bytes) -> bytes:
        """The first bytes; none while they may become the preface of HTTP/2, whose connection takes over then."""
        data = self._begun + data
        if PREFACE.startswith(data[: len(PREFACE)]):
            self._begun = self._behind = data
            if len(data) >= len(PREFACE) and (transport := self.transport) is not None:
                self.transport = None  # it belongs to another from now on
                self.connection_lost(None)
                self._house.http2.take_over(transport, data, self.secured)
            return b""
        self._fresh, self._begun, self._behind = False, b"", b""
        return data

    def connection_lost(self, exc: BaseException | None) -> None:
        self.cancel()
        self._send_away()
        if self.tunnel:
            self._task_handler = None  # the tunnel ends by itself
        super().connection_lost(exc)

    # what others may ask

    @property
    def sidecar(self) -> Sidecar:
        return self._house.sidecar

    @property
    def idle(self) -> bool:
        """Between requests."""
        return not self._serving and not self._messages

    def abort(self) -> None:
        """Drop the connection at once, so that the client sees an incomplete response as what it is."""
        self._force_close = True
        if self.transport is not None:
            self.transport.abort()

    def cancel(self) -> None:
        """End a request of the short way."""
        if self._drive is not None:
            self._drive.cancel()

    def write_whole(self, data: bytes, keep: bool) -> None:
        """A whole answer; without `keep` the connection ends behind it."""
        assert self.transport is not None
        outbox = self._house.outbox
        if keep:
            outbox.write(self.transport, data)
        else:
            outbox.flush()
            self.transport.write(data)

    def flush(self) -> None:
        self._house.outbox.flush()

    async def drain(self) -> None:
        if self._paused:
            await self._drain_helper()

    def sweep(self, now: float) -> None:
        """Close what is too slow; called about once per second."""
        if self.transport is None or self.tunnel:
            return
        if self.idle:
            if self._bytes and now - self._since > HEAD_DEADLINE:
                self._refuse(BadRequest("The request head took too long.", 408, "Request Timeout"))
            elif now - self._since > (HEAD_DEADLINE if not self._request_count else self._house.patience):
                self.force_close()
        elif self._body is not None and not self._body.is_eof():
            began, received = self._mark
            if self._reading_paused or not began:
                self._mark = (now, self._bytes)
            elif now - began >= GRACE:
                if self._bytes - received < MIN_RATE * GRACE:
                    self._body.set_exception(BadRequest("The body came too slowly.", 408, "Request Timeout"))
                self._mark = (now, self._bytes)

    def _refuse(self, error: GatewayError) -> None:
        if self.transport is not None:
            self.write_whole(error_reply(error), keep=False)
        self.force_close()

    # the short way

    def _serve(self, request: whole.Whole) -> None:
        house, method = self._house, request.method
        path = request.target
        self._request_count += 1
        self._since = self._loop.time()
        reply = self.reply = Reply(self, method, True, not house.leaving)
        if method in ("GET", "HEAD") and (status := house.status_of(path)) is not None:
            self._status(status, method, reply)
            return
        problem: GatewayError | None = None
        host, headers = request.host, request.headers
        try:
            target = canonical(path)
            if target.authority:
                host = headers["Host"] = target.authority
        except BadRequest as error:
            target, problem, host = Target("/", ""), error, ""
            reply.keep = False
        reply.received = len(request.body)
        incoming = Incoming(
            method,
            target.path,
            target.query,
            house.scheme(headers),
            host,
            headers,
            Body(request.body),
            self._client,
            problem=problem,
        )
        if self.secured is not None:
            incoming.scheme, incoming.tls_version = "https", self.secured.version
            incoming.client_certificate = self.secured.certificate
        self._serving = True
        self._drive = Drive(self._loop, serve(house.sidecar, incoming, reply), self._served)
        self._drive.step()

    def _served(self, failure: BaseException | None) -> None:
        """The end of a request of the short way."""
        reply, self.reply, self._drive = self.reply, None, None
        self._serving, self._bytes = False, 0
        self._since = self._loop.time()
        if failure is not None and not isinstance(failure, asyncio.CancelledError):
            log.error("a request ended in a way that it should not", exc_info=failure)
        if failure is not None or reply is None or not reply.keep:
            self._finished()
        after, self._after = self._after, None
        if after is not None and not after.done():
            after.set_result(None)

    def _finished(self) -> None:
        """Close behind what is written, and serve nothing that was sent ahead."""
        self._force_close = True
        if self.transport is not None:
            self._house.outbox.flush()
            self.transport.close()

    def _status(self, status: tuple[int, bytes], method: str, reply: Reply) -> None:
        if self.transport is not None:
            answer = plain(*status, keep=reply.keep)
            self.write_whole(answer if method == "GET" else answer[: -len(status[1])], reply.keep)
        if not reply.keep:
            self._finished()

    # the loop of the others

    async def start(self) -> None:
        try:
            while not self._force_close:
                if self._paused:
                    await self._drain_helper()
                    continue
                if not self._messages:
                    if self._house.draining or self._close:
                        break
                    self._waiter = self._loop.create_future()
                    try:
                        await self._waiter
                    finally:
                        self._waiter = None
                if self._drive is not None:
                    self._after = self._loop.create_future()
                    await self._after
                    continue
                message, payload = self._messages.popleft()
                if self._parser is not None:
                    self._parser.message_consumed()
                if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
                    self._resume_reading_if_drained()
                if isinstance(message, _ErrInfo):
                    self._refuse(_malformed(message))
                    break
                self._serving = True
                self._body = None if payload is EMPTY_PAYLOAD else payload
                self._bytes, self._mark = 0, (0.0, 0)
                self._judge(payload)
                keep = await self._request(message, payload)
                if self._behind and self._fed == self._opening + payload.total_bytes:
                    self._behind = b""  # head and body are all that came
                self._serving, self._body, self._bytes, self.reply = False, None, 0, None
                self._since = self._loop.time()
                if not keep:
                    break
        finally:
            if self.transport is not None and not self._force_close:
                self._house.outbox.flush()
                self.transport.close()

    async def _request(self, message: RawRequestMessage, payload: StreamReader) -> bool:
        """Serve one request; True when the connection may carry another."""
        house = self._house
        modern = message.version != HttpVersion10
        reply = self.reply = Reply(self, message.method, modern, not message.should_close and not house.leaving)
        status = house.status_of(message.path) if message.method in ("GET", "HEAD") else None
        if status is not None and self.transport is not None:
            reply.keep = reply.keep and payload.is_eof()  # nobody reads a body here
            answer = plain(*status, keep=reply.keep)
            self.write_whole(answer if message.method == "GET" else answer[: -len(status[1])], reply.keep)
            return reply.keep
        incoming, body = self._incoming(message, payload, reply)
        try:
            await house.serve(incoming, reply)
        finally:
            if body is not None:
                house.sidecar.claimed -= body.claimed
        if payload is not EMPTY_PAYLOAD and not payload.is_eof():
            reply.keep = reply.keep and not (body is not None and body.waits) and await read_away(payload)
        return reply.keep and not self._upgraded

    def _incoming(
        self, message: RawRequestMessage, payload: StreamReader, reply: Reply
    ) -> tuple[Incoming, Upload | None]:
        headers = end_to_end(message.raw_headers)
        for name in [name for name in headers if is_twin(name)]:
            headers.popall(name, None)
        problem: GatewayError | None = None
        target = Target("/", "")
        try:
            screen(message)
            if self._large and too_large(message):
                raise BadRequest("The request head is too large.", 431, "Request Header Fields Too Large")
            target = Target("*", "") if message.path == "*" and message.method == "OPTIONS" else canonical(message.path)
        except BadRequest as error:
            problem = error
            reply.keep = False
        if target.authority:
            headers["Host"] = target.authority
        expects = headers.pop("Expect", None) is not None
        body, upload = Body(), None
        if payload is not EMPTY_PAYLOAD:
            if payload.is_eof() and not expects:
                content = payload.read_nowait(-1)
                reply.received = len(content)
                body = Body(content)
            else:
                upload = Upload(self, payload, reply, expects)
                length = message.headers.get("Content-Length")
                body = Body(None, upload, int(length) if length is not None else None)
                body.claim = upload.claim
        incoming = Incoming(
            method=message.method,
            path=target.path,
            query=target.query,
            scheme="https" if self.secured is not None else self._house.scheme(headers),
            authority=headers.get("Host", "") if problem is None else "",  # else it may be anything
            headers=headers,
            body=body,
            client_ip=self._client,
            http_version="1.1" if message.version != HttpVersion10 else "1.0",
            tls_version=self.secured.version if self.secured is not None else "",
            client_certificate=self.secured.certificate if self.secured is not None else b"",
            upgrade=message.upgrade and message.headers.get("Upgrade", "").lower() == "websocket",
            problem=problem,
        )
        return incoming, upload


def _malformed(message: Any) -> GatewayError:
    if isinstance(message.exc, LineTooLong):
        # aiohttp keeps the target in a bytearray, fields in bytes.
        if message.exc.args and isinstance(message.exc.args[0], bytearray):
            return BadRequest("The request line is too long.", 414, "URI Too Long")
        return BadRequest("A header field is too large.", 431, "Request Header Fields Too Large")
    if "Too many headers" in str(message.message):
        return BadRequest("There are too many header fields.", 431, "Request Header Fields Too Large")
    return BadRequest("The request is malformed.")
