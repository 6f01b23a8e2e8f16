"""One HTTP/2 connection of a client: each stream is served by a task of its own, through the same lifecycle.

Rules
1. A task ends with its stream: a reset by the client, or the end of the connection, cancels it.
2. Bounds: MAX_STREAMS tasks (what comes beyond is refused, not queued), header lists as large as HTTP/1.1's, an
   allowance for cheap frames (proxy/adapters/http2/allowance.py), and one sweep per second for the deadlines of
   proxy/adapters/limits.py; gRPC's bodies may come as slowly as they like.
3. Draining: a GOAWAY that refuses nothing, then, when the client has had time to see it, one that says which streams
   are served; the connection closes with the last of them.
4. A header field or frame that breaks the protocol ends its stream, or the connection; it never reaches the lifecycle.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from h2 import events
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError

from proxy import grpc_status
from proxy.adapters.http2.allowance import FRAME, RESET, SENT, SETTINGS, YOUNG, Allowance
from proxy.adapters.http2.head import Malformed, RequestHead, read_request, read_trailers, response_fields
from proxy.adapters.http2.inflow import Inflow
from proxy.adapters.http2.reply import Http2Reply
from proxy.adapters.http2.upload import Upload
from proxy.adapters.http2.wire import LAST_STREAM, Link, StreamGone, Wire
from proxy.adapters.screen import ends_here
from proxy.adapters.streams import LINGER
from proxy.adapters.tls import Secured
from proxy.errors import BadRequest, ClientConnectionFailure, GatewayError
from proxy.lifecycle import Incoming
from proxy.messages import Body, Headers

if TYPE_CHECKING:
    from proxy.server import Server

MAX_STREAMS = 100
MOST_UNWRITTEN = (
    1024 * 1024
)  # bytes; bodies rest long before, so these are answers to frames of a client that reads none
_GONE = "The client gave the request up."

log = logging.getLogger("proxy.server")


class _Stream:
    """A request in flight. `mark` is where a measurement of its body began: time, bytes; `stuck` since when it cannot
    send."""

    __slots__ = ("began", "grpc", "inflow", "length", "mark", "reply", "sent", "stuck", "task", "upload")

    def __init__(self, inflow: Inflow, reply: Http2Reply, length: int | None, began: float) -> None:
        self.inflow, self.reply, self.length, self.began = inflow, reply, length, began
        self.grpc = reply.grpc
        self.mark = (0.0, 0)
        self.sent, self.stuck = 0, began
        self.task: asyncio.Task[None] | None = None
        self.upload: Upload | None = None  # a body that was not there with its head


class Http2Connection(Link):
    """`secured` is what TLS told, where it ends here."""

    def __init__(self, house: Server, secured: Secured | None = None) -> None:
        super().__init__(Wire(client=False, max_streams=MAX_STREAMS, max_header_list=house.limits.head))
        self._house, self._limits = house, house.limits
        self._unsent = (0.0, 0)  # since when so much waits for the client
        self._secured = secured
        self._streams: dict[int, _Stream] = {}
        self._allowance = Allowance(self.loop.time())
        self._since = self.loop.time()  # of the last sign of life without streams
        self._greeted = False
        self._head_since = 0.0  # when a header block began that has not ended
        self._leaving = 0.0  # when the client was asked not to come again
        self._last = LAST_STREAM
        self._over = False
        self._peer = ""

    # what the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self._peer = peer[0] if isinstance(peer, tuple) else ""
        self._house.http2.add(self)
        if not self._house.welcome(self._peer):
            self._end(ErrorCodes.ENHANCE_YOUR_CALM)
            return
        if self._house.draining:
            self.leave()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.wire.inside_head:
            self._head_since = self._head_since or self.loop.time()
        else:
            self._head_since = 0.0

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._house.http2.discard(self)
        self._house.farewell(self._peer)
        for stream in self._streams.values():
            self._give_up(stream)

    def eof_received(self) -> None:
        return None

    # what the client tells

    def handle(self, event: events.Event) -> None:
        if self._over:
            return
        match event:
            case events.DataReceived():
                self._data(event)
            case events.RequestReceived():
                self._request(event)
            case events.WindowUpdated():
                self._take(FRAME)
                self.window_opened()
            case events.StreamEnded():
                stream = self._streams.get(event.stream_id)
                if stream is not None:
                    self._ended(event.stream_id, stream)
            case events.TrailersReceived():
                self._trailers(event)
            case events.StreamReset():
                self._reset(event)
            case events.RemoteSettingsChanged():
                self._greeted = True
                self._take(SETTINGS)
                self.window_opened()
            case events.ConnectionTerminated():
                self._take(FRAME)
                self.leave()
            case _:  # PING and its answer, SETTINGS' answer, PRIORITY, what is unknown
                self._take(FRAME)

    def handled(self) -> None:
        if self.wire.silent:
            silent, self.wire.silent = self.wire.silent, 0
            self._take(FRAME * silent)

    def broken(self, error: ProtocolError) -> None:
        log.info("a client broke HTTP/2: %s", error, extra={"event": "ProtocolError"})
        self._end()

    def _request(self, event: events.RequestReceived) -> None:
        stream_id = event.stream_id
        if len(self._streams) >= MAX_STREAMS or stream_id > self._last:
            self._take(FRAME)
            self.reset(stream_id, ErrorCodes.REFUSED_STREAM)
            return
        try:
            head = read_request(event.headers, self._limits)
            if event.stream_ended is not None and head.length:
                raise Malformed("there is no body, and its Content-Length says otherwise")
        except Malformed:
            self._take(RESET)
            self.reset(stream_id, ErrorCodes.PROTOCOL_ERROR)
            return
        grpc = head.method == "POST" and grpc_status.is_grpc(head.headers)
        inflow = Inflow(self, stream_id, head.length)
        stream = _Stream(inflow, Http2Reply(self, stream_id, inflow, head.method, grpc), head.length, self.loop.time())
        self._streams[stream_id] = stream
        if event.stream_ended is not None:
            inflow.end()
        stream.task = self.loop.create_task(self._serve(stream_id, stream, head))

    def _data(self, event: events.DataReceived) -> None:
        self.wire.received(event.flow_controlled_length, self._house.sidecar.strained)
        stream = self._streams.get(event.stream_id)
        if event.data:
            self._allowance.earn(FRAME)
        elif event.stream_ended is None:
            self._take(FRAME)
        if stream is not None:
            stream.inflow.feed(event.data, event.flow_controlled_length)

    def _trailers(self, event: events.TrailersReceived) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is None:
            return
        try:
            read_trailers(event.headers, stream.inflow.trailers, self._limits.fields)
        except Malformed:
            stream.inflow.end(BadRequest("The request's trailers are malformed."))
            self.reset(event.stream_id, ErrorCodes.PROTOCOL_ERROR)
            self._give_up(stream)

    def _ended(self, stream_id: int, stream: _Stream) -> None:
        flow = stream.inflow
        if stream.length is not None and flow.size + flow.held != stream.length:  # the library does not see trailers
            self.reset(stream_id, ErrorCodes.PROTOCOL_ERROR)
            self._give_up(stream)
        flow.end()

    def _reset(self, event: events.StreamReset) -> None:
        self.window_opened()
        stream = self._streams.get(event.stream_id)
        self._take(RESET if stream is None or self.loop.time() - stream.began < YOUNG else FRAME)
        if stream is not None:
            self._give_up(stream)

    def _give_up(self, stream: _Stream) -> None:
        stream.inflow.end(ClientConnectionFailure(_GONE))
        if stream.task is not None:
            self.loop.call_soon(stream.task.cancel)  # not before it has begun, or it would leave no record

    def _take(self, cost: float) -> None:
        if self.cut or self.whole:
            self._allowance.earn(SENT * self.whole)
            self.cut = self.whole = 0
        if not self._allowance.take(cost, self.loop.time()):
            log.warning("a client floods with frames: %s", self._peer, extra={"event": "ProtocolError"})
            self._end(ErrorCodes.ENHANCE_YOUR_CALM)

    # serving

    async def _serve(self, stream_id: int, stream: _Stream, head: RequestHead) -> None:
        house, reply = self._house, stream.reply
        try:
            status = house.status_of(head.target.path) if head.method in ("GET", "HEAD") else None
            if head.problem is None and ends_here(head.method, head.headers) and house.ready:
                status = 200, b""
            if status is not None:
                await self._status(stream_id, head.method, *status)
            else:
                await house.serve(self._incoming(stream_id, stream, head), reply)
            refused = house.sidecar.strained or (stream.upload is not None and stream.upload.refused)
            if self.open(stream_id) and reply.whole and not (head.waits or reply.grpc or refused):
                await self._read_away(stream.inflow)
            if self.open(stream_id):
                # Complete, and the client still sends: it need not (RFC 9113 section 8.1). Else what failed is told.
                self.reset(stream_id, ErrorCodes.NO_ERROR if reply.whole else ErrorCodes.INTERNAL_ERROR)
            self._allowance.earn(RESET)
        except StreamGone:
            pass
        except Exception:
            log.exception("a request failed", extra={"event": "RequestFailed"})
            self.reset(stream_id, ErrorCodes.INTERNAL_ERROR)
        finally:
            stream.inflow.end(ClientConnectionFailure(_GONE))
            if stream.upload is not None:
                stream.upload.release()
            self._streams.pop(stream_id, None)
            self._since = self.loop.time()
            self._close_when_left()

    async def _read_away(self, flow: Inflow) -> None:
        """Read the rest of a body for a moment: some clients take a reset for an answer that they did not get."""
        with contextlib.suppress(TimeoutError, GatewayError):
            async with asyncio.timeout(LINGER):
                async for _ in flow:
                    pass

    async def _status(self, stream_id: int, method: str, status: int, body: bytes) -> None:
        headers = Headers({"content-type": "application/json", "cache-control": "no-store"})
        self.send_head(stream_id, response_fields(status, headers, len(body)), end=method == "HEAD")
        if method != "HEAD":
            await self.send_body(stream_id, body, end=True)

    def _incoming(self, stream_id: int, stream: _Stream, head: RequestHead) -> Incoming:
        flow = stream.inflow
        if flow.ended and flow.error is None and not flow.trailers:  # over HTTP/1.1 trailers need chunks
            body = Body(flow.take() if flow.held else b"", trailers=flow.trailers)
        else:
            upload = stream.upload = Upload(self, stream_id, flow, self._house.sidecar, head.waits)
            body = Body(None, upload, head.length or None, flow.trailers)  # an end that is still to come, not one of 0
            body.claim = upload.claim
        incoming = Incoming(
            method=head.method,
            path=head.target.path,
            query=head.target.query,
            scheme=self._house.scheme(head.headers) if self._secured is None else "https",
            authority=head.headers.get("Host", "") if head.problem is None else "",
            headers=head.headers,
            body=body,
            client_ip=self._peer,
            http_version="2",
            problem=head.problem,
        )
        if self._secured is not None:
            self._secured.tell(incoming)
        return incoming

    # ends

    @property
    def idle(self) -> bool:
        return not self._streams

    def leave(self) -> None:
        """Ask the client not to open streams; the connection closes when those that are open have ended (rule 3)."""
        if not self._leaving:
            self._leaving = self.loop.time()
            self.wire.go_away(LAST_STREAM)
            self.flush()

    def _close_when_left(self) -> None:
        if self._leaving and self._last != LAST_STREAM and not self._streams and self.transport is not None:
            self.flush()
            self.transport.close()

    def _end(self, code: ErrorCodes | None = None) -> None:
        """The client misbehaves: tell it why, and go. Without a code, the library has told it."""
        if self._over:
            return
        self._over = True
        if code is not None:
            self.wire.go_away(self.wire.highest_inbound_stream_id, code)
        self.flush()
        if self.transport is not None:
            self.transport.close()
        for stream in self._streams.values():
            self._give_up(stream)

    def cancel(self) -> list[asyncio.Task[None]]:
        """End at once; the tasks that are ending."""
        tasks = [stream.task for stream in self._streams.values() if stream.task is not None]
        for task in tasks:
            task.cancel()
        self._end(ErrorCodes.NO_ERROR)
        return tasks

    def sweep(self, now: float) -> None:
        """Close what is too slow; called about once per second."""
        if self.transport is None:
            return
        if self.transport.get_write_buffer_size() > MOST_UNWRITTEN:
            self.abort()
            return
        if self.wire.received(0, self._house.sidecar.strained):
            self.flush()
        unsent = self.transport.get_write_buffer_size()
        if not unsent or unsent != self._unsent[1]:
            self._unsent = (now, unsent)
        elif now - self._unsent[0] > self._limits.send:
            self.abort()
            return
        if self._leaving and self._last == LAST_STREAM and now - self._leaving >= 1:
            self._last = self.wire.highest_inbound_stream_id
            self.wire.go_away(self._last)
            self.flush()
        self._close_when_left()
        if not self._greeted and now - self._since > self._limits.head_deadline:
            self._end(ErrorCodes.SETTINGS_TIMEOUT)
        elif self._head_since and now - self._head_since > self._limits.head_deadline:
            self._end(ErrorCodes.ENHANCE_YOUR_CALM)
        elif not self._streams and now - self._since > self._limits.idle:
            self.leave()
        for stream_id, stream in list(self._streams.items()):
            self._measure(stream_id, stream, now)

    def _measure(self, stream_id: int, stream: _Stream, now: float) -> None:
        flow = stream.inflow
        began, received = stream.mark
        if stream.grpc or flow.ended or not flow.awaited or not began:
            stream.mark = (now, flow.size)
        elif now - began >= self._limits.grace:
            if flow.size - received < self._limits.rate * self._limits.grace:
                flow.end(BadRequest("The body came too slowly.", 408, "Request Timeout"))
            stream.mark = (now, flow.size)
        sending = self.wire.streams.get(stream_id)
        blocked = sending is not None and not sending.closed and stream.reply.status and self._blocked(stream_id)
        if not blocked or stream.reply.sent != stream.sent:
            stream.stuck, stream.sent = now, stream.reply.sent
        elif now - stream.stuck > self._limits.send:
            self.reset(stream_id, ErrorCodes.CANCEL)
            self._give_up(stream)

    def _blocked(self, stream_id: int) -> bool:
        return self._paused is not None or self.wire.window(stream_id) <= 0
