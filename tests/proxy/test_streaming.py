"""Bodies that flow: both ways, with backpressure, in bounded memory; and what happens when one side breaks off."""

from __future__ import annotations

import asyncio
import hashlib
import resource as usage
import socket

import pytest
from sidecar_harness import Backend, Harness, open_api

MIB = 1024 * 1024
SIZE = 100 * MIB
BLOCK = bytes(range(256)) * 1024  # 256 KiB


def rss_mib() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * usage.getpagesize() / MIB


async def test_a_hundred_megabytes_down_in_bounded_memory(harness: Harness, backend: Backend) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
        for _ in range(SIZE // len(BLOCK)):
            writer.write(BLOCK)
            await writer.drain()

    backend.script = script
    harness.configure(*open_api("big", backend.url))
    reader, writer = await asyncio.open_connection("127.0.0.1", harness.port)
    writer.write(b"GET /big/x HTTP/1.1\r\nHost: h\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    before, peak, left = rss_mib(), 0.0, SIZE
    digest, expected = hashlib.blake2b(), hashlib.blake2b(BLOCK * (SIZE // len(BLOCK)) if SIZE < 1 else b"")
    for _ in range(SIZE // len(BLOCK)):
        expected.update(BLOCK)
    while left:
        chunk = await reader.read(MIB)
        assert chunk
        digest.update(chunk)
        left -= len(chunk)
        peak = max(peak, rss_mib())
    writer.close()
    assert digest.digest() == expected.digest()
    assert peak - before < 20
    assert (await harness.recorded())[0].response_size == SIZE


async def test_a_hundred_megabytes_up_in_bounded_memory(harness: Harness, backend: Backend) -> None:
    got = hashlib.blake2b()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        left = SIZE
        while left:
            chunk = await reader.read(MIB)
            got.update(chunk)
            left -= len(chunk)
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")

    backend.script = script
    harness.configure(*open_api("big", backend.url))
    reader, writer = await asyncio.open_connection("127.0.0.1", harness.port)
    writer.write(b"POST /big/x HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % SIZE)
    expected, before, peak = hashlib.blake2b(), rss_mib(), 0.0
    for _ in range(SIZE // len(BLOCK)):
        writer.write(BLOCK)
        expected.update(BLOCK)
        await writer.drain()
        peak = max(peak, rss_mib())
    head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    assert head.startswith(b"HTTP/1.1 201 Created")
    assert got.digest() == expected.digest()
    assert peak - before < 20
    assert (await harness.recorded())[0].request_size == SIZE


async def test_a_client_that_does_not_read_stops_the_backend(harness: Harness, backend: Backend) -> None:
    sent = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"40000\r\n" + BLOCK + b"\r\n")
            await writer.drain()
            sent += len(BLOCK)

    backend.script = script
    harness.configure(*open_api("big", backend.url))
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    raw.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(raw, ("127.0.0.1", harness.port))
    await loop.sock_sendall(raw, b"GET /big/x HTTP/1.1\r\nHost: h\r\n\r\n")
    await loop.sock_recv(raw, 100)
    previous = -1
    while sent != previous:
        previous = sent
        await asyncio.sleep(0.2)
    assert 0 < sent < 32 * MIB
    raw.close()
    record = (await harness.recorded())[0]
    assert record.last_error is not None
    assert record.last_error.reason == "ClientConnectionFailure"


async def test_a_chunked_upload_streams_before_it_ends(harness: Harness, backend: Backend) -> None:
    first = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"Transfer-Encoding: chunked" in head
        assert b"Content-Length" not in head
        await reader.readuntil(b"one\r\n")
        first.set()
        await reader.readuntil(b"0\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    backend.script = script
    harness.configure(*open_api("up", backend.url))
    reader, writer = await asyncio.open_connection("127.0.0.1", harness.port)
    writer.write(b"POST /up/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
    await asyncio.wait_for(first.wait(), 3)
    writer.write(b"3\r\ntwo\r\n0\r\n\r\n")
    assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 OK")
    writer.close()


async def test_server_sent_events_arrive_one_by_one(harness: Harness, backend: Backend) -> None:
    go = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        await go.wait()
        writer.write(b"data: 2\n\n")

    backend.script = script
    harness.configure(*open_api("events", backend.url))
    reader, writer = await asyncio.open_connection("127.0.0.1", harness.port)
    writer.write(b"GET /events/x HTTP/1.1\r\nHost: h\r\n\r\n")
    await asyncio.wait_for(reader.readuntil(b"data: 1\n\n"), 2)
    go.set()
    await asyncio.wait_for(reader.readuntil(b"data: 2\n\n"), 2)
    await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 2)
    writer.close()


async def test_expect_continue_is_answered_when_the_body_is_wanted(harness: Harness, backend: Backend) -> None:
    harness.configure(*open_api("up", backend.url))
    reader, writer = await asyncio.open_connection("127.0.0.1", harness.port)
    writer.write(b"POST /up/x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 2) == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"hello")
    assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 OK")
    assert b"Expect" not in backend.requests[0]
    writer.write(b"POST /none HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    refused = await asyncio.wait_for(reader.read(), 2)
    assert refused.startswith(b"HTTP/1.1 404 ")
    writer.close()


@pytest.mark.parametrize("head", [b"Content-Length: 10\r\n", b"Transfer-Encoding: chunked\r\n"])
async def test_a_backend_that_breaks_off_is_seen_by_the_client(harness: Harness, backend: Backend, head: bytes) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(b"5\r\nhello\r\n" if b"chunked" in head else b"hello")

    backend.script = script
    harness.configure(*open_api("cut", backend.url))
    data = await harness.raw(b"GET /cut/x HTTP/1.1\r\nHost: h\r\n\r\n", timeout=2)
    assert data.count(b"HTTP/1.1") == 1
    assert not data.endswith(b"0\r\n\r\n")
    record = (await harness.recorded())[0]
    assert (record.status, record.response_size) == (200, 5)
    assert record.last_error is not None
    assert record.last_error.reason == "BackendConnectionFailure"


async def test_a_client_that_leaves_while_waiting_is_recorded_and_the_backend_is_told(
    harness: Harness, backend: Backend
) -> None:
    gone = asyncio.Event()

    async def script(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.read()
        gone.set()

    backend.script = script
    harness.configure(*open_api("slow", backend.url))
    _, writer = await asyncio.open_connection("127.0.0.1", harness.port)
    writer.write(b"GET /slow/x HTTP/1.1\r\nHost: h\r\n\r\n")
    await asyncio.sleep(0.1)
    writer.close()
    await asyncio.wait_for(gone.wait(), 2)
    record = (await harness.recorded())[0]
    assert record.status == 0
    assert record.last_error is not None
    assert record.last_error.reason == "ClientConnectionFailure"
    assert harness.sidecar.in_flight == 0


async def test_a_client_that_leaves_while_sending_is_recorded(harness: Harness, backend: Backend) -> None:
    harness.configure(*open_api("up", backend.url))
    _, writer = await asyncio.open_connection("127.0.0.1", harness.port)
    writer.write(b"POST /up/x HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf")
    await asyncio.sleep(0.1)
    writer.close()
    record = (await harness.recorded())[0]
    assert record.last_error is not None
    assert record.last_error.reason == "ClientConnectionFailure"
    assert record.request_size == 4


async def test_an_early_answer_does_not_leave_a_half_sent_request_in_the_pool(
    harness: Harness, backend: Backend
) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        while data := await reader.read(65536):
            backend.seen.append(data)

    backend.script = script
    harness.configure(*open_api("early", backend.url))
    reader, writer = await asyncio.open_connection("127.0.0.1", harness.port)
    writer.write(b"POST /early/a HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\n\r\nhi")
    await asyncio.wait_for(reader.readuntil(b"ok"), 2)
    assert (await harness.request("GET", "/early/victim")).status == 200
    assert backend.connections == 2
    assert not any(b"victim" in data for data in backend.seen)
    writer.close()


async def test_a_dead_pooled_connection_is_tried_once_more(harness: Harness, backend: Backend) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
        await reader.readuntil(b"\r\n\r\n")  # the second request of this connection is never answered

    backend.script = script
    harness.configure(*open_api("once", backend.url))
    assert (await harness.request("GET", "/once/1")).status == 200
    assert (await harness.request("GET", "/once/2")).status == 200
    assert backend.connections == 2
    assert (await harness.request("POST", "/once/3", body=b"x")).status == 500


async def test_head_and_not_modified_keep_the_length_of_the_body_they_do_not_have(
    harness: Harness, backend: Backend
) -> None:
    backend.answer = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\nETag: x\r\n\r\n"
    harness.configure(*open_api("a", backend.url))
    answer = await harness.request("GET", "/a/x")
    assert (answer.status, answer.body, answer.header("Content-Length")) == (304, b"", "77")
    backend.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"
    answer = await harness.request("HEAD", "/a/x")
    assert (answer.status, answer.body, answer.header("Content-Length")) == (200, b"", "99")


@pytest.mark.parametrize("pause", [0.0, 0.05])
async def test_trailers_follow_a_chunked_answer(harness: Harness, backend: Backend, pause: float) -> None:
    """Whether it arrives in one piece or in several."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n"):
            writer.write(piece)
            if pause:
                await writer.drain()
                await asyncio.sleep(pause)

    backend.script = script
    harness.configure(*open_api("a", backend.url))
    data = await harness.raw(b"GET /a/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert b"content-length" not in data.lower()
    assert data.endswith(b"\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n")
    data = await harness.raw(b"GET /a/x HTTP/1.0\r\nHost: h\r\n\r\n")
    assert data.endswith(b"\r\n\r\nok")


async def test_http_1_0_gets_no_chunks(harness: Harness, backend: Backend) -> None:
    backend.answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    harness.configure(*open_api("a", backend.url))
    data = await harness.raw(b"GET /a/x HTTP/1.0\r\nHost: h\r\n\r\n")
    assert b"chunked" not in data.lower()
    assert data.endswith(b"\r\n\r\nok")


async def test_waiting_for_a_backends_body_is_backend_time(harness: Harness, backend: Backend) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        await asyncio.sleep(0.2)
        writer.write(b"cd")

    backend.script = script
    harness.configure(*open_api("slow", backend.url))
    assert (await harness.request("GET", "/slow/x")).body == b"abcd"
    record = (await harness.recorded())[0]
    assert record.backend_ms >= 190
    assert record.client_ms < record.backend_ms
    assert record.total_ms >= record.backend_ms
