"""The frames of one HTTP/2 connection: the h2 library with what a gateway needs differently, and the flow of bodies.

Rules
1. Header fields are checked by proxy/adapters/http2/head.py, not by the library: a malformed message ends its stream,
   not the streams beside it. What breaks the framing or the compression ends the connection.
2. A GOAWAY ends nothing by itself: streams that are open may finish on both sides.
3. A stream over the advertised limit is refused, so that its sender may try again; the library would end the
   connection. Frames that are late for a stream that we have reset pass unanswered; the library would answer each.
4. Bodies flow both ways with backpressure. What a stream may hold unread is STREAM_WINDOW; a reader that rests holds up
   its own stream only. What is sent waits for the peer's windows and for the socket.
Source: RFC 9113.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import Any, cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, Event, StreamReset
from h2.exceptions import (
    FrameTooLargeError,
    InvalidBodyLengthError,
    ProtocolError,
    StreamClosedError,
    StreamIDTooLowError,
)
from h2.settings import SettingCodes, Settings
from h2.stream import StreamClosedBy
from hpack import Encoder
from hyperframe.frame import GoAwayFrame, RstStreamFrame

from proxy.messages import Headers

STREAM_WINDOW = 128 * 1024  # bytes of a body that may wait here to be read
CONNECTION_WINDOW = 1024 * 1024
LARGEST_FRAME = 64 * 1024  # bytes sent in one DATA frame, where the peer allows as much
LARGEST_TABLE = 4096  # bytes of the fields that were sent and may be referred to
LAST_STREAM = 2**31 - 1
_UNLIMITED = 2**31


class _Advertised(Settings):
    """Our settings; the limit of streams is held by rule 3, so the library does not see it."""

    @property
    def max_concurrent_streams(self) -> int:
        return _UNLIMITED

    @max_concurrent_streams.setter
    def max_concurrent_streams(self, value: int) -> None:
        self[SettingCodes.MAX_CONCURRENT_STREAMS] = value


class _PlainEncoder(Encoder):
    """Without Huffman coding, which costs more time than the bytes are worth between neighbours, and with a table that
    is never larger than LARGEST_TABLE: a peer may allow any size, but each of our fields is looked for in all of it."""

    @property
    def header_table_size(self) -> int:
        return int(self.header_table.maxsize)

    @header_table_size.setter
    def header_table_size(self, value: int) -> None:
        size = min(value, LARGEST_TABLE)
        self.header_table.maxsize = size
        if self.header_table.resized:
            self.table_size_changes.append(size)

    def encode(self, headers: Any, huffman: bool = False) -> bytes:
        return super().encode(headers, huffman=False)


class Wire(H2Connection):
    """`client`: this end asks. `streams` and `header_list` are what the peer may have open and send."""

    def __init__(self, client: bool, max_streams: int, max_header_list: int) -> None:
        super().__init__(
            H2Configuration(
                client_side=client,
                header_encoding=None,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
                split_outbound_cookies=False,
                validate_inbound_headers=False,
                normalize_inbound_headers=False,
            )
        )
        ours = {
            SettingCodes.MAX_CONCURRENT_STREAMS: max_streams,
            SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
            SettingCodes.MAX_HEADER_LIST_SIZE: max_header_list,
            SettingCodes.ENABLE_CONNECT_PROTOCOL: 0,
        }
        if client:
            ours[SettingCodes.ENABLE_PUSH] = 0
        self.local_settings = _Advertised(client=client, initial_values=ours)
        self.decoder.max_header_list_size = max_header_list
        self.encoder = _PlainEncoder()
        self._owed = 0  # bytes received since the connection's window was opened
        self.silent = 0  # frames that nobody was told of

    def begin(self) -> None:
        self.initiate_connection()
        self.increment_flow_control_window(CONNECTION_WINDOW - 65_535)

    @property
    def pending(self) -> int:
        """Bytes that wait to be written."""
        return len(self._data_to_send)

    @property
    def inside_head(self) -> bool:
        """A header block has begun and its end has not come."""
        begun = self.incoming_buffer
        return bool(begun._headers_buffer) or (len(begun._data) > 3 and begun._data[3] in (1, 9))

    def window(self, stream_id: int) -> int:
        """Body bytes that may be sent now; the stream must be open."""
        return min(self.outbound_flow_control_window, self.streams[stream_id].outbound_flow_control_window)

    def received(self, size: int, hold: bool = False) -> bool:
        """Open the connection's window for as much as came, unless it is to hold for now; True when it was opened."""
        self._owed += size
        if hold or self._owed < CONNECTION_WINDOW // 2:
            return False
        self.increment_flow_control_window(self._owed)
        self._owed = 0
        return True

    def go_away(self, last: int, code: int = 0) -> None:
        """Tell the peer not to open streams above `last`; those that are open go on."""
        self._data_to_send += GoAwayFrame(0, last_stream_id=last, error_code=code).serialize()

    # what the library does differently

    def receive_data(self, data: Any) -> list[Event]:
        """The library waits for the whole of a frame before it finds it too large."""
        events = super().receive_data(data)
        begun = self.incoming_buffer._data
        if len(begun) >= 3 and int.from_bytes(begun[:3], "big") > self.max_inbound_frame_size:
            self.go_away(self.highest_inbound_stream_id, ErrorCodes.FRAME_SIZE_ERROR)
            raise FrameTooLargeError("a frame is too large")
        return events

    def _receive_frame(self, frame: Any) -> list[Event]:
        """Without a text of each frame for a log that nobody keeps, which costs more than all the rest."""
        events: list[Event]
        try:
            frames, events = self._frame_dispatch_table[frame.__class__](frame)
        except StreamClosedError as closed:
            if not self._stream_is_closed_by_reset(closed.stream_id):
                raise
            frames, events = self._too_late(closed.stream_id, closed.error_code, closed._events)
        except StreamIDTooLowError as low:
            if self._stream_is_closed_by_end(low.stream_id):
                raise StreamClosedError(low.stream_id) from low
            if not self._stream_is_closed_by_reset(low.stream_id):
                raise
            frames, events = self._too_late(low.stream_id, ErrorCodes.STREAM_CLOSED, [])
        self.silent += not events
        self._prepare_for_sending(frames)
        return events

    def _too_late(self, stream_id: int, code: ErrorCodes, events: list[Event]) -> tuple[list[Any], list[Event]]:
        """A frame of a stream that has ended: we had reset it (then there are no `events` of this), and the frame
        was on its way; or the peer knows, and then it is told again, which is to cost it something."""
        if not events and self._stream_closed_by(stream_id) is StreamClosedBy.SEND_RST_STREAM:
            return [], []
        told = events or [StreamReset(stream_id=stream_id, error_code=code, remote_reset=False)]
        return [RstStreamFrame(stream_id, error_code=code)], told

    def _receive_goaway_frame(self, frame: GoAwayFrame) -> tuple[list[Any], list[Event]]:
        event = ConnectionTerminated()
        event.error_code, event.last_stream_id = frame.error_code, frame.last_stream_id
        event.additional_data = None
        return [], [event]

    def _receive_data_frame(self, frame: Any) -> tuple[list[Any], list[Event]]:
        try:
            return super()._receive_data_frame(frame)
        except InvalidBodyLengthError:
            self.received(frame.flow_controlled_length)
            self.reset_stream(frame.stream_id, ErrorCodes.PROTOCOL_ERROR)
            return [], [
                StreamReset(stream_id=frame.stream_id, error_code=ErrorCodes.PROTOCOL_ERROR, remote_reset=False)
            ]

    def _handle_data_on_closed_stream(self, events: Any, exc: Any, frame: Any) -> tuple[list[Any], list[Event]]:
        frames, _ = super()._handle_data_on_closed_stream(events, exc, frame)
        told, ours = self._too_late(exc.stream_id, exc.error_code, exc._events)
        return [*frames[:-1], *told], [*events, *ours]  # the last one is its RST_STREAM

    def _receive_rst_stream_frame(self, frame: Any) -> tuple[list[Any], list[Event]]:
        highest = (
            self.highest_outbound_stream_id
            if self._stream_id_is_outbound(frame.stream_id)
            else self.highest_inbound_stream_id
        )
        if frame.stream_id > highest:
            raise ProtocolError("RST_STREAM on an idle stream")
        return super()._receive_rst_stream_frame(frame)


class Inflow(AsyncIterator[bytes]):
    """The body of one stream on its way in. `trailers` fill up before it ends; `size` counts bytes that were read."""

    __slots__ = ("_chunks", "_link", "_owed", "_stream_id", "_waiter", "ended", "error", "held", "size", "trailers")

    def __init__(self, link: Link, stream_id: int) -> None:
        self._link, self._stream_id = link, stream_id
        self._chunks: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._owed = 0  # bytes read or padding since the stream's window was opened
        self.held = 0  # bytes that wait to be read
        self.size = 0
        self.ended = False
        self.error: BaseException | None = None
        self.trailers = Headers()

    def feed(self, data: bytes, controlled: int) -> None:
        """`controlled` is what the data and its padding took of the window."""
        if data:
            self._chunks.append(data)
            self.held += len(data)
            self._wake()
        if controlled > len(data):
            self._read(controlled - len(data))

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more comes: the body is complete, or it broke off."""
        if not self.ended:
            self.ended, self.error = True, error
            self._wake()

    async def __anext__(self) -> bytes:
        while not self._chunks:
            if self.ended:
                if self.error is not None:
                    raise self.error
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self.take()

    def take(self) -> bytes:
        """What is here."""
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self.held = 0
        self.size += len(data)
        self._read(len(data))
        return data

    @property
    def awaited(self) -> bool:
        """Somebody waits for the next bytes."""
        return self._waiter is not None

    def _read(self, size: int) -> None:
        self._owed += size
        if self._owed >= STREAM_WINDOW // 2 and not self.ended:
            self._link.open_window(self._stream_id, self._owed)
            self._owed = 0

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class StreamGone(ConnectionError):
    """The stream, or its connection, ended before all was sent."""


class Link(asyncio.Protocol):
    """One connection: reads and writes frames. Who inherits it handles the events, and keeps a record of streams."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport | None = None
        self.cut = 0  # DATA frames that the peer's window made shorter
        self.whole = 0  # and those that it did not
        self.dead = False  # the protocol was broken: nothing but its GOAWAY goes out
        self._flushing = False
        self._paused: asyncio.Future[None] | None = None
        self._waiting: deque[asyncio.Future[None]] = deque()  # for a window to open

    # to be written by the two ends

    def handle(self, event: Event) -> None:
        raise NotImplementedError

    def broken(self, error: ProtocolError) -> None:
        """The peer broke the protocol; its GOAWAY is on the way."""
        raise NotImplementedError

    # what the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.wire.begin()
        self.flush()

    def data_received(self, data: bytes) -> None:
        try:
            events = self.wire.receive_data(data)
        except ProtocolError as error:
            self.dead = True
            self.broken(error)
            self.flush()
            return
        for event in events:
            self.handle(event)
        self.flush()

    def pause_writing(self) -> None:
        if self._paused is None:
            self._paused = self.loop.create_future()

    def resume_writing(self) -> None:
        paused, self._paused = self._paused, None
        if paused is not None and not paused.done():
            paused.set_result(None)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.transport = None
        self.resume_writing()
        self.window_opened()

    # writing

    def flush(self) -> None:
        """Hand to the transport what was made."""
        self._flushing = False
        if self.wire.pending:
            data = self.wire.data_to_send()
            if self.transport is not None and not self.transport.is_closing():
                self.transport.write(data)

    def soon(self) -> None:
        """Flush at the end of this turn of the loop, so that streams share a write; at once when there is much."""
        if self.wire.pending >= LARGEST_FRAME:
            self.flush()
        elif not self._flushing:
            self._flushing = True
            self.loop.call_soon(self.flush)

    def open(self, stream_id: int) -> bool:
        """Whether something may still be sent on this stream."""
        stream = self.wire.streams.get(stream_id)
        return self.transport is not None and stream is not None and not stream.closed and not self.dead

    def send_head(self, stream_id: int, fields: Iterable[tuple[bytes, bytes]], end: bool) -> None:
        if not self.open(stream_id):
            raise StreamGone
        self.wire.send_headers(stream_id, fields, end_stream=end)
        self.soon()

    async def send_body(self, stream_id: int, data: bytes, end: bool) -> None:
        """Send bytes as windows and socket allow; raises StreamGone."""
        sent, size = 0, len(data)
        while True:
            if self._paused is not None:
                await asyncio.shield(self._paused)
            if not self.open(stream_id):
                raise StreamGone
            left = size - sent
            room = min(self.wire.window(stream_id), left) if left else 0
            if left and room <= 0:
                await self._window()
                continue
            part = min(room, self.wire.max_outbound_frame_size, LARGEST_FRAME)
            if part == room < left:
                self.cut += 1
            else:
                self.whole += 1
            piece = data if part == size else data[sent : sent + part]
            sent += part
            self.wire.send_data(stream_id, piece, end_stream=end and sent == size)
            self.soon()
            if sent == size:
                return

    def reset(self, stream_id: int, code: ErrorCodes) -> None:
        """End a stream at once, if it has not ended."""
        if self.open(stream_id):
            self.wire.reset_stream(stream_id, code)
            self.soon()

    def open_window(self, stream_id: int, size: int) -> None:
        """Let the peer send more on this stream."""
        if self.open(stream_id):
            self.wire.increment_flow_control_window(size, stream_id)
            self.soon()

    def window_opened(self) -> None:
        """Wake who waits for a window, in the order of their waiting."""
        waiting, self._waiting = self._waiting, deque()
        for each in waiting:
            if not each.done():
                each.set_result(None)

    async def _window(self) -> None:
        waiter = self.loop.create_future()
        self._waiting.append(waiter)
        await waiter

    def abort(self) -> None:
        """Drop the connection at once."""
        if self.transport is not None:
            self.flush()
            self.transport.abort()
