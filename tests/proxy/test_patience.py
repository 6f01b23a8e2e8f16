"""Clients that stop reading, close their side, or say nothing of use; and backends that had closed before a POST."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from http2_peer import peer, request
from hyperframe.frame import Frame, GoAwayFrame, PingFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame
from sidecar_harness import Backend, Harness, open_api

from proxy.adapters.connection import Connection
from proxy.adapters.limits import DEFAULTS, Limits
from proxy.settings import SettingError

LARGE = 32 * 1024 * 1024


@pytest.fixture
async def shop(harness: Harness, backend: Backend) -> Harness:
    harness.configure(*open_api("a", backend.url))
    return harness


async def test_a_client_that_stops_reading_is_dropped(shop: Harness, backend: Backend) -> None:
    backend.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE + b"x" * LARGE
    reader, writer = await asyncio.open_connection("127.0.0.1", shop.port, limit=1024)
    writer.write(b"GET /a/x HTTP/1.1\r\nHost: h\r\n\r\n")
    await reader.read(10)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    [connection] = [each for each in shop.server.connections if isinstance(each, Connection)]
    assert connection.transport is not None
    before = -1
    while (size := connection.transport.get_write_buffer_size()) != before or not size:
        before = size
        await asyncio.sleep(0.2)
    now = asyncio.get_running_loop().time()
    connection.sweep(now)
    connection.sweep(now + DEFAULTS.send - 1)
    assert not connection.transport.is_closing()
    connection.sweep(now + DEFAULTS.send + 1)
    record = (await shop.recorded())[0]
    assert record.last_error is not None
    assert record.last_error.reason == "ClientConnectionFailure"
    writer.transport.abort()


async def test_who_closes_its_side_and_waits_in_vain_counts_as_gone(shop: Harness, backend: Backend) -> None:
    ended = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.read()
        ended.set()

    backend.script = script
    began = time.monotonic()
    assert await shop.raw(b"GET /a/x HTTP/1.1\r\nHost: h\r\n\r\n", half_close=True) == b""
    await asyncio.wait_for(ended.wait(), 3)
    assert time.monotonic() - began >= DEFAULTS.half_close


async def test_an_answer_that_goes_on_is_not_cut_for_who_closed_its_side(shop: Harness, backend: Backend) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        for _ in range(10):
            writer.write(b"x")
            await asyncio.sleep(0.15)

    backend.script = script
    answer = await shop.raw(b"GET /a/x HTTP/1.1\r\nHost: h\r\n\r\n", half_close=True)
    assert answer.endswith(b"\r\n\r\n" + b"x" * 10)


async def test_a_post_does_not_meet_a_connection_that_had_ended(shop: Harness, backend: Backend) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
        await asyncio.sleep(0.02)  # in its pool by now

    backend.script = script
    post = b"POST /a/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"
    for _ in range(20):
        assert (await shop.raw(post)).startswith(b"HTTP/1.1 200 ")
        time.sleep(0.03)  # noqa: ASYNC251 (the loop does not hear that the backend closes)


@pytest.mark.parametrize(
    "frame",
    [
        PingFrame(0, opaque_data=b"12345678"),
        PingFrame(0, opaque_data=b"12345678", flags=["ACK"]),
        SettingsFrame(0, flags=["ACK"]),
        SettingsFrame(0),
        GoAwayFrame(0, last_stream_id=0),
        RstStreamFrame(1, error_code=8),
        WindowUpdateFrame(1, window_increment=1),
        WindowUpdateFrame(0, window_increment=1),
    ],
    ids=lambda frame: f"{type(frame).__name__} {sorted(frame.flags)}",
)
async def test_no_frame_is_for_nothing(shop: Harness, frame: Frame) -> None:
    async with peer(shop.port) as client:
        client.write(client.head(1, request()))
        await client.answer(1)
        with contextlib.suppress(ConnectionError):
            client.write(frame.serialize() * 10_000)
            await client.writer.drain()
        ended = await client.outcome()
        ended = await client.outcome() if ended == "goaway 0" else ended  # it says farewell to who does
        assert ended in ("goaway 11", "closed", "goaway 5")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"net.server.limits.request-line": "10"}, "from 256"),
        ({"net.server.limits.header-field": "9000", "net.server.limits.headers": "8000"}, "more than"),
        ({"net.server.timeout.headers": "0"}, "1 seconds to a day"),
        ({"net.server.timeout.send": "soon"}, "hh:mm:ss"),
        ({"net.server.limits.connections": "0"}, "from 1"),
    ],
)
def test_limits_that_are_refused(values: dict[str, str], told: str) -> None:
    with pytest.raises(SettingError, match=told):
        Limits.read(values)


def test_limits_are_as_documented() -> None:
    assert Limits.read({}) == DEFAULTS
