"""HTTP/2 as a load generator and a backend can afford it: heads that are always the same bytes, and no flow control.

Windows are opened wide at the start; what a run sends stays below them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import cast

from benchmarks.load import Result

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
WIDE = 2**31 - 1 - 65_535


def frame(kind: int, flags: int, stream: int, body: bytes = b"") -> bytes:
    return len(body).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + body


def block(*fields: tuple[str, str]) -> bytes:
    """A field block of literals that no table keeps (RFC 7541 section 6.2.2); texts below 127 bytes."""
    return b"".join(
        b"\0" + bytes((len(name),)) + name.encode() + bytes((len(value),)) + value.encode() for name, value in fields
    )


class Frames(asyncio.Protocol):
    """One end; `got` is called with each frame."""

    transport: asyncio.Transport
    begin = b""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def got(self, kind: int, flags: int, stream: int, body: bytes) -> None:
        raise NotImplementedError

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self.begin + frame(SETTINGS, 0, 0) + frame(WINDOW, 0, 0, WIDE.to_bytes(4, "big")))

    def data_received(self, data: bytes) -> None:
        buffer, at = self._buffer, 0
        buffer += data
        while len(buffer) - at >= 9:
            end = at + 9 + int.from_bytes(buffer[at : at + 3], "big")
            if len(buffer) < end:
                break
            kind, flags = buffer[at + 3], buffer[at + 4]
            if kind == SETTINGS and not flags & ACK:
                self.transport.write(frame(SETTINGS, ACK, 0))
            elif kind == PING and not flags & ACK:
                self.transport.write(frame(PING, ACK, 0, bytes(buffer[at + 9 : end])))
            else:
                self.got(kind, flags, int.from_bytes(buffer[at + 5 : at + 9], "big"), bytes(buffer[at + 9 : end]))
            at = end
        del buffer[:at]


class Client(Frames):
    """`streams` requests in flight, each followed by another while `left` has some."""

    begin = PREFACE

    def __init__(self, head: bytes, left: Iterator[int], streams: int, result: Result, length: int) -> None:
        super().__init__()
        self._head, self._left, self._streams, self._result, self._length = head, left, streams, result, length
        self._next = 1
        self._asked: dict[int, tuple[float, int]] = {}
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        for _ in range(self._streams):
            self._ask()

    def _ask(self) -> None:
        if next(self._left, None) is None:
            if not self._asked and not self.done.done():
                self.done.set_result(None)
            return
        self._asked[self._next] = (time.perf_counter(), 0)
        self.transport.write(frame(HEADERS, END_STREAM | END_HEADERS, self._next, self._head))
        self._next += 2

    def got(self, kind: int, flags: int, stream: int, body: bytes) -> None:
        if kind == GOAWAY or stream not in self._asked:
            return
        began, size = self._asked[stream]
        size += len(body) if kind == DATA else 0
        self._asked[stream] = (began, size)
        if kind == RESET or flags & END_STREAM:
            del self._asked[stream]
            if size == self._length:
                self._result.latencies.append(time.perf_counter() - began)
            else:
                self._result.fail(f"{size} bytes")
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            for _ in self._asked:
                self._result.fail("the connection ended")
            self.done.set_result(None)


async def run(port: int, head: bytes, *, count: int, connections: int, streams: int, length: int) -> Result:
    """Sends a request `count` times, with so many streams on each connection."""
    loop, result, left = asyncio.get_running_loop(), Result(), iter(range(count))
    began = time.perf_counter()
    clients = []
    for _ in range(connections):
        transport, client = await loop.create_connection(
            lambda: Client(head, left, streams, result, length), "127.0.0.1", port
        )
        clients.append((transport, client))
    for transport, client in clients:
        await client.done
        transport.close()
    result.seconds = time.perf_counter() - began
    return result
