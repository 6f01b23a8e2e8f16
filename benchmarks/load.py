"""A load generator that costs little itself: raw HTTP/1.1 on keep-alive connections, callbacks and no tasks.

Rules
1. Each answer is checked for its status and for the length of its body; one that is not as expected is a failure.
2. A connection that fails costs the request it carried, and is opened again; nothing waits longer than `PATIENCE`.
3. `run` keeps every connection busy. `paced` sends at a fixed rate: a latency counts from the moment when the request
   was due if every connection was busy then, else from the moment when it was sent, so that what the proxy makes others
   wait for counts and the generator's own timer does not.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

PATIENCE = 30.0  # seconds
TICK = 0.001  # seconds between looks at what is due


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


async def run(
    port: int, request: bytes | Sequence[bytes], *, count: int, connections: int, status: int = 200, length: int
) -> Result:
    """Sends `count` requests to 127.0.0.1:`port`; several requests take turns."""
    return await _Work(port, request, count, (status, length)).through(connections)


async def paced(
    port: int,
    request: bytes | Sequence[bytes],
    *,
    rate: float,
    count: int,
    status: int = 200,
    length: int,
    connections: int = 64,
) -> Result:
    """The same at `rate` requests a second."""
    return await _Paced(port, request, count, (status, length), rate).through(connections)


async def head(port: int, request: bytes) -> bytes:
    """The status line and headers of one answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        return await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
    finally:
        writer.close()


class _Work:
    """What the connections of one run share: how many requests are left, and what came of the others."""

    def __init__(self, port: int, request: bytes | Sequence[bytes], count: int, expected: tuple[int, int]) -> None:
        self._port = port
        self._requests = (request,) if isinstance(request, bytes) else tuple(request)
        self._count = count
        self._expected = expected
        self._sent = 0
        self._ended = 0
        self._clients: set[_Client] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._result = Result()
        self._loop = asyncio.get_running_loop()
        self._done = self._loop.create_future()

    async def through(self, connections: int) -> Result:
        watch = asyncio.create_task(self._watch())
        try:
            began = time.perf_counter()
            for _ in range(connections):
                self._open()
            await self._done
            self._result.seconds = time.perf_counter() - began
        finally:
            watch.cancel()
            for task in self._opening:
                task.cancel()
            for client in self._clients:
                client.transport.abort()
        return self._result

    def idle(self, client: _Client) -> None:
        """A connection has nothing to do."""
        if self._sent < self._count:
            self.send(client, time.perf_counter())

    def send(self, client: _Client, began: float) -> None:
        client.began = began
        number, self._sent = self._sent, self._sent + 1
        client.transport.write(self._requests[number % len(self._requests)])

    def answered(self, client: _Client, answer: tuple[int, int]) -> None:
        now, began, client.began = time.perf_counter(), client.began, 0.0
        if answer == self._expected:
            self._result.latencies.append(now - began)
        else:
            self._result.fail(f"status {answer[0]}, {answer[1]} bytes")
        self._end()
        self.idle(client)

    def lost(self, client: _Client, reason: str) -> None:
        self._clients.discard(client)
        if client.began:
            client.began = 0.0
            self._result.fail(reason)
            self._end()
        if not self._done.done() and self._sent < self._count:
            self._open()

    def _end(self) -> None:
        self._ended += 1
        if self._ended == self._count and not self._done.done():
            self._done.set_result(None)

    def _open(self) -> None:
        task = asyncio.create_task(self._connect())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _connect(self) -> None:
        while self._sent < self._count:
            try:
                _, client = await self._loop.create_connection(lambda: _Client(self), "127.0.0.1", self._port)
            except OSError as error:
                if self._sent < self._count:  # another one may have taken the last meanwhile
                    self._sent += 1
                    self._result.fail(f"{type(error).__name__}: {error}")
                    self._end()
                continue
            self._clients.add(client)
            self.idle(client)
            return

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(1)
            late = time.perf_counter() - PATIENCE
            for client in [each for each in self._clients if each.began and each.began < late]:
                client.transport.abort()


class _Paced(_Work):
    def __init__(
        self, port: int, request: bytes | Sequence[bytes], count: int, expected: tuple[int, int], rate: float
    ) -> None:
        super().__init__(port, request, count, expected)
        self._rate = rate
        self._free: deque[_Client] = deque()
        self._waiting: deque[float] = deque()
        self._due = 0
        self._began = time.perf_counter() + 0.05
        self._loop.call_later(0.05, self._tick)

    def idle(self, client: _Client) -> None:
        if self._waiting:
            self.send(client, self._waiting.popleft())
        else:
            self._free.append(client)

    def lost(self, client: _Client, reason: str) -> None:
        if client in self._free:
            self._free.remove(client)
        super().lost(client, reason)

    def _tick(self) -> None:
        now = time.perf_counter()
        while self._due < self._count and (when := self._began + self._due / self._rate) <= now:
            self._due += 1
            if self._free:
                self.send(self._free.popleft(), time.perf_counter())
            else:
                self._waiting.append(when)
        if self._due < self._count and not self._done.done():
            self._loop.call_later(TICK, self._tick)


class _Client(asyncio.Protocol):
    """One connection with at most one request in flight, sent at `began` (0: none)."""

    transport: asyncio.Transport

    def __init__(self, work: _Work) -> None:
        self._work = work
        self._buffer = b""
        self.began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's does not descend from asyncio's

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        if not self.began:
            return
        try:
            answer = measured(self._buffer)
        except ValueError as error:
            self._work.lost(self, f"{type(error).__name__}: {error}")
            self.transport.abort()
            return
        if answer is not None:
            self._buffer = b""
            self._work.answered(self, answer)

    def connection_lost(self, error: Exception | None) -> None:
        if self in self._work._clients:
            self._work.lost(self, f"{type(error).__name__}: {error}" if error else "closed before the answer was whole")


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
