"""One connection of a client: a short way for requests that are whole and ordinary, aiohttp's for all others.

Rules
1. Requests of a connection are served one after the other. Those of the short way run in the stack of who brings what
   they wait for (drive.py), the others in the connection's task; both are cancelled when the client goes.
2. Deadlines (limits.py) are watched by one sweep per second over all connections, not by timers per request.
3. After a malformed request, an unread body, a declined upgrade or an aborted response the connection closes.
4. A connection has one reader of its bytes at a time: the short way takes them only while aiohttp's parser stands
   between two messages, and only while the client takes what it is sent.
5. What comes behind a request waits, unread, until that is answered; behind the last one it is dropped. However they
   came, aiohttp's parser gets the bytes of one message at a time: a head to its empty line, a body to its end
   (extent.py).
6. What never became a request is answered and recorded as one (`_refuse`).
7. A client that closes its side behind a request gets its answer, if that comes soon (Limits.half_close): after that,
   it may as well be gone.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from aiohttp import HttpVersion10
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler, RequestPayloadError, _ErrInfo

from proxy.adapters import whole
from proxy.adapters.drive import Drive
from proxy.adapters.extent import NOTHING, Chunks, Extent, Length
from proxy.adapters.intake import incoming_of
from proxy.adapters.negotiation import PREFACE
from proxy.adapters.pressure import Farewell
from proxy.adapters.reply import Reply, plain
from proxy.adapters.screen import ends_here, is_http, malformed
from proxy.adapters.streams import read_away, spoil
from proxy.adapters.tls import Secured
from proxy.errors import BadRequest, GatewayError
from proxy.lifecycle import Incoming, serve
from proxy.messages import Body, Headers
from proxy.target import Target, canonical

if TYPE_CHECKING:
    from proxy.server import Server

log = logging.getLogger("proxy.connection")

MOST_AHEAD = 64 * 1024  # bytes that wait behind a request; then reading does


class Connection(RequestHandler):
    __slots__ = (
        "_after", "_ahead", "_begun", "_body", "_bytes", "_drive", "_ended", "_extent", "_fresh", "_limits",
        "_mark", "_partial", "_serving", "_since", "_surplus", "_unsent", "client", "head", "house", "reply", "secured",
        "tunnel",
    )  # fmt: skip

    def __init__(self, house: Server, loop: asyncio.AbstractEventLoop) -> None:
        limits = house.limits
        super().__init__(
            house,
            loop=loop,
            keepalive_timeout=0,
            access_log=None,  # type: ignore[arg-type]
            max_line_size=limits.line,
            max_field_size=limits.field,
            max_headers=limits.fields,
            auto_decompress=False,
            read_bufsize=64 * 1024,
        )
        self.house, self._limits = house, limits
        self._since = loop.time()  # of the wait for a head: connect, first byte, or end of the last request
        self._serving = self.tunnel = False
        self._bytes = self.head = 0  # of the message that aiohttp's parser reads, and of its head
        self._mark = (0.0, 0)  # begin of the present measurement of a body: time, bytes
        self._body: StreamReader | None = None  # of that message
        self._extent: Extent = NOTHING
        self.client = ""  # its address
        self._drive: Drive | None = None  # a request of the short way that is being served
        self._surplus: Farewell | None = None  # there is no room for it
        self.reply: Reply | None = None  # the answer of whatever is being served
        self._after: asyncio.Future[None] | None = None  # the task waits for the end of that request
        self.secured: Secured | None = None  # what TLS told, where it ends here
        self._fresh = True  # nothing was understood yet: it may become HTTP/2
        self._ahead = b""  # bytes that came behind the request that is being served, or wait while reading is paused
        self._begun = self._partial = b""  # while it may; a head that has begun
        self._ended = False  # the client has closed its side
        self._unsent = (0.0, 0, 0)  # since when so much of an answer waits for the client

    # what the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = self.peername
        self.client = peer[0] if isinstance(peer, tuple) else ""
        if not self.house.welcome(self.client):
            assert self.transport is not None
            self._force_close, self._surplus = True, Farewell(self.house, self.transport)

    def data_received(self, data: bytes) -> None:
        if self._surplus is not None:
            self._surplus()
            return
        body = self._body
        if body is not None and not body.is_eof():
            data = self._read_on(body, data)
        if not data:
            return
        if self._upgraded or self.tunnel:
            super().data_received(data)
        elif self._serving or self._messages or self._ahead:  # rule 5
            self._ahead += data
            if len(self._ahead) > MOST_AHEAD and not self._buffer_paused:
                self._pause_reading_for_buffer()
        elif not (self._bytes or self._paused or self._force_close):
            if self._begun and not (data := self._first(data)):
                return
            request = whole.read(data, self._limits)
            if request is None and 0 < (end := whole.first_end(data)) < len(data):
                request = whole.read(data[:end], self._limits)
                self._ahead = data[end:] if request is not None else b""
            if request is None:
                self._read_head(data)
            else:
                self._fresh = False
                self._serve(request)
        else:
            self._read_head(data)

    def _read_head(self, data: bytes) -> None:
        """Have aiohttp's parser read a head, as far as it is there, and see to what comes behind it."""
        if not self._bytes:
            if not (data := (self._first(data) if self._fresh else data).lstrip(b"\r\n")):  # no head begins yet
                return
            self._since, self.head = self._loop.time(), 0
        before, most = len(self._partial), self._limits.line + self._limits.head
        self._partial = begun = self._partial + data
        if not is_http(begun):
            self._refuse(BadRequest("The request line is malformed."))
            return
        end = whole.end_of_head(begun, before)
        head, rest = (data[: end - before], data[end - before :]) if end else (data, b"")
        self._feed(head)
        if self._messages:
            self.head, self._partial = self._bytes, b""
            message, body = self._messages[0]
            if not (body.is_eof() or isinstance(message, _ErrInfo)):
                self._body = body
                length = message.headers.get("Content-Length", "0")
                self._extent = Chunks(self._limits.framing) if message.chunked else Length(int(length))
            if rest:
                self.data_received(rest)
        elif self._bytes > most:
            self._refuse(BadRequest("The request head is too large.", 431, "Request Header Fields Too Large"))
        elif rest:
            self._read_head(rest)

    def _read_on(self, body: StreamReader, data: bytes) -> bytes:
        """Have aiohttp's parser read what belongs to the body; what does not, or has to wait, is left. Without data it
        goes on with what waited."""
        if not data:
            self._feed(b"")
            data, self._ahead = self._ahead, b""
        elif self._ahead:
            return data
        start, size, extent = 0, len(data), self._extent
        while start < size and not (self._reading_paused or body.is_eof()) and (end := extent.end(data, start)) > start:
            self._feed(data[start:end])
            start = end
        if self._buffer_paused and size - start <= MOST_AHEAD:
            self._resume_reading_for_buffer()
        return data[start:]

    def _feed(self, data: bytes) -> None:
        """Have aiohttp's parser read, and tell whoever reads the body what is wrong with it."""
        self._bytes += len(data)
        super().data_received(data)
        body = self._body
        if body is None:
            return
        if wrong := bool(self._messages) and isinstance(self._messages[-1][0], _ErrInfo):
            self._messages.pop()
        if wrong or self._extent.padded:
            spoil(body, RequestPayloadError("malformed"))

    def _go_on(self) -> None:
        """A request has ended: those that came behind it."""
        if self.transport is None or self._force_close:
            return
        data, self._ahead = self._ahead, b""
        if self._buffer_paused:
            self._resume_reading_for_buffer()
        if data:
            self.data_received(data)
        if self._ended and (self.idle or self._lacking):
            self._finished()

    @property
    def _lacking(self) -> bool:
        """The rest of a body has not come."""
        return self._body is not None and not self._body.is_eof() and not self._reading_paused

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """True lets the answer go out (rule 7). TLS has no half-closed connections."""
        wait = self._limits.half_close
        if self.idle or self._lacking or self._ended or not wait or self.tunnel or self.secured is not None:
            return None
        self._ended = True
        self._loop.call_later(wait, self._still_wanted, self.reply.sent if self.reply is not None else 0)
        return True

    def _still_wanted(self, sent: int) -> None:
        """A client that is gone, and had only closed its side, refuses what is sent to it."""
        reply = self.reply
        if self.transport is None:
            return
        if reply is not None and reply.status and reply.sent > sent:
            self._loop.call_later(self._limits.half_close, self._still_wanted, reply.sent)
        elif not self.idle:
            self.abort()

    def _first(self, data: bytes) -> bytes:
        """The first bytes; none while they may become the preface of HTTP/2, whose connection takes over then."""
        data = self._begun + data
        if PREFACE.startswith(data[: len(PREFACE)]):
            self._begun = data
            if len(data) >= len(PREFACE) and (transport := self.transport) is not None:
                self.transport = None  # it belongs to another from now on
                self.connection_lost(None)
                self.house.http2.take_over(transport, data, self.secured)
            return b""
        self._fresh, self._begun = False, b""
        return data

    def connection_lost(self, exc: BaseException | None) -> None:
        self.house.farewell(self.client)
        if self._surplus is not None:
            self._surplus()
        self.cancel()
        if self.tunnel:
            self._task_handler = None  # the tunnel ends by itself
        super().connection_lost(exc)

    # what others may ask

    @property
    def idle(self) -> bool:
        """Between requests."""
        return not (self._serving or self._messages or self._ahead)

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
        outbox = self.house.outbox
        if keep:
            outbox.write(self.transport, data)
        else:
            outbox.flush()
            self.transport.write(data)

    def flush(self) -> None:
        self.house.outbox.flush()

    async def drain(self) -> None:
        if self._paused:
            await self._drain_helper()

    def sweep(self, now: float) -> None:
        """Close what is too slow; called about once per second."""
        transport, limits = self.transport, self._limits
        if transport is None or self._surplus is not None:  # which ends by itself
            return
        since, *mark = self._unsent
        unsent, sent = transport.get_write_buffer_size(), self.reply.sent if self.reply is not None else 0
        if not unsent or mark != [unsent, sent]:
            self._unsent = (now, unsent, sent)
        elif now - since > limits.send:
            self.abort()
            return
        if self.tunnel:
            return
        if self.idle:
            if self._bytes and now - self._since > limits.head_deadline:
                late = BadRequest("The request head took too long.", 408, "Request Timeout")
                self._loop.call_soon(self._refuse, late)  # a sweep is a task, and drives begin in none
            elif now - self._since > (self.house.patience if self._request_count else limits.head_deadline):
                self._finished()
        elif self._body is not None and not self._body.is_eof():
            began, received = self._mark
            if self._reading_paused or not began:
                self._mark = (now, self._bytes)
            elif now - began >= limits.grace:
                if self._bytes - received < limits.rate * limits.grace:
                    spoil(self._body, BadRequest("The body came too slowly.", 408, "Request Timeout"))
                self._mark = (now, self._bytes)

    def _refuse(self, error: GatewayError) -> None:
        """Answer what never became a request, while nothing is being served. It closes the connection."""
        if self.transport is not None and self.idle:
            self._drive = Drive(self._loop, self.house.serve(*self._refusal(error)), self._served)
            self._drive.step()

    def _refusal(self, error: GatewayError) -> tuple[Incoming, Reply]:
        self._serving, self._ahead = True, b""
        reply = self.reply = Reply(self, "GET", True, False)
        scheme = "https" if self.secured is not None else "http"
        return Incoming("_OTHER", "/", "", scheme, "", Headers(), Body(), self.client, problem=error), reply

    # the short way

    def _serve(self, request: whole.Whole) -> None:
        house, method = self.house, request.method
        path = request.target
        self._request_count += 1
        self._since = self._loop.time()
        reply = self.reply = Reply(self, method, True, not house.leaving)
        if path in house.status_paths and method in ("GET", "HEAD") and (status := house.status_of(path)) is not None:
            reply.keep = reply.keep and not request.body  # as if nobody had read it
            self._status(status, method, reply)
            return
        problem: GatewayError | None = None
        host, headers, body = request.host, request.headers, request.body
        try:
            target = canonical(path)
            if target.authority:
                host = headers["Host"] = target.authority
        except BadRequest as error:
            target, problem, host = Target("/", ""), error, ""
            reply.keep = False
        reply.received = len(body)
        scheme = house.scheme(headers) if house.forwarded_proto else "http"
        incoming = Incoming(
            method, target.path, target.query, scheme, host, headers, Body(body), self.client, problem=problem
        )
        if self.secured is not None:
            self.secured.tell(incoming)
        self._serving = True
        drive = self._drive = Drive(self._loop, serve(house.sidecar, incoming, reply), self._served)
        drive.step()

    def _served(self, failure: BaseException | None) -> None:
        """The end of a request of the short way."""
        reply, self.reply, self._drive = self.reply, None, None
        self._serving, self._bytes = False, 0
        self._since = self._loop.time()
        if failure is not None and not isinstance(failure, asyncio.CancelledError):
            log.error("a request ended in a way that it should not", exc_info=failure)
        if failure is not None or reply is None or not reply.keep or (self._ended and not self._ahead):
            self._finished()
        elif self._ahead:
            self._loop.call_soon(self._go_on)
        after, self._after = self._after, None
        if after is not None and not after.done():
            after.set_result(None)

    def _finished(self) -> None:
        """Close behind what is written, and serve nothing that was sent ahead."""
        self._force_close, self._ahead = True, b""
        if self.transport is not None:
            self.house.outbox.flush()
            self.transport.close()

    def _own(self, status: tuple[int, bytes], method: str, reply: Reply) -> bool:
        """Say what the gateway says of itself; True when the connection may carry another request."""
        if self.transport is not None:
            answer = plain(*status, keep=reply.keep)
            self.write_whole(answer[: -len(status[1])] if method == "HEAD" else answer, reply.keep)
        return reply.keep

    def _status(self, status: tuple[int, bytes], method: str, reply: Reply) -> None:
        self._own(status, method, reply)
        if not reply.keep or (self._ended and not self._ahead):
            self._finished()
        elif self._ahead:
            self._loop.call_soon(self._go_on)

    # the loop of the others

    async def start(self) -> None:
        try:
            while not self._force_close:
                if self._paused:
                    await self._drain_helper()
                    continue
                if not self._messages:
                    if self.house.draining or self._close:
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
                if isinstance(message, _ErrInfo):
                    await self.house.serve(*self._refusal(malformed(message)))
                    break
                if payload.exception() is not None:
                    await self.house.serve(*self._refusal(malformed(None)))
                    break
                self._serving, self._mark = True, (0.0, 0)
                keep = await self._request(message, payload) and payload.exception() is None
                self._serving, self._body, self.reply, self._bytes = False, None, None, 0
                self._since = self._loop.time()
                if not keep or (self._ended and self.idle):
                    break
                if self._ahead:
                    self._loop.call_soon(self._go_on)
        finally:
            if self.transport is not None and not self._force_close:
                self.house.outbox.flush()
                self.transport.close()

    async def _request(self, message: RawRequestMessage, payload: StreamReader) -> bool:
        """Serve one request; True when the connection may carry another."""
        house = self.house
        modern = message.version != HttpVersion10
        reply = self.reply = Reply(self, message.method, modern, not message.should_close and not house.leaving)
        status = house.status_of(message.path) if message.method in ("GET", "HEAD") else None
        incoming, body = incoming_of(self, message, payload, reply)
        if status is None and incoming.problem is None and ends_here(message.method, incoming.headers) and house.ready:
            status = 200, b""
        if status is not None:
            reply.keep = reply.keep and payload is EMPTY_PAYLOAD  # nobody reads a body here
            return self._own(status, message.method, reply)
        try:
            await house.serve(incoming, reply)
        finally:
            if body is not None:
                house.sidecar.claimed -= body.claimed
        if payload is not EMPTY_PAYLOAD and not payload.is_eof():
            reply.keep = reply.keep and not (body is not None and body.waits) and await read_away(payload)
        return reply.keep and not self._upgraded
