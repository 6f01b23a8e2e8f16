"""WebSocket pass-through: after a checked handshake, bytes go both ways untouched.

Frames, close codes, pings, subprotocols and extensions therefore are the business of client and backend alone.
Backpressure: when one side cannot take more, the other is no longer read.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from aiohttp.base_protocol import BaseProtocol

from proxy.adapters.backend import BackendConnection
from proxy.messages import Body

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accepts(asked: Mapping[str, str], answered: Mapping[str, str]) -> bool:
    """Whether a 101 answers this handshake (RFC 6455 section 4.2.2); else it could be any bytes."""
    key = asked.get("Sec-WebSocket-Key", "").encode("utf-8", "surrogateescape")
    expected = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest()).decode()
    upgraded = answered.get("Upgrade", "").lower() == "websocket"
    return upgraded and answered.get("Sec-WebSocket-Accept", "").strip() == expected


class TunnelBody(Body):
    """The body of a 101: a connection to the backend that now belongs to whoever runs it."""

    __slots__ = ("_connection",)

    def __init__(self, connection: BackendConnection) -> None:
        super().__init__(b"")
        self._connection: BackendConnection | None = connection

    async def discard(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def run(self, client: Any) -> tuple[int, int]:
        """Carry bytes until either side ends; returns how many came from the client and from the backend.

        `client` is the server's protocol after its 101 was written.
        """
        backend = self._connection
        if backend is None:
            return 0, 0
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        up, down = _Lane(client, backend, ended), _Lane(backend, client, ended)
        try:
            client.set_parser(up)
            backend.set_parser(down, None)
            if backend.transport is None or client.transport is None:
                return up.carried, down.carried
            await ended
        finally:
            await self.discard()
        return up.carried, down.carried


class _Lane:
    """One direction, as a payload parser of aiohttp: bytes fed here are written to the other side."""

    def __init__(self, source: BaseProtocol, sink: BaseProtocol, ended: asyncio.Future[None]) -> None:
        self._source, self._sink, self._ended = source, sink, ended
        self._waiting: asyncio.Task[None] | None = None
        self.carried = 0

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        transport = self._sink.transport
        if transport is None or transport.is_closing():
            self.feed_eof()
            return False, b""
        self.carried += len(data)
        transport.write(data)
        if self._sink._paused and self._waiting is None:
            self._source._pause_transport_reading()
            self._waiting = asyncio.create_task(self._resume())
        return False, b""

    def feed_eof(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)

    async def _resume(self) -> None:
        try:
            await self._sink._drain_helper()
        except ConnectionError:
            self.feed_eof()
        finally:
            self._waiting = None
            self._source._resume_transport_reading()
