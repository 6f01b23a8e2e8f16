"""The other end of an HTTP/2 connection, made of frames: it sends what it is told to, also what no library would."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

from hpack import Decoder, Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Peer:
    """`frames` are all that came, in order, without those of flow control and settings."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.frames: list[Any] = []
        self.settings: dict[int, int] = {}
        self.updates = 0  # of windows
        self.encoder, self.decoder = Encoder(), Decoder()
        self.closed = False

    def write(self, *frames: Frame | bytes) -> None:
        self.writer.write(b"".join(each if isinstance(each, bytes) else each.serialize() for each in frames))

    def greet(self, **settings: int) -> None:
        names = {"window": 4, "streams": 3, "frame": 5}
        self.write(PREFACE, SettingsFrame(0, {names[name]: value for name, value in settings.items()}))

    def head(self, stream: int, fields: Iterable[tuple[str, str]], end: bool = True) -> HeadersFrame:
        frame = HeadersFrame(stream, self.encoder.encode(list(fields)), flags=["END_HEADERS"])
        if end:
            frame.flags.add("END_STREAM")
        return frame

    async def read(self) -> Any:
        """The next frame that is none of flow control; None at the end."""
        while True:
            try:
                begin = await self.reader.readexactly(9)
                frame, length = Frame.parse_frame_header(memoryview(begin))
                frame.parse_body(memoryview(await self.reader.readexactly(length)))
            except (asyncio.IncompleteReadError, ConnectionError):
                self.closed = True
                return None
            if isinstance(frame, SettingsFrame):
                if "ACK" not in frame.flags:
                    self.settings.update(frame.settings)
                    self.write(SettingsFrame(0, flags=["ACK"]))
                continue
            if isinstance(frame, WindowUpdateFrame):
                self.updates += 1
                continue
            if isinstance(frame, (HeadersFrame, ContinuationFrame)):
                decoded = self.decoder.decode(frame.data, raw=True)
                frame.fields = {name.decode(): value.decode() for name, value in decoded}  # type: ignore[attr-defined]
            self.frames.append(frame)
            return frame

    async def until(self, *kinds: type[Frame], stream: int | None = None, seconds: float = 3.0) -> Any:
        """The next frame of one of these kinds (on this stream); None when the connection ends first."""
        async with asyncio.timeout(seconds):
            while True:
                frame = await self.read()
                if frame is None or (isinstance(frame, kinds) and stream in (None, frame.stream_id)):
                    return frame

    async def answer(self, stream: int, seconds: float = 3.0) -> tuple[dict[str, str], bytes, dict[str, str]]:
        """Head, body and trailers of a whole message."""
        head: dict[str, str] = {}
        trailers: dict[str, str] = {}
        body = b""
        async with asyncio.timeout(seconds):
            while True:
                frame = await self.read()
                assert frame is not None, "the connection ended"
                if frame.stream_id != stream:
                    assert not isinstance(frame, GoAwayFrame), frame
                    continue
                assert not isinstance(frame, RstStreamFrame), f"reset with {frame.error_code}"
                if isinstance(frame, HeadersFrame):
                    if head and not head.get(":status", "").startswith("1"):
                        trailers = frame.fields  # type: ignore[attr-defined]
                    else:
                        head = frame.fields  # type: ignore[attr-defined]
                elif isinstance(frame, DataFrame):
                    body += frame.data
                if "END_STREAM" in frame.flags:
                    return head, body, trailers

    async def outcome(self, seconds: float = 3.0) -> str:
        """How the gateway answers to an offence: `goaway N`, `reset N`, `STATUS`, or `closed`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while (frame := await self.read()) is not None:
                    if isinstance(frame, GoAwayFrame):
                        return f"goaway {frame.error_code}"
                    if isinstance(frame, RstStreamFrame):
                        return f"reset {frame.error_code}"
                    if isinstance(frame, HeadersFrame) and "END_STREAM" not in frame.flags:
                        return str(frame.fields[":status"])  # type: ignore[attr-defined]
                return "closed"
        return "silence"


@contextlib.asynccontextmanager
async def peer(port: int, greet: bool = True, **settings: int) -> AsyncIterator[Peer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    made = Peer(reader, writer)
    if greet:
        made.greet(**settings)
    try:
        yield made
    finally:
        writer.close()


def request(
    path: str = "/a/x", method: str = "GET", *extra: tuple[str, str], authority: str = "gateway"
) -> list[tuple[str, str]]:
    return [(":method", method), (":scheme", "http"), (":path", path), (":authority", authority), *extra]
