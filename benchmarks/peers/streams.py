"""`python -m benchmarks.peers.streams PORT`: a backend of streams. The end of the path says what is asked for:

| path | answer |
|---|---|
| `bytes/N` | N bytes, as fast as they are taken |
| `sink` | the number of body bytes, once all have come; 100 Continue first if that is asked for |
| `events/N/MS` | N server-sent events, MS milliseconds apart, each with the time at which it was written |
| `trailers` | one chunk, and a trailer field `X-Sum` |
| `hints` | 103 with the time at which it was written, 0.1 s later 200 |
| `echo` | a WebSocket that sends each frame back |

Times are nanoseconds of the system's monotonic clock, which all processes share.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import sys
import time
from typing import cast

import uvloop

BLOCK = b"x" * 262_144
_ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Streams(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self) -> None:
        self._head = b""
        self._left = 0  # body bytes of a request that are to come
        self._taken = 0
        self._echo = False
        self._frames = b""
        self._room = asyncio.Event()
        self._room.set()
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's does not descend from asyncio's

    def connection_lost(self, error: Exception | None) -> None:
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def data_received(self, data: bytes) -> None:
        if self._echo:
            self._send_back(data)
            return
        if self._left:
            self._take(data)
            return
        self._head += data
        head, found, rest = self._head.partition(b"\r\n\r\n")
        if found:
            self._head = b""
            self._begin(head, rest)

    def _begin(self, head: bytes, rest: bytes) -> None:
        path = head.split(b" ", 2)[1].partition(b"?")[0].decode().strip("/").split("/")
        fields = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
        }
        if "bytes" in path:
            self._task = asyncio.create_task(self._bytes(int(path[-1])))
        elif path[-1] == "sink":
            self._left, self._taken = int(fields[b"content-length"]), 0
            if b"expect" in fields:
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._take(rest)
        elif "events" in path:
            self._task = asyncio.create_task(self._events(int(path[-2]), int(path[-1]) / 1000))
        elif path[-1] == "trailers":
            self.transport.write(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                b"5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n"
            )
        elif path[-1] == "hints":
            self._task = asyncio.create_task(self._hints())
        elif path[-1] == "echo":
            digest = hashlib.sha1(fields[b"sec-websocket-key"] + _ACCEPT, usedforsecurity=False).digest()
            self.transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
            )
            self._echo = True
        else:
            self.transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    def _take(self, data: bytes) -> None:
        self._left -= len(data)
        self._taken += len(data)
        if self._left <= 0:
            text = b"%d" % self._taken
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))

    async def _bytes(self, count: int) -> None:
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % count)
        while count > 0:
            await self._room.wait()
            self.transport.write(BLOCK[:count] if count < len(BLOCK) else BLOCK)
            count -= len(BLOCK)

    async def _events(self, count: int, interval: float) -> None:
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for _ in range(count):
            await asyncio.sleep(interval)
            text = b"data: %d\n\n" % time.monotonic_ns()
            self.transport.write(b"%x\r\n%s\r\n" % (len(text), text))
        self.transport.write(b"0\r\n\r\n")

    async def _hints(self) -> None:
        at = b"%d" % time.monotonic_ns()
        self.transport.write(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nX-At: %s\r\n\r\n" % at)
        await asyncio.sleep(0.1)
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def _send_back(self, data: bytes) -> None:
        """Frames of at most 125 bytes, as the benchmark sends them, unmasked."""
        self._frames += data
        while len(self._frames) >= 6 and len(self._frames) >= 6 + (size := self._frames[1] & 127):
            first, mask, payload = self._frames[:1], self._frames[2:6], self._frames[6 : 6 + size]
            self._frames = self._frames[6 + size :]
            self.transport.write(first + bytes((size,)) + bytes(b ^ mask[at % 4] for at, b in enumerate(payload)))


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Streams, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
