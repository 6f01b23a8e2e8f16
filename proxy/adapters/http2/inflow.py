"""The body of one HTTP/2 stream on its way in: what may wait is bounded by the stream's window (wire.py, rule 4).

Rule: the last part of a body whose length is known waits for the end of its stream. Who gets it has a whole message,
and what comes behind it may still show that it is none (RFC 9113 section 8.1.1).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from proxy.adapters.http2.wire import STREAM_WINDOW
from proxy.messages import Headers

if TYPE_CHECKING:
    from proxy.adapters.http2.wire import Link


class Inflow(AsyncIterator[bytes]):
    """The body of one stream on its way in. `length` is what its head says, if that says it; `trailers` fill up before
    it ends; `size` counts bytes that were read."""

    __slots__ = (
        "_chunks", "_link", "_owed", "_stream_id", "_waiter", "ended", "error", "held", "length", "size", "trailers",
    )  # fmt: skip

    def __init__(self, link: Link, stream_id: int, length: int | None = None) -> None:
        self._link, self._stream_id, self.length = link, stream_id, length
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
        while not self._chunks or (self.size + self.held == self.length and not (self.ended and self.error is None)):
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
