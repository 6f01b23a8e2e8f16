"""A TCP connection that can be made to misbehave at run time: before the plane, a backend, a collector, Redis.

    line = Line(("127.0.0.1", 9443)); line.start()     # line.port stands for the target from now on
    line.set(BLACK_HOLE)                               # what is open and what comes; line.set(PASS) heals

One thread with an event loop of its own; every method may be called from any other.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tests.ports import free_port

PASS = "pass"
REFUSE = "refuse"  # nobody listens, and what is open is cut
BLACK_HOLE = "black hole"  # accepted, and nothing moves any more in either direction
RESET = "reset"  # RST for what is open and for whatever comes
GARBAGE = "garbage"  # random bytes instead of an answer
HALF_CLOSE = "half-close"  # the target's answer ends after `after` bytes; what the client sends still goes on
CUT = "cut"  # the answer ends with a RST after `after` bytes
ANSWER = "answer"  # `answer` makes the whole answer to a request of HTTP
METHODS = (b"GET ", b"POST ", b"PUT ", b"DELETE ", b"HEAD ", b"PATCH ", b"OPTIONS ")
PIECE = 64 * 1024

# (head with its blank line, body) -> the bytes of an answer; called in a thread of its own
Answer = Callable[[bytes, bytes], bytes]


@dataclass(frozen=True)
class Behaviour:
    """`latency` seconds are added to each piece in each direction, `rate` bytes/s is the most of the answer's."""

    mode: str = PASS
    latency: float = 0.0
    rate: float = 0.0
    after: int = 0
    answer: Answer | None = None


@dataclass
class Line:
    """`requests` are (monotonic time, first line) of what looks like a request of HTTP."""

    target: tuple[str, int]
    port: int = 0
    behaviour: Behaviour = Behaviour()
    requests: list[tuple[float, str]] = field(default_factory=list)
    connections: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Future[None]] = field(default_factory=set)
    _server: asyncio.Server | None = None
    _changed: asyncio.Event | None = None

    def start(self) -> Line:
        self.port = self.port or free_port()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"line-{self.port}", daemon=True)
        self._thread.start()
        self._wait(self._begin())
        return self

    def stop(self) -> None:
        self._wait(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def set(self, mode: str = PASS, **options: object) -> None:
        """Behave so from now on, towards open connections too; returns when it is so."""
        self._wait(self._set(replace(Behaviour(mode), **options)))  # type: ignore[arg-type]

    def aim(self, target: tuple[str, int]) -> None:
        """New connections go there."""
        self.target = target

    def drop(self) -> None:
        """Reset what is open; new connections are as the behaviour says."""
        self._wait(self._drop())

    def asked(self, since: float, text: str = "") -> int:
        """Requests since a monotonic time whose first line has `text`."""
        return sum(at >= since and text in line for at, line in self.requests)

    def _wait(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(15)  # type: ignore[arg-type]

    async def _begin(self) -> None:
        self._changed = asyncio.Event()
        await self._listen()

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(
                self._accept, "127.0.0.1", self.port, reuse_address=True, limit=PIECE, backlog=1024
            )

    async def _silence(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _end(self) -> None:
        await self._silence()
        await self._drop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _set(self, behaviour: Behaviour) -> None:
        old, self.behaviour = self.behaviour, behaviour
        assert self._changed is not None
        self._changed.set()
        self._changed = asyncio.Event()
        if behaviour.mode == REFUSE:
            await self._silence()
        else:
            await self._listen()
        # what was open under another behaviour cannot always go on; a black hole keeps it, and so does its end
        if behaviour.mode in (REFUSE, RESET, GARBAGE, ANSWER) or old.mode in (GARBAGE, ANSWER):
            await self._drop()

    async def _drop(self) -> None:
        for writer in list(self._open):
            _reset(writer)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._client(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        backend: asyncio.StreamWriter | None = None
        try:
            await self._while_dark()
            mode = self.behaviour.mode
            if mode == RESET:
                _reset(writer)
            elif mode in (GARBAGE, ANSWER):
                await self._answers(reader, writer)
            else:
                incoming, backend = await asyncio.open_connection(*self.target, limit=PIECE)
                self._open.add(backend)
                await asyncio.gather(
                    self._copy(reader, backend, answer=False), self._copy(incoming, writer, answer=True)
                )
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            _reset(writer)
        finally:
            for each in (writer, backend):
                if each is not None:
                    self._open.discard(each)
                    with contextlib.suppress(OSError):
                        each.close()

    async def _while_dark(self) -> None:
        while self.behaviour.mode == BLACK_HOLE:
            assert self._changed is not None
            await self._changed.wait()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answer: bool) -> None:
        sent = 0
        while piece := await reader.read(PIECE):
            if not answer:
                self._note(piece)
            await self._while_dark()
            how = self.behaviour
            if how.latency:
                await asyncio.sleep(how.latency)
            if answer and how.mode in (HALF_CLOSE, CUT):
                piece = piece[: max(how.after - sent, 0)]
            if answer and how.rate:
                step = max(int(how.rate / 20), 1)
                for start in range(0, len(piece), step):
                    if writer.is_closing():
                        return
                    writer.write(piece[start : start + step])
                    await asyncio.sleep(step / how.rate)
                    if self.behaviour is not how:
                        writer.write(piece[start + step :])
                        break
            else:
                writer.write(piece)
            await writer.drain()
            sent += len(piece)
            if answer and how.mode == CUT and sent >= how.after:
                _reset(writer)
                return
            if answer and how.mode == HALF_CLOSE and sent >= how.after:
                break
        with contextlib.suppress(OSError, RuntimeError):
            writer.write_eof()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            self._note(head)
            length = next(
                (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
            )
            body = await reader.readexactly(length)
            how = self.behaviour
            if how.mode == GARBAGE or how.answer is None:
                writer.write(random.randbytes(400))
                await writer.drain()
                return
            answer = await asyncio.to_thread(how.answer, head, body)
            writer.write(answer)
            await writer.drain()
            if b"connection: close" in answer[:2000].lower():
                return

    def _note(self, piece: bytes) -> None:
        if piece.startswith(METHODS):
            self.requests.append((time.monotonic(), piece.partition(b"\r\n")[0].decode("latin-1")))
            del self.requests[:-100_000]


def http(status: str, body: bytes = b"", **headers: str) -> bytes:
    """An answer of HTTP/1.1 after which the connection ends; `Retry_After="1"` is a field."""
    fields = {"Content-Length": str(len(body)), "Connection": "close"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields.items() if value != "none")]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    with contextlib.suppress(OSError, AttributeError, ValueError):
        descriptor = os.dup(connection.fileno())
        with socket.socket(fileno=descriptor) as own:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
