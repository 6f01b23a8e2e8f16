"""HTTP/2 from clients: curl, and a peer of frames. What passes both ways, and how streams end."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from http2_peer import Peer, peer, request
from hyperframe.frame import DataFrame, GoAwayFrame, HeadersFrame, PingFrame, RstStreamFrame, WindowUpdateFrame
from sidecar_harness import FORWARD, Backend, Harness, open_api, policy

from proxy.adapters.http2.connection import Http2Connection
from proxy.adapters.http2.wire import STREAM_WINDOW
from proxy.adapters.limits import DEFAULTS

curl_present = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


async def curl(*arguments: str) -> bytes:
    made = await asyncio.create_subprocess_exec(
        "curl", "-sS", "-m", "10", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    return (await made.communicate())[0]


def connection(harness: Harness) -> Http2Connection:
    [found] = harness.server.http2
    return found


@pytest.fixture(autouse=True)
def served(harness: Harness, backend: Backend) -> None:
    harness.configure(*open_api("a", backend.url))


@curl_present
async def test_curl_with_prior_knowledge(harness: Harness, backend: Backend, tmp_path: Path) -> None:
    shown = await curl("-i", "--http2-prior-knowledge", "-H", "Cookie: a=1; b=2", f"{harness.url}/a/x?y=%20z")
    assert shown.startswith(b"HTTP/2 200")
    assert shown.endswith(b"\r\n\r\nok")
    seen = backend.seen[0].lower()
    assert seen.startswith(b"get /x?y=%20z http/1.1\r\nhost: ")
    assert b"\r\ncookie: a=1; b=2\r\n" in seen
    assert b"\r\nx-forwarded-for: 127.0.0.1\r\n" in seen
    (tmp_path / "body").write_bytes(bytes(3_000_000))
    await curl("--http2-prior-knowledge", "--data-binary", f"@{tmp_path}/body", f"{harness.url}/a/x")
    assert b"content-length: 3000000" in backend.seen[1][:500].lower()
    assert len(backend.seen[1].partition(b"\r\n\r\n")[2]) == 3_000_000
    head = await curl("-I", "--http2-prior-knowledge", f"{harness.url}/a/x")
    assert b"content-length: 2" in head
    records = await harness.recorded(3)
    assert [each.request_size for each in records] == [0, 3_000_000, 0]
    assert {each.client_protocol for each in records} == {"HTTP/2"}


@curl_present
async def test_curl_that_asks_for_an_upgrade_gets_http_1(harness: Harness) -> None:
    assert (await curl("-i", "--http2", f"{harness.url}/a/x")).startswith(b"HTTP/1.1 200")


async def test_policies_and_errors_are_the_same(harness: Harness, backend: Backend) -> None:
    document = FORWARD.replace(
        "<inbound/>",
        '<inbound><set-header name="X-Seen" exists-action="override"><value>@(context.Request.Headers.GetValueOrDefault'
        '("x-mine", "no"))</value></set-header></inbound>',
    ).replace("<outbound/>", '<outbound><set-header name="X-Out"><value>1</value></set-header></outbound>')
    harness.configure(*open_api("a", backend.url), policy("", document))
    async with peer(harness.port) as client:
        client.write(client.head(1, request("/a/x", "GET", ("x-mine", "yes"), ("x_forwarded_for", "6.6.6.6"))))
        head, body, _ = await client.answer(1)
        assert (head[":status"], head["x-out"], body) == ("200", "1", b"ok")
        client.write(client.head(3, request("/nowhere")))
        head, body, _ = await client.answer(3)
        assert (head[":status"], body) == ("404", b'{ "statusCode": 404, "message": "Resource not found" }')
    assert b"x-seen: yes" in backend.seen[0].lower()
    assert b"6.6.6.6" not in backend.seen[0]


async def test_a_body_without_a_length_is_chunked_to_http_1(harness: Harness, backend: Backend) -> None:
    async with peer(harness.port) as client:
        client.write(client.head(1, request("/a/x", "POST"), end=False))
        await asyncio.sleep(0.05)
        client.write(DataFrame(1, b"hello "), DataFrame(1, b"world", pad_length=7, flags=["PADDED", "END_STREAM"]))
        assert (await client.answer(1))[1] == b"ok"
    assert b"transfer-encoding: chunked" in backend.seen[0].lower()
    assert backend.seen[0].endswith(b"hello world")


async def test_headers_of_another_connection_do_not_smuggle(harness: Harness, backend: Backend) -> None:
    """What would frame the request anew over HTTP/1.1 comes from us alone."""
    async with peer(harness.port) as client:
        body = b"0\r\n\r\nGET /evil HTTP/1.1\r\nHost: x\r\n\r\n"
        client.write(client.head(1, request("/a/x", "POST"), end=False), DataFrame(1, body, flags=["END_STREAM"]))
        await client.answer(1)
    assert backend.seen[0].lower().count(b"content-length") + backend.seen[0].lower().count(b"transfer-encoding") == 1
    assert backend.seen[0].endswith(body)
    assert len(backend.seen) == 1


async def test_trailers_and_interim_answers_of_http_1_backends(harness: Harness, backend: Backend) -> None:
    backend.answer = (
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n"
    )
    trailed: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        trailed.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(backend.answer)
        await writer.drain()

    backend.script = script
    async with peer(harness.port) as client:
        client.write(client.head(1, request("/a/x", "POST"), end=False), DataFrame(1, b"abc"))
        client.write(client.head(1, [("x-check", "1"), ("content-length", "7")]))
        assert (await client.until(HeadersFrame)).fields == {":status": "103", "link": "</a>"}
        head, body, trailers = await client.answer(1)
        assert (head[":status"], body, trailers) == ("200", b"ok", {"x-sum": "7"})
    assert trailed == [b"3\r\nabc\r\n0\r\nx-check: 1\r\n\r\n"]


async def test_expect_100_continue(harness: Harness) -> None:
    async with peer(harness.port) as client:
        fields = request("/a/x", "POST", ("expect", "100-continue"), ("content-length", "2"))
        client.write(client.head(1, fields, end=False))
        frame = await client.until(HeadersFrame)
        assert frame.fields[":status"] == "100"
        client.write(DataFrame(1, b"hi", flags=["END_STREAM"]))
        assert (await client.answer(1))[0][":status"] == "200"


def streaming(size: int, chunk: bytes = bytes(65536)) -> tuple[list[int], object]:
    """A backend that sends `size` bytes as fast as they are taken; and how many were."""
    taken = [0]

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while taken[0] < size:
            writer.write(chunk)
            await writer.drain()
            taken[0] += len(chunk)

    return taken, script


async def test_a_client_that_does_not_read_holds_up_its_own_stream_only(harness: Harness, backend: Backend) -> None:
    size = 64 * 1024 * 1024
    taken, backend.script = streaming(size)  # type: ignore[assignment]
    async with peer(harness.port, window=50_000) as client:
        client.write(WindowUpdateFrame(0, 2**30))
        client.write(client.head(1, request()))
        received = 0
        while received < 50_000:
            received += len((await client.until(DataFrame)).data)
        await asyncio.sleep(0.2)
        assert received == 50_000
        assert taken[0] < 16 * 1024 * 1024  # what sockets and buffers hold
        backend.script = None
        client.write(client.head(3, request()))
        assert (await client.answer(3))[1] == b"ok"
        client.write(WindowUpdateFrame(1, 2**30))
        while received < size:
            received += len((await client.until(DataFrame, seconds=20)).data)


async def test_an_upload_waits_for_a_backend_that_does_not_read(harness: Harness, backend: Backend) -> None:
    go = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await go.wait()
        left = 40 * 1024 * 1024
        while left and (piece := await reader.read(min(left, 1 << 20))):
            left -= len(piece)
        writer.write(backend.answer)

    backend.script = script
    async with peer(harness.port) as client:
        client.write(client.head(1, request("/a/x", "POST", ("content-length", str(40 * 1024 * 1024))), end=False))
        sent = stalled = 0
        total = 40 * 1024 * 1024
        room = {"left": STREAM_WINDOW}
        reading = asyncio.create_task(_windows(client, room))
        while sent < total:
            if room["left"] < 16_384:
                stalled += 1
                if stalled == 100:
                    assert sent < 24 * 1024 * 1024  # the backend's socket, ours, and one window
                    go.set()
                await asyncio.sleep(0.002)
                continue
            stalled = 0
            room["left"] -= 16_384
            sent += 16_384
            client.write(DataFrame(1, bytes(16_384), flags=["END_STREAM"] if sent >= total else []))
            await client.writer.drain()
        assert go.is_set()
        assert await asyncio.wait_for(reading, 10) == "200"
    [record] = await harness.recorded()
    assert record.request_size == total


async def _windows(client: Peer, room: dict[str, int]) -> str:
    """Count what the gateway lets stream 1 send, until the answer comes."""
    while True:
        begin = await client.reader.readexactly(9)
        body = await client.reader.readexactly(int.from_bytes(begin[:3], "big"))
        stream = int.from_bytes(begin[5:], "big")
        if begin[3] == 8 and stream == 1:
            room["left"] += int.from_bytes(body, "big")
        if begin[3] == 1:
            return dict(client.decoder.decode(body))[":status"]  # type: ignore[no-any-return]


async def test_streams_interleave(harness: Harness, backend: Backend) -> None:
    taken, backend.script = streaming(8 * 1024 * 1024)  # type: ignore[assignment]
    async with peer(harness.port, window=2**20) as client:
        client.write(WindowUpdateFrame(0, 2**30))
        client.write(client.head(1, request()))
        await client.until(DataFrame)
        backend.script = None
        client.write(client.head(3, request()))
        assert (await client.answer(3))[1] == b"ok"
        assert taken[0]
        assert not any("END_STREAM" in each.flags for each in client.frames if each.stream_id == 1)


async def test_a_reset_cancels_the_request(harness: Harness, backend: Backend) -> None:
    gone = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.read()
        gone.set()

    backend.script = script
    async with peer(harness.port) as client:
        client.write(client.head(1, request()))
        await asyncio.sleep(0.1)
        client.write(RstStreamFrame(1, error_code=8))
        async with asyncio.timeout(3):
            await gone.wait()
        backend.script = None
        client.write(client.head(3, request()))
        assert (await client.answer(3))[1] == b"ok"
    records = await harness.recorded(2)
    assert records[0].last_error is not None
    assert records[0].last_error.reason == "ClientConnectionFailure"
    assert records[0].status == 0


async def test_a_request_that_is_reset_at_once_leaves_a_record(harness: Harness) -> None:
    async with peer(harness.port) as client:
        client.write(client.head(1, request()), RstStreamFrame(1, error_code=8))
        [record] = await harness.recorded()
    assert record.last_error is not None


async def test_a_connection_that_ends_cancels_its_requests(harness: Harness, backend: Backend) -> None:
    backend.script = lambda reader, writer: reader.read()  # type: ignore[assignment,return-value]
    async with peer(harness.port) as client:
        for number in range(5):
            client.write(client.head(2 * number + 1, request()))
        await asyncio.sleep(0.1)
    records = await harness.recorded(5)
    assert {each.last_error.reason for each in records if each.last_error} == {"ClientConnectionFailure"}
    assert not harness.server.http2


async def test_a_backend_that_breaks_off_resets_the_stream(harness: Harness, backend: Backend) -> None:
    backend.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(backend.answer)
        await writer.drain()

    backend.script = script
    async with peer(harness.port) as client:
        client.write(client.head(1, request()))
        assert (await client.until(RstStreamFrame)).error_code == 2
        assert not any("END_STREAM" in each.flags for each in client.frames)


async def test_draining_says_so_and_lets_streams_end(harness: Harness, backend: Backend) -> None:
    go = asyncio.Event()

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await go.wait()
        writer.write(backend.answer)
        await writer.drain()

    backend.script = late
    async with peer(harness.port) as client:
        client.write(client.head(1, request()))
        await asyncio.sleep(0.05)
        draining = asyncio.create_task(harness.server.drain(5))
        goaway = await client.until(GoAwayFrame)
        assert (goaway.last_stream_id, goaway.error_code) == (2**31 - 1, 0)
        client.write(client.head(3, request()))  # it was on its way
        goaway = await client.until(GoAwayFrame)
        assert goaway.last_stream_id == 3
        client.write(client.head(5, request()))
        assert (await client.until(RstStreamFrame, stream=5)).error_code == 7
        go.set()
        for _ in range(2):
            assert (await client.until(DataFrame)).data == b"ok"
        assert await draining
        assert await client.until(GoAwayFrame) is None


async def test_time_limits(harness: Harness, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweep is asked with times to come."""
    async with peer(harness.port, greet=False) as client:  # it says nothing after the preface
        client.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        await asyncio.sleep(0.05)
        now = asyncio.get_running_loop().time()
        connection(harness).sweep(now + 11)
        assert await client.outcome() == "goaway 4"
    async with peer(harness.port) as client:  # a head without an end
        client.write(HeadersFrame(1, b"\x82"))
        await asyncio.sleep(0.05)
        connection(harness).sweep(now + 12)
        assert await client.outcome() == "goaway 11"
    async with peer(harness.port) as client:  # nothing to do
        await asyncio.sleep(0.05)
        found = connection(harness)
        found.sweep(now + 80)
        found.sweep(now + 82)
        assert await client.outcome() == "goaway 0"
    async with peer(harness.port) as client:  # a body that does not come
        client.write(client.head(1, request("/a/x", "POST", ("content-length", "9")), end=False), DataFrame(1, b"1"))
        await asyncio.sleep(0.05)
        found = connection(harness)
        found.sweep(now)
        found.sweep(now + 6)
        assert (await client.answer(1))[0][":status"] == "408"
    backend.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + bytes(100_000)
    async with peer(harness.port, window=1000) as client:  # a client that takes nothing
        client.write(client.head(1, request()))
        await client.until(DataFrame)
        await asyncio.sleep(0.05)
        found = connection(harness)
        found.sweep(now)
        found.sweep(now + DEFAULTS.send + 1)
        assert (await client.until(RstStreamFrame)).error_code == 8
    async with peer(harness.port, window=0) as client:  # one that has had no window from the start has as long
        client.write(client.head(1, request()))
        await client.until(HeadersFrame)
        await asyncio.sleep(0.05)
        now, found = asyncio.get_running_loop().time(), connection(harness)
        found.sweep(now)
        found.sweep(now + DEFAULTS.send - 1)
        client.write(PingFrame(0, b"12345678"))
        assert isinstance(await client.until(RstStreamFrame, PingFrame), PingFrame)
        found.sweep(now + DEFAULTS.send + 1)
        assert (await client.until(RstStreamFrame)).error_code == 8


async def test_pings_are_answered_and_status_paths_too(harness: Harness) -> None:
    async with peer(harness.port) as client:
        client.write(PingFrame(0, b"whatever"))
        pong = await client.until(PingFrame)
        assert ("ACK" in pong.flags, pong.opaque_data) == (True, b"whatever")
        client.write(client.head(1, request("/status-0123456789abcdef")))
        assert (await client.answer(1))[1] == b'{"status": "ready"}'
    assert not harness.journal.records
