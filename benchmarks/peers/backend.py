"""`python -m benchmarks.peers.backend PORT`: 1 KB of JSON for every request that has no body."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import cast

import uvloop

BODY = json.dumps({"id": 7, "text": "x" * 1001}, separators=(",", ":")).encode()
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


class Backend(asyncio.Protocol):
    _transport: asyncio.WriteTransport

    def __init__(self) -> None:
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's does not descend from asyncio's

    def data_received(self, data: bytes) -> None:
        *requests, self._tail = (self._tail + data).split(b"\r\n\r\n")
        if requests:
            self._transport.write(ANSWER * len(requests))


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Backend, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
