"""Bodies between a client and a backend's connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestPayloadError

from proxy.adapters.backend import BackendConnection
from proxy.adapters.fields import end_to_end
from proxy.adapters.heads import last_chunk
from proxy.errors import BackendConnectionFailure, BadRequest, ClientConnectionFailure, GatewayError, Overloaded
from proxy.messages import Body, Headers

if TYPE_CHECKING:
    from proxy.adapters.connection import Connection
    from proxy.adapters.reply import Reply

COPIES = 6  # of a body that a policy reads: pieces, bytes, text, what was made of it, and the answer to that
LINGER = 2.0  # seconds to read what a client still sends after an early answer
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


async def upload(
    connection: BackendConnection, body: Body, go: asyncio.Event | None, continue_timeout: float | None
) -> None:
    """Send a body; chunked when its length is not known. With `go` it waits for 100 Continue, for a while."""
    if go is not None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(continue_timeout):
                await go.wait()
    chunked = body.length is None
    async for chunk in body.chunks():
        transport = connection.transport
        if transport is None or transport.is_closing():
            raise aiohttp.ServerDisconnectedError
        transport.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
        if connection._paused:
            await connection._drain_helper()
    if chunked and connection.transport is not None:
        connection.transport.write(last_chunk(body.trailers))


class Download(AsyncIterator[bytes]):
    """The rest of a response body. Ends the connection's use with its last byte, or by `aclose`.

    `finished` is called when the answer is complete; trailers go to `trailers`.
    """

    __slots__ = ("_connection", "_finished", "_trailers", "_upload")

    def __init__(
        self,
        connection: BackendConnection,
        trailers: Headers | None,
        upload: asyncio.Task[None] | None,
        finished: Callable[[], None],
    ) -> None:
        self._trailers, self._upload, self._finished = trailers, upload, finished
        self._connection: BackendConnection | None = connection

    async def __anext__(self) -> bytes:
        connection = self._connection
        if connection is None:
            raise StopAsyncIteration
        try:
            while True:
                if chunk := connection.content():
                    return chunk
                if connection.complete:
                    break
                if connection.failure is not None:
                    raise _broken_off(connection.failure)
                await connection.bell
        except BaseException:
            await self.aclose()
            raise
        self._connection = None
        if connection.trailers and self._trailers is not None:
            self._trailers.extend(end_to_end(connection.trailers))
        self._finished()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self._give_up()

    def _give_up(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            drop(self._upload)
            connection.close()

    def __del__(self) -> None:
        self._give_up()


def _broken_off(failure: BaseException) -> BaseException:
    if isinstance(failure, GatewayError):
        return failure
    return BackendConnectionFailure(f"The backend broke off its answer: {failure or type(failure).__name__}")


def drop(upload: asyncio.Task[None] | None) -> None:
    if upload is not None:
        upload.cancel()


class Upload(AsyncIterator[bytes]):
    """A request body on its way in. `waits`: the client waits for 100 Continue, which the first read sends."""

    __slots__ = ("_connection", "_payload", "_reply", "claimed", "waits")

    def __init__(self, connection: Connection, payload: StreamReader, reply: Reply, waits: bool) -> None:
        self._connection, self._payload, self._reply, self.waits = connection, payload, reply, waits
        self.claimed = 0  # bytes of memory, until the request ends

    def claim(self, size: int) -> None:
        """A policy will buffer so many bytes. Raises Overloaded when there is no memory for them."""
        sidecar, needed = self._connection.house.sidecar, size * COPIES
        if sidecar.claimed and sidecar.claimed + needed > sidecar.room:
            self._reply.keep = False
            raise Overloaded("there is too little memory for one more body that a policy reads")
        sidecar.claimed += needed
        self.claimed += needed

    async def __anext__(self) -> bytes:
        if self.waits:
            self.waits = False
            if self._connection.transport is not None:
                self._connection.write_whole(_CONTINUE, keep=False)
        try:
            chunk = await self._payload.readany()
            if (wrong := self._payload.exception()) is not None:  # found after what woke this, and before it ran
                raise wrong
        except GatewayError:
            self._reply.keep = False
            raise
        except RequestPayloadError as malformed:
            self._reply.keep = False
            raise BadRequest("The request body is malformed.") from malformed
        except (ConnectionError, OSError) as gone:
            self._reply.keep = False
            raise ClientConnectionFailure("The client closed the connection while it sent the request.") from gone
        if not chunk:
            raise StopAsyncIteration
        self._reply.received += len(chunk)
        if self._connection.house.sidecar.strained:
            self._reply.keep = False
            raise Overloaded("there is too little memory to take the rest of the body")
        return chunk


def spoil(payload: StreamReader, error: Exception) -> None:
    """Something is wrong with a body: whoever reads it is told, also one that was just woken by a part of it, and would
    wait for the next. What of it was not read is not."""
    payload.set_exception(error)
    payload.feed_eof()


async def read_away(payload: StreamReader) -> bool:
    """Read the rest of a body for a moment, so that an early answer is not lost to a reset; True when it ended."""
    with contextlib.suppress(TimeoutError, RequestPayloadError, ConnectionError, GatewayError):
        async with asyncio.timeout(LINGER):
            while not payload.is_eof():
                await payload.readany()
            return True
    return False
