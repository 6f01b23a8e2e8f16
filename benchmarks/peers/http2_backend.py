"""`python -m benchmarks.peers.http2_backend PORT`: 1 KB of JSON over HTTP/2 for every request, without TLS."""

from __future__ import annotations

import asyncio
import sys

import uvloop

from benchmarks.frames import DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, Frames, block, frame
from benchmarks.peers.backend import BODY

_HEAD = block((":status", "200"), ("content-type", "application/json"), ("content-length", str(len(BODY))))


class Backend(Frames):
    def __init__(self) -> None:
        super().__init__()
        self._preface = len(PREFACE)

    def data_received(self, data: bytes) -> None:
        skipped = min(self._preface, len(data))
        self._preface -= skipped
        super().data_received(data[skipped:])

    def got(self, kind: int, flags: int, stream: int, body: bytes) -> None:
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            self.transport.write(frame(HEADERS, END_HEADERS, stream, _HEAD) + frame(DATA, END_STREAM, stream, BODY))


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Backend, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
