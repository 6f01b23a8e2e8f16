"""Backends and clients that fail in the middle, and slow ones: a sidecar of its own, with raw sockets on both sides."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

from tests.faults.place import Place
from tests.faults.row import Figures, fault
from tests.proxy.sidecar_harness import read_body
from tests.wire.gateway import Gateway, gateway
from tests.wire.slow import crowd

HOST = b"Host: gw.test\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
TIMES = 100


def in_a_gateway(measure: Callable[[Gateway], Awaitable[Figures]]) -> Figures:
    async def run() -> Figures:
        async with gateway() as made:
            return await measure(made)

    return asyncio.run(run())


async def ask(made: Gateway, request: bytes, seconds: float = 5.0) -> bytes:
    """All that comes until the gateway closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
    received = b""
    with contextlib.suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(seconds):
            writer.write(request)
            while chunk := await reader.read(65536):
                received += chunk
    writer.transport.abort()
    return received


def get(path: bytes) -> bytes:
    return b"GET /" + path + b" HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"


@fault("F26", "a backend refuses", promise="an error within the connect timeout; no cross-talk", goal="5xx <= 10 s")
def refused(place: Place) -> Figures:
    async def measure(made: Gateway) -> Figures:
        figures = Figures()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.transport.abort()

        made.backend.script = script
        began = time.monotonic()
        answers = [await ask(made, get(b"x")) for _ in range(TIMES)]
        figures.true(f"{TIMES} of {TIMES} are 5xx", all(each.startswith(b"HTTP/1.1 5") for each in answers))
        figures.at_most("each within", (time.monotonic() - began) / TIMES, 10, "s")
        made.backend.script = None
        good = await ask(made, get(b"x"))
        figures.true("good again at once", good.endswith(b"\r\n\r\nok"), f"then: {good[:80]!r}")
        return figures

    return in_a_gateway(measure)


@fault("F27", "a backend breaks off its answer", promise="never taken for complete", goal="100 % detected")
def broken_off(place: Place) -> Figures:
    kinds = {
        "length": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 500,
        "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    }

    async def measure(made: Gateway) -> Figures:
        figures = Figures()
        for name, answer in kinds.items():
            for reset in (True, False):

                async def script(
                    reader: asyncio.StreamReader,
                    writer: asyncio.StreamWriter,
                    answer: bytes = answer,
                    hard: bool = reset,
                ) -> None:
                    await reader.readuntil(b"\r\n\r\n")
                    writer.write(answer)
                    await asyncio.sleep(0.02)
                    if hard:
                        writer.transport.abort()

                made.backend.script = script
                got = await asyncio.gather(*(ask(made, get(b"x")) for _ in range(TIMES // 4)))
                whole = sum(b"\r\n0\r\n" in each or len(each) > 100_000 for each in got)
                figures.true(
                    f"{name}, {'reset' if reset else 'closed'}: 0 of {len(got)} whole", not whole, f"{whole} whole"
                )
        return figures

    return in_a_gateway(measure)


@fault(
    "F28",
    "a backend answers early, in parts, with surplus",
    promise="its connection is not used again",
    goal="0 damaged",
)
def odd(place: Place) -> Figures:
    async def measure(made: Gateway) -> Figures:
        figures = Figures()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                made.backend.seen.append(head)
                if head.startswith(b"POST"):  # early: the body is not read
                    writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
                elif b" /surplus " in head:
                    writer.write(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
                elif b" /interim " in head:
                    writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3 + OK)
                else:
                    await read_body(head, reader)
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nvictim")

        made.backend.script = script
        damaged = 0
        for number in range(TIMES):
            kind = (b"surplus", b"interim", b"early")[number % 3]
            if kind == b"early":
                upload = b"POST /early HTTP/1.1\r\n" + HOST + b"Content-Length: 300000\r\n\r\n" + b"GET /evil" * 10_000
                await ask(made, upload, 0.2)
            else:
                await ask(made, get(kind))
            answer = await ask(made, get(b"victim"))
            damaged += not (answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"\r\n\r\nvictim"))
        figures.true(f"0 of {TIMES} victims damaged", not damaged, f"{damaged} victims damaged")
        evil = [each for each in made.backend.seen if b"evil" in each.split(b"\r\n")[0]]
        figures.true("no body was read as a request", not evil, f"{evil[:2]}")
        return figures

    return in_a_gateway(measure)


@fault(
    "F29",
    "clients leave in the middle",
    promise="the backend's side ends with them",
    goal="<= 1 s; descriptors back <= 5 s",
)
def left(place: Place) -> Figures:
    async def measure(made: Gateway) -> Figures:
        figures = Figures()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"GET"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
                with contextlib.suppress(ConnectionError):
                    while not writer.is_closing():
                        writer.write(b"x" * 65536)
                        await writer.drain()
            await reader.read()

        made.backend.script = script
        await asyncio.sleep(1.5)  # the telemetry child takes descriptors of its own
        before = made.descriptors()
        clients = []
        for number in range(1000):
            _, writer = await asyncio.open_connection("127.0.0.1", made.port, limit=4096)
            up = b"POST /p HTTP/1.1\r\n" + HOST + b"Content-Length: 1000000\r\n\r\n" + b"x" * 1000
            writer.write(up if number % 2 else get(b"down"))
            clients.append(writer)
            if number % 100 == 99:
                await asyncio.sleep(0.1)
                for each in clients:
                    each.transport.abort() if number % 200 == 199 else each.close()
                began = time.monotonic()
                clients.clear()
        while made.backend.open and time.monotonic() - began < 20:  # noqa: ASYNC110 (a set knows no events)
            await asyncio.sleep(0.05)
        figures.at_most("backends told after", time.monotonic() - began, 1, "s", bound=10)
        while made.descriptors() > before and time.monotonic() - began < 20:  # noqa: ASYNC110 (of another process)
            await asyncio.sleep(0.05)
        figures.at_most("descriptors back after", time.monotonic() - began, 5, "s", bound=15)
        figures.at_most("descriptors more than before", made.descriptors() - before, 0)
        return figures

    return in_a_gateway(measure)


@fault("F36", "1,000 slow clients", promise="closed at their deadlines", goal="p99 of a good client < 50 ms")
def slow_clients(place: Place) -> Figures:
    async def measure(made: Gateway) -> Figures:
        figures = Figures()
        for each in await crowd(made):
            figures.true(f"{each.name}: {each.measured}", each.holds, f"{each.name}: {each.measured} ({each.goal})")
        return figures

    return in_a_gateway(measure)
