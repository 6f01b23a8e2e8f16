"""What comes before an answer and within it, as it comes: 1xx on HTTP/1.1, and what a gateway adds to each event."""

from __future__ import annotations

import asyncio
import statistics
import time

import pytest
from sidecar_harness import Backend, Harness, open_api

HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: X\r\nX: 1\r\n\r\n"


@pytest.mark.parametrize("pieces", [1, 2])
async def test_early_hints_pass_before_the_answer(harness: Harness, backend: Backend, pieces: int) -> None:
    go = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 102 Processing\r\n\r\n" + HINTS)
            await go.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    backend.script = script
    harness.configure(*open_api("a", backend.url))
    reader, writer = await asyncio.open_connection("127.0.0.1", harness.port)
    data = b"GET /a/x HTTP/1.1\r\nHost: h\r\n\r\n"
    for _ in range(2):
        for piece in (data,) if pieces == 1 else (data[:7], data[7:]):
            writer.write(piece)
            await asyncio.sleep(0.01)
        async with asyncio.timeout(3):
            assert (await reader.readuntil(b"\r\n\r\n")) == b"HTTP/1.1 102 Processing\r\n\r\n"
            hints = await reader.readuntil(b"\r\n\r\n")
            assert hints == b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
            go.set()
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
            assert await reader.readexactly(2) == b"ok"
        go.clear()
    writer.close()
    assert [record.status for record in await harness.recorded(2)] == [200, 200]


async def test_http_1_0_is_told_nothing_before_the_answer(harness: Harness, backend: Backend) -> None:
    backend.answer = HINTS + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    harness.configure(*open_api("a", backend.url))
    assert (await harness.raw(b"GET /a/x HTTP/1.0\r\nHost: h\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_hints_that_could_not_stand_in_a_head_are_no_answer(harness: Harness, backend: Backend) -> None:
    backend.answer = b"HTTP/1.1 103 Early\r\nX: \x01\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    harness.configure(*open_api("a", backend.url))
    assert (await harness.request("GET", "/a/x")).status == 500


@pytest.mark.parametrize("chunked", [True, False])
async def test_what_a_gateway_adds_to_each_event(harness: Harness, backend: Backend, chunked: bool) -> None:
    """Each event leaves when it came: none waits for the next. How long it takes is printed."""
    asks: list[asyncio.Queue[None]] = []  # one for each connection

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        ask: asyncio.Queue[None] = asyncio.Queue()
        asks.append(ask)
        coding = b"Transfer-Encoding: chunked\r\n" if chunked else b""
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + coding + b"\r\n")
        while True:
            await ask.get()
            writer.write(b"9\r\ndata: 1\n\n\r\n" if chunked else b"data: 1\n\n")

    backend.script = script
    harness.configure(*open_api("a", backend.url))
    took = {}
    for way, port in (("direct", backend.port), ("gateway", harness.port)):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /a/x HTTP/1.1\r\nHost: h\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        times = []
        for _ in range(100):
            begun = time.perf_counter()
            asks[-1].put_nowait(None)
            async with asyncio.timeout(3):
                await reader.readuntil(b"data: 1\n\n")
            times.append(time.perf_counter() - begun)
        took[way] = statistics.median(times)
        writer.close()
    print(f"a gateway adds {(took['gateway'] - took['direct']) * 1e6:.0f} us to an event")
