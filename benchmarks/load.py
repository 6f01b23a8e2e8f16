"""A load generator that costs little itself: raw HTTP/1.1 on keep-alive connections, a fixed number of requests.

Each answer is checked for its status and for the length of its body; one that is not as expected is a failure, and a
connection that fails is opened again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast


@dataclass
class Result:
    """`latencies` in seconds, of good answers only; `seconds` is the whole run."""

    latencies: list[float] = field(default_factory=list)
    failures: int = 0
    seconds: float = 0.0
    first_failure: str = ""

    @property
    def throughput(self) -> float:
        return len(self.latencies) / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

    def fail(self, reason: str) -> None:
        self.failures += 1
        self.first_failure = self.first_failure or reason


def request(path: str, port: int, *headers: str) -> bytes:
    """A GET to 127.0.0.1:`port`, as it goes over the wire."""
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Accept: application/json", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def run(port: int, request: bytes, *, count: int, connections: int, status: int = 200, length: int) -> Result:
    """Sends `request` `count` times to 127.0.0.1:`port`."""
    result = Result()
    left = iter(range(count))
    began = time.perf_counter()
    await asyncio.gather(*(_worker(port, request, left, result, status, length) for _ in range(connections)))
    result.seconds = time.perf_counter() - began
    return result


async def paced(
    port: int, request: bytes, *, rate: float, count: int, status: int = 200, length: int, connections: int = 64
) -> Result:
    """Sends `count` requests at `rate` a second; a latency counts from when its request was due, sent late or not."""
    result = Result()
    began = time.perf_counter() + 0.05
    due = iter([began + number / rate for number in range(count)])
    await asyncio.gather(*(_pacer(port, request, due, result, status, length) for _ in range(connections)))
    result.seconds = time.perf_counter() - began
    return result


async def head(port: int, request: bytes) -> bytes:
    """The status line and headers of one answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        return await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
    finally:
        writer.close()


async def _worker(port: int, request: bytes, left: Iterator[int], result: Result, status: int, length: int) -> None:
    loop = asyncio.get_running_loop()
    connection: _Connection | None = None
    for _ in left:
        began = time.perf_counter()
        try:
            if connection is None or connection.transport.is_closing():
                _, connection = await loop.create_connection(_Connection, "127.0.0.1", port)
            answered, size = await asyncio.wait_for(connection.ask(request), 30)
        except (TimeoutError, OSError, ValueError) as error:
            result.fail(f"{type(error).__name__}: {error}")
            if connection is not None:
                connection.transport.abort()
            continue
        if (answered, size) == (status, length):
            result.latencies.append(time.perf_counter() - began)
        else:
            result.fail(f"status {answered}, {size} bytes")
    if connection is not None:
        connection.transport.close()


async def _pacer(port: int, request: bytes, due: Iterator[float], result: Result, status: int, length: int) -> None:
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(_Connection, "127.0.0.1", port)
    for when in due:
        wait = when - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        try:
            answered, size = await asyncio.wait_for(connection.ask(request), 30)
        except (TimeoutError, OSError, ValueError) as error:
            result.fail(f"{type(error).__name__}: {error}")
            connection.transport.abort()
            _, connection = await loop.create_connection(_Connection, "127.0.0.1", port)
            continue
        if (answered, size) == (status, length):
            result.latencies.append(time.perf_counter() - when)
        else:
            result.fail(f"status {answered}, {size} bytes")
    connection.transport.close()


class _Connection(asyncio.Protocol):
    """One request in flight at a time; `ask` answers status and body length."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._buffer = b""
        self._waiter: asyncio.Future[tuple[int, int]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's does not descend from asyncio's

    def ask(self, request: bytes) -> asyncio.Future[tuple[int, int]]:
        self._buffer = b""
        self._waiter = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._waiter

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._waiter is None or self._waiter.done():
            return
        try:
            answer = measured(self._buffer)
        except ValueError as error:
            self._waiter.set_exception(error)
            return
        if answer is not None:
            self._waiter.set_result(answer)

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error or ConnectionResetError("closed before the answer was whole"))


def measured(text: bytes) -> tuple[int, int] | None:
    """Status and body length of a whole HTTP/1.1 answer, or None while it is not whole. Raises ValueError."""
    end = text.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = text[:end].lower()
    status = int(head[9:12])
    at = head.find(b"\r\ncontent-length:")
    if at >= 0:
        stop = head.find(b"\r\n", at + 2)
        length = int(head[at + 17 : stop if stop >= 0 else None])
        return (status, length) if len(text) - end - 4 >= length else None
    if b"\r\ntransfer-encoding: chunked" not in head:
        if status in (204, 304):
            return status, 0
        raise ValueError("an answer with neither Content-Length nor chunks")
    return _chunks(text, end + 4, status)


def _chunks(text: bytes, at: int, status: int) -> tuple[int, int] | None:
    total = 0
    while (stop := text.find(b"\r\n", at)) >= 0:
        size = int(text[at:stop].partition(b";")[0], 16)
        at = stop + 2 + size + 2
        if len(text) < at:
            return None
        if size == 0:
            return status, total
        total += size
    return None
