"""The load generator reads answers right and counts what fails; the backend answers what the benchmark expects."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks import load
from benchmarks.peers.backend import ANSWER, BODY, Backend


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", (200, 3)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n", None),
        (b"HTTP/1.1 404 No\r\nA: b\r\ncontent-length:0\r\nC: d\r\n\r\n", (404, 0)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", (200, 5)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", None),
        (b"HTTP/1.1 204 No Content\r\n\r\n", (204, 0)),
    ],
)
def test_a_whole_answer_is_measured(text: bytes, answer: tuple[int, int] | None) -> None:
    assert load.measured(text) == answer
    for cut in range(len(text)):
        assert load.measured(text[:cut]) is None


def test_an_answer_without_an_end_is_refused() -> None:
    with pytest.raises(ValueError, match="neither"):
        load.measured(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n")


@pytest.fixture
async def backend() -> asyncio.Server:
    return await asyncio.get_running_loop().create_server(Backend, "127.0.0.1", 0)


async def run(server: asyncio.Server, **options: int) -> load.Result:
    port = server.sockets[0].getsockname()[1]
    try:
        return await load.run(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", count=200, connections=4, **options)
    finally:
        server.close()


async def test_all_requests_are_made(backend: asyncio.Server) -> None:
    result = await run(backend, length=len(BODY))
    assert (len(result.latencies), result.failures) == (200, 0)
    assert 0 < result.percentile(0.5) <= result.percentile(0.99) <= result.seconds
    assert result.throughput > 0


async def test_other_answers_are_failures(backend: asyncio.Server) -> None:
    result = await run(backend, length=1)
    assert (len(result.latencies), result.failures) == (0, 200)
    assert result.first_failure == f"status 200, {len(BODY)} bytes"


async def test_a_server_that_hangs_up_is_a_failure() -> None:
    class Rude(Backend):
        def data_received(self, data: bytes) -> None:
            self._transport.write(ANSWER[:20])
            self._transport.close()

    server = await asyncio.get_running_loop().create_server(Rude, "127.0.0.1", 0)
    result = await run(server, length=len(BODY))
    assert (len(result.latencies), result.failures) == (0, 200)


async def test_a_request_in_pieces_is_answered_once() -> None:
    server = await asyncio.get_running_loop().create_server(Backend, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
    for piece in (b"GET / HT", b"TP/1.1\r\nHost: x\r\n\r", b"\nGET / HTTP/1.1\r\n\r\n"):
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.01)
    assert await reader.readexactly(2 * len(ANSWER)) == ANSWER * 2
    writer.close()
    await writer.wait_closed()
    server.close()


async def test_paced_requests_take_their_time(backend: asyncio.Server) -> None:
    port = backend.sockets[0].getsockname()[1]
    asked = [b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(3)]
    result = await load.paced(port, asked, rate=500, count=50, length=len(BODY), connections=4)
    backend.close()
    assert (len(result.latencies), result.failures) == (50, 0)
    assert result.seconds >= 0.05 + 49 / 500


async def test_what_waits_for_a_connection_counts_from_when_it_was_due() -> None:
    class Slow(Backend):
        def data_received(self, data: bytes) -> None:
            asyncio.get_running_loop().call_later(0.05, super().data_received, data)

    server = await asyncio.get_running_loop().create_server(Slow, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    asked = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    result = await load.paced(port, asked, rate=1000, count=6, length=len(BODY), connections=1)
    server.close()
    assert result.failures == 0
    assert max(result.latencies) >= 5 * 0.05


async def test_a_server_that_is_not_there_is_a_failure_of_each_request() -> None:
    server = await asyncio.get_running_loop().create_server(Backend, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    result = await load.run(port, b"GET / HTTP/1.1\r\n\r\n", count=20, connections=3, length=1)
    assert (len(result.latencies), result.failures) == (0, 20)
