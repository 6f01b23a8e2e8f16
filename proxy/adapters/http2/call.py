"""One HTTP/2 connection to a backend, and the calls on it.

Rules
1. A call ends its stream: with the last byte both ways, or by a reset when its caller gives up.
2. A stream that the backend certainly did not look at (REFUSED_STREAM, above the last one of a GOAWAY) is Refused: the
   call may be made anew.
3. A connection without streams closes after IDLE; one with streams that says nothing for PING_AFTER is asked for a sign
   of life, and given up without one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus

from h2 import events
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError

from proxy import grpc_status
from proxy.adapters.http2.head import (
    Malformed,
    content_length,
    read_response,
    read_trailers,
    request_fields,
    trailer_fields,
)
from proxy.adapters.http2.inflow import Inflow
from proxy.adapters.http2.wire import LAST_STREAM, Link, StreamGone, Wire
from proxy.errors import BackendConnectionFailure, BackendTimeout, GatewayError
from proxy.messages import Body, Headers, HeadOnly, Response
from proxy.ports import Outgoing

IDLE = 60.0  # seconds
PING_AFTER = 30.0
PING_ANSWER = 10.0
MOST_STREAMS = 100  # until the backend says how many it takes, and at most
MAX_HEADERS = 256 * 1024  # bytes of a response's header fields
_LAST_IDS = LAST_STREAM - 1000
_BROKEN_OFF = "The backend broke off its answer."


class Refused(Exception):
    """The backend did not look at the request."""


class Lost(Exception):
    """The connection ended before there was an answer; the request may have been served."""


class _Call:
    __slots__ = ("expiry", "go", "head", "inflow", "inform", "length", "method")

    def __init__(self, inflow: Inflow, head: asyncio.Future[tuple[int, Headers]], request: Outgoing) -> None:
        self.inflow, self.head, self.method = inflow, head, request.method
        self.inform = request.inform
        self.length: int | None = None
        self.go: asyncio.Event | None = None  # set by 100 Continue
        self.expiry: asyncio.TimerHandle | None = None  # of gRPC's deadline

    def fail(self, error: Exception) -> None:
        if not self.head.done():
            self.head.set_exception(error)
            self.head.exception()  # nobody may be left to look at it
        broken = error if isinstance(error, GatewayError) else BackendConnectionFailure(f"{_BROKEN_OFF} {error}")
        self.inflow.end(broken)


class BackendLink(Link):
    """`most` is how many calls it takes at once: what is given, until the backend says so. `leaving`: none any more."""

    def __init__(self, most: int = MOST_STREAMS) -> None:
        super().__init__(Wire(client=True, max_streams=0, max_header_list=MAX_HEADERS))
        self._calls: dict[int, _Call] = {}
        self.most = most
        self.leaving = False
        self._heard = self.loop.time()
        self._pinged = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._tickets: asyncio.Event = asyncio.Event()  # something changed for who waits for room

    # what the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        self._heard, self._pinged = self.loop.time(), 0.0
        super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self.leaving = True
        if self._timer is not None:
            self._timer.cancel()
        self._fail_all(Lost, str(exc) if exc else "The backend closed the connection.")
        self._tickets.set()

    def eof_received(self) -> None:
        return None

    # what the backend tells

    def handle(self, event: events.Event) -> None:
        match event:
            case events.DataReceived():
                self.wire.received(event.flow_controlled_length)
                if (call := self._calls.get(event.stream_id)) is not None:
                    call.inflow.feed(event.data, event.flow_controlled_length)
            case events.ResponseReceived():
                self._head(event)
            case events.InformationalResponseReceived():
                self._interim(event)
            case events.TrailersReceived():
                if (call := self._calls.get(event.stream_id)) is not None:
                    try:
                        read_trailers(event.headers, call.inflow.trailers)
                    except Malformed as wrong:
                        self._malformed(event.stream_id, call, wrong)
            case events.StreamEnded():
                if (call := self._calls.get(event.stream_id)) is not None:
                    self._ended(event.stream_id, call)
            case events.StreamReset():
                self._reset(event)
            case events.WindowUpdated():
                self.window_opened()
            case events.RemoteSettingsChanged():
                self.most = min(self.wire.remote_settings.max_concurrent_streams, MOST_STREAMS)
                self.window_opened()
                self._tickets.set()
            case events.ConnectionTerminated():
                self._goaway(event.last_stream_id or 0)

    def broken(self, error: ProtocolError) -> None:
        self.leaving = True
        self._fail_all(BackendConnectionFailure, f"The backend broke HTTP/2: {error}.")
        self.flush()
        if self.transport is not None:
            self.transport.close()

    def _interim(self, event: events.InformationalResponseReceived) -> None:
        call = self._calls.get(event.stream_id)
        if call is None:
            return
        try:
            status, headers = read_response(event.headers)
        except Malformed as wrong:
            self._malformed(event.stream_id, call, wrong)
            return
        if status == 100 and call.go is not None:
            call.go.set()
        elif status > 101 and call.inform is not None:
            call.inform(status, headers)

    def _head(self, event: events.ResponseReceived) -> None:
        call = self._calls.get(event.stream_id)
        if call is None:
            return
        try:
            status, headers = read_response(event.headers)
            call.length = call.inflow.length = content_length(headers)
        except Malformed as wrong:
            self._malformed(event.stream_id, call, wrong)
            return
        if event.stream_ended is not None:
            call.inflow.end()
        if not call.head.done():
            call.head.set_result((status, headers))

    def _ended(self, stream_id: int, call: _Call) -> None:
        flow = call.inflow
        told = call.length is not None and call.method != "HEAD" and not flow.ended
        if told and flow.size + flow.held != call.length:
            call.fail(BackendConnectionFailure("The backend's answer is shorter than its Content-Length says."))
        flow.end()
        self._settle(stream_id)

    def _malformed(self, stream_id: int, call: _Call, wrong: Malformed) -> None:
        call.fail(BackendConnectionFailure(f"The backend's answer is not valid: {wrong}."))
        self.reset(stream_id, ErrorCodes.PROTOCOL_ERROR)
        self._settle(stream_id)

    def _reset(self, event: events.StreamReset) -> None:
        self.window_opened()
        call = self._calls.get(event.stream_id)
        if call is None:
            return
        if event.remote_reset and event.error_code == ErrorCodes.REFUSED_STREAM:
            call.fail(Refused())
        elif event.remote_reset and event.error_code == ErrorCodes.NO_ERROR and call.inflow.ended:
            pass  # it had enough of the request
        else:
            code = event.error_code
            name = code.name if isinstance(code, ErrorCodes) else f"error {code}"
            call.fail(BackendConnectionFailure(f"The backend reset the request: {name}."))
        self._settle(event.stream_id)

    def _goaway(self, last: int) -> None:
        self.leaving = True
        for stream_id, call in list(self._calls.items()):
            if stream_id > last:
                call.fail(Refused())
                self._settle(stream_id)
        self._close_when_left()
        self._tickets.set()

    # calling

    @property
    def room(self) -> bool:
        """Whether another call may begin."""
        if self.leaving or self.transport is None or self.transport.is_closing():
            return False
        return len(self._calls) < self.most and self.wire.highest_outbound_stream_id < _LAST_IDS

    async def change(self) -> None:
        """Wait until there may be room."""
        self._tickets.clear()
        await self._tickets.wait()

    async def send(self, request: Outgoing) -> Response:
        """One call. There must be room. Raises Refused, Lost, or GatewayError."""
        grpc = grpc_status.is_grpc(request.headers)
        body = request.body
        waits = request.continue_timeout is not None and not body.empty
        try:
            fields = request_fields(request, waits, grpc)
        except ValueError as wrong:
            raise GatewayError(f"The request cannot be sent: {wrong}.", reason="InvalidHeader") from wrong
        stream_id = self.wire.get_next_available_stream_id()
        call = _Call(Inflow(self, stream_id), self.loop.create_future(), request)
        if waits:
            call.go = asyncio.Event()
        self._calls[stream_id] = call
        if grpc and (seconds := grpc_status.deadline(request.headers.get("grpc-timeout", ""))) is not None:
            call.expiry = self.loop.call_later(seconds, self._expire, stream_id)
        upload: asyncio.Task[None] | None = None
        try:
            nothing = body.buffered and not body.content() and not body.trailers
            self.wire.send_headers(stream_id, fields, end_stream=nothing)
            self.soon()
            if not nothing:
                upload = self.loop.create_task(self._upload(stream_id, call, body, request.continue_timeout))
            if upload is not None and not body.buffered:
                await _first_of(call.head, upload)
            status, headers = await call.head
        except StreamGone as gone:
            self._give_up(stream_id, upload)
            raise Lost("The connection to the backend ended.") from gone
        except BaseException:
            self._give_up(stream_id, upload)
            raise
        return self._response(stream_id, call, upload, status, headers)

    def _response(
        self, stream_id: int, call: _Call, upload: asyncio.Task[None] | None, status: int, headers: Headers
    ) -> Response:
        flow = call.inflow
        response = Response(status, _phrase(status), headers, http_version="2")
        if flow.ended and flow.error is None and (upload is None or upload.done()):
            content = flow.take() if flow.held else b""
            bare = call.method == "HEAD" or status == 304
            if bare and call.length:
                response.body = HeadOnly(call.length)
            else:
                response.body = Body(content, trailers=flow.trailers)
            self._settle(stream_id)
        else:
            length = None if call.method == "HEAD" or status in (204, 304) else call.length
            response.body = Body(None, Answer(self, stream_id, flow, upload), length, flow.trailers)
        return response

    async def _upload(self, stream_id: int, call: _Call, body: Body, continue_timeout: float | None) -> None:
        """Send a body. A failure of the client's is raised for who waits; one of the stream's is told by the stream."""
        if call.go is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(continue_timeout):
                    await call.go.wait()
        try:
            async for chunk in body.chunks():
                await self.send_body(stream_id, chunk, end=False)
            if body.trailers:
                self.send_head(stream_id, trailer_fields(body.trailers), end=True)
            else:
                await self.send_body(stream_id, b"", end=True)
        except StreamGone:
            return
        except (ValueError, GatewayError) as failed:
            self.reset(stream_id, ErrorCodes.CANCEL)
            told = failed
            if isinstance(failed, ValueError):
                told = GatewayError(f"The request's trailers cannot be sent: {failed}.", reason="InvalidHeader")
            call.fail(told)
            raise told from failed

    def _give_up(self, stream_id: int, upload: asyncio.Task[None] | None) -> None:
        if upload is not None:
            upload.cancel()
            upload.add_done_callback(_looked_at)
        self.reset(stream_id, ErrorCodes.CANCEL)
        self._settle(stream_id)

    def end(self, stream_id: int, upload: asyncio.Task[None] | None) -> None:
        """The caller is done with a call, however far it came."""
        if upload is not None and not upload.done():
            upload.cancel()
        if upload is not None:
            upload.add_done_callback(_looked_at)
        self.reset(stream_id, ErrorCodes.CANCEL)
        self._settle(stream_id)

    def _settle(self, stream_id: int) -> None:
        """Forget a call whose stream has ended; one that still sends keeps its place."""
        if stream_id in self._calls and not self.open(stream_id):
            call = self._calls.pop(stream_id)
            if call.expiry is not None:
                call.expiry.cancel()
            self._heard = self.loop.time()
            self._tickets.set()
            self._close_when_left()

    def _fail_all(self, kind: Callable[[str], Exception], message: str) -> None:
        calls, self._calls = self._calls, {}
        for call in calls.values():
            if call.expiry is not None:
                call.expiry.cancel()
            call.fail(kind(message))

    def _expire(self, stream_id: int) -> None:
        """gRPC's deadline is over: its client expects a status, also from a backend that does not watch the time."""
        call = self._calls.get(stream_id)
        if call is not None:
            call.fail(BackendTimeout("The deadline of the gRPC call is over."))
            self.reset(stream_id, ErrorCodes.CANCEL)
            self._settle(stream_id)

    # ends

    def leave(self) -> None:
        """Take no new calls; close when those that are there have ended."""
        self.leaving = True
        self._close_when_left()

    def _close_when_left(self) -> None:
        if self.leaving and not self._calls and self.transport is not None:
            self.wire.go_away(0)
            self.flush()
            self.transport.close()

    def _watch(self) -> None:
        """Rule 3; a few times in its shortest period."""
        if self.transport is None:
            return
        now = self.loop.time()
        quiet = now - self._heard
        if not self._calls:
            if quiet > IDLE:
                self.leave()
                return
        elif self._pinged and now - self._pinged > PING_ANSWER:
            self._fail_all(BackendConnectionFailure, "The backend gave no sign of life.")
            self.abort()
            return
        elif quiet > PING_AFTER and not self._pinged:
            self._pinged = now
            self.wire.ping(b"passerel")
            self.flush()
        self._timer = self.loop.call_later(PING_ANSWER / 2, self._watch)


class Answer(AsyncIterator[bytes]):
    """The rest of a response body. Ends its stream with the last byte, or by `aclose`."""

    __slots__ = ("_flow", "_link", "_stream_id", "_upload")

    def __init__(self, link: BackendLink, stream_id: int, flow: Inflow, upload: asyncio.Task[None] | None) -> None:
        self._link: BackendLink | None = link
        self._stream_id, self._flow, self._upload = stream_id, flow, upload

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._flow)
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.end(self._stream_id, self._upload)

    def __del__(self) -> None:
        if self._link is not None and not self._link.loop.is_closed():
            self._link.end(self._stream_id, self._upload)


async def _first_of(head: asyncio.Future[tuple[int, Headers]], upload: asyncio.Task[None]) -> None:
    """Wait for the answer; a client that failed to send ends the wait with its own error."""
    await asyncio.wait((head, upload), return_when=asyncio.FIRST_COMPLETED)
    if upload.done() and not head.done() and not upload.cancelled() and (failed := upload.exception()) is not None:
        raise failed


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _looked_at(upload: asyncio.Task[None]) -> None:
    """Look at the outcome, so that the loop does not complain about a failure that came too late to matter."""
    if not upload.cancelled():
        upload.exception()
