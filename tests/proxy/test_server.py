"""The shell: deadlines, draining, the taken port, the scheme, and the ends of keep-alive."""

from __future__ import annotations

import asyncio
import socket

import pytest
from sidecar_harness import Backend, Harness, api, open_api, operation, policy

from proxy.adapters.connection import Connection
from proxy.adapters.limits import DEFAULTS
from proxy.server import PortTaken, Server


def connection(harness: Harness) -> Connection:
    (only,) = harness.server.connections
    assert isinstance(only, Connection)
    return only


async def test_a_slow_head_is_408_after_its_deadline_from_the_first_byte(harness: Harness) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", harness.port)
    writer.write(b"GET / HT")
    await asyncio.sleep(0.05)
    now = asyncio.get_running_loop().time()
    connection(harness).sweep(now + DEFAULTS.head_deadline - 1)
    writer.write(b"T")  # a byte does not extend it
    await asyncio.sleep(0.05)
    assert harness.server.connections
    connection(harness).sweep(now + DEFAULTS.head_deadline + 1)
    assert (await asyncio.wait_for(reader.read(), 2)).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_a_silent_connection_and_an_idle_one_are_closed(harness: Harness) -> None:
    harness.configure()
    reader, writer = await asyncio.open_connection("127.0.0.1", harness.port)
    await asyncio.sleep(0.05)
    now = asyncio.get_running_loop().time()
    writer.write(b"GET /status-0123456789abcdef HTTP/1.1\r\nHost: h\r\n\r\n")
    await reader.readuntil(b"}")
    connection(harness).sweep(now + DEFAULTS.head_deadline + 5)
    await asyncio.sleep(0.02)
    assert harness.server.connections
    connection(harness).sweep(now + DEFAULTS.idle + 1)
    assert await asyncio.wait_for(reader.read(), 2) == b""
    writer.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", harness.port)
    await asyncio.sleep(0.05)
    for each in harness.server.connections:
        assert isinstance(each, Connection)
        each.sweep(now + DEFAULTS.head_deadline + 5)
    assert await asyncio.wait_for(reader.read(), 2) == b""
    writer.close()


async def test_a_body_that_trickles_is_given_up(harness: Harness, backend: Backend) -> None:
    harness.configure(*open_api("up", backend.url))
    reader, writer = await asyncio.open_connection("127.0.0.1", harness.port)
    writer.write(b"POST /up/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nx")
    await asyncio.sleep(0.05)
    now = asyncio.get_running_loop().time()
    only = connection(harness)
    only.sweep(now)
    writer.write(b"y" * 10)
    await asyncio.sleep(0.05)
    only.sweep(now + DEFAULTS.grace / 2)
    assert harness.sidecar.in_flight == 1
    only.sweep(now + DEFAULTS.grace + 0.1)
    assert (await asyncio.wait_for(reader.read(), 2)).startswith(b"HTTP/1.1 408 ")
    await harness.recorded()
    writer.close()


async def test_draining_finishes_what_is_in_flight_and_takes_nothing_new(harness: Harness, backend: Backend) -> None:
    go = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await go.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()

    backend.script = script
    harness.configure(*open_api("slow", backend.url))
    reader, writer = await asyncio.open_connection("127.0.0.1", harness.port)
    writer.write(b"GET /slow/x HTTP/1.1\r\nHost: h\r\n\r\n")
    idle_reader, idle_writer = await asyncio.open_connection("127.0.0.1", harness.port)
    await asyncio.sleep(0.05)
    draining = asyncio.create_task(harness.server.drain(5))
    assert await asyncio.wait_for(idle_reader.read(), 2) == b""
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", harness.port)
    assert not harness.server.ready
    assert not draining.done()
    go.set()
    answer = await asyncio.wait_for(reader.read(), 2)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert await asyncio.wait_for(draining, 2) is True
    for each in (writer, idle_writer):
        each.close()


async def test_draining_gives_up_after_its_timeout(harness: Harness, backend: Backend) -> None:
    async def script(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    backend.script = script
    harness.configure(*open_api("slow", backend.url))
    _, writer = await asyncio.open_connection("127.0.0.1", harness.port)
    writer.write(b"GET /slow/x HTTP/1.1\r\nHost: h\r\n\r\n")
    await asyncio.sleep(0.05)
    assert await harness.server.drain(0.1) is False
    await harness.server.close()
    assert (await harness.recorded())[0].status == 0
    writer.close()


async def test_a_taken_port_is_named(harness: Harness) -> None:
    with pytest.raises(PortTaken, match=f"127.0.0.1:{harness.port} is taken"):
        await Server(harness.sidecar).listen("127.0.0.1", harness.port)


@pytest.mark.parametrize(
    ("believe", "told", "scheme"), [(True, "https", "https"), (True, "ftp", "http"), (False, "https", "http")]
)
async def test_the_scheme_a_proxy_before_us_tells(harness: Harness, believe: bool, told: str, scheme: str) -> None:
    harness.configure()
    harness.server.forwarded_proto = believe
    await harness.request("GET", "/x", {"Host": "shop.test", "X-Forwarded-Proto": told})
    assert (await harness.recorded())[0].url == f"{scheme}://shop.test/x"


async def test_the_status_page_answers_head_and_keeps_the_connection(harness: Harness) -> None:
    harness.configure()
    head = b"HEAD /status-0123456789abcdef HTTP/1.1\r\nHost: h\r\n\r\n"
    data = await harness.raw(head + head.replace(b"h\r\n\r\n", b"h\r\nConnection: close\r\n\r\n"))
    assert data.count(b"HTTP/1.1 200 OK") == 2
    assert b"{" not in data
    assert not harness.journal.records


@pytest.mark.parametrize(
    ("believe", "protocols", "told", "status"),
    [
        (True, ["https"], "https", 200),
        (True, ["https"], "http", 404),
        (True, ["https"], "", 404),
        (True, ["http", "https"], "", 200),
        (True, ["wss"], "https", 200),
        (False, ["https"], "http", 200),
    ],
)
async def test_an_api_is_found_by_its_protocols_when_a_proxy_tells_the_scheme(
    harness: Harness, backend: Backend, believe: bool, protocols: list[str], told: str, status: int
) -> None:
    harness.configure(api("shop", backend.url, protocols=protocols), operation("shop", "GET", "/x"))
    harness.server.forwarded_proto = harness.sidecar.by_scheme = believe
    reply = await harness.request("GET", "/shop/x", {"X-Forwarded-Proto": told} if told else {})
    assert reply.status == status


@pytest.mark.parametrize("pieces", [1, 2])
async def test_what_is_in_flight_when_draining_begins_says_that_it_is_the_last(
    harness: Harness, backend: Backend, pieces: int
) -> None:
    go = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await go.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    backend.script = script
    harness.configure(*open_api("slow", backend.url))
    reader, writer = await asyncio.open_connection("127.0.0.1", harness.port)
    data = b"GET /slow/x HTTP/1.1\r\nHost: h\r\n\r\n"
    for piece in (data,) if pieces == 1 else (data[:9], data[9:]):
        writer.write(piece)
        await asyncio.sleep(0.05)
    draining = asyncio.create_task(harness.server.drain(5))
    await asyncio.sleep(0.05)
    go.set()
    answer = await asyncio.wait_for(reader.read(), 2)
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.endswith(b"ok")
    assert await draining is True
    writer.close()


async def test_draining_waits_for_answers_to_leave(harness: Harness) -> None:
    size = 2_000_000
    harness.configure(
        *open_api("a", "http://127.0.0.1:1"),
        policy(
            "/apis/a",
            "<policies><inbound><return-response><set-status code='200'/>"
            f"<set-body>@(new string('x', {size}))</set-body>"
            "</return-response></inbound><backend/><outbound/><on-error/></policies>",
        ),
    )
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.setblocking(False)
    await asyncio.get_running_loop().sock_connect(narrow, ("127.0.0.1", harness.port))
    reader, writer = await asyncio.open_connection(sock=narrow, limit=1024)
    await asyncio.sleep(0.01)
    [connection] = harness.server.connections
    assert connection.transport is not None
    connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    writer.write(b"GET /a/x HTTP/1.1\r\nHost: h\r\n\r\n")
    await harness.recorded()
    assert connection.transport.get_write_buffer_size()

    async def end() -> bool:
        drained = await harness.server.drain(5)
        await harness.server.close()
        return bool(drained)

    ending = asyncio.create_task(end())
    await asyncio.sleep(0.1)
    assert not ending.done()
    received = await asyncio.wait_for(reader.read(), 5)
    assert len(received.partition(b"\r\n\r\n")[2]) == size
    assert await ending is True
    writer.close()
