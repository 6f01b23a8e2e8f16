"""Requests of one connection, in every mix of the two ways (proxy/adapters/connection.py), in pieces and ahead of time.

A target tells what its answer is: the backend echoes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sidecar_harness import Backend, Harness, open_api, policy, read_body

STATUS = b"GET /status-0123456789abcdef HTTP/1.1\r\nHost: h\r\n"


class Client:
    """A connection of a client, and the answers on it one by one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> tuple[int, bytes]:
        """The next answer: its status and its body."""
        async with asyncio.timeout(5):
            head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
            status, body = int(head.split()[1]), b""
            if b"transfer-encoding: chunked" in head:
                while size := int(await self.reader.readuntil(b"\r\n"), 16):
                    body += (await self.reader.readexactly(size + 2))[:-2]
                await self.reader.readexactly(2)
            elif b"content-length:" in head:
                body = await self.reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
            return status, body

    async def ended(self) -> bool:
        """Whether the gateway closes, without another byte."""
        async with asyncio.timeout(5):
            try:
                return await self.reader.read() == b""
            except ConnectionError:
                return True

    async def silent(self, seconds: float = 0.1) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return not await self.reader.read(1)
        except TimeoutError:
            return True


@pytest.fixture
async def client(harness: Harness, backend: Backend) -> AsyncIterator[Client]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            body = await read_body(head, reader)
            target = head.split()[1]
            backend.seen.append(head + body)
            if b"slow" in target:
                await asyncio.sleep(0.1)
            if b"stream" in target:
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                for byte in target + body:
                    writer.write(b"1\r\n%c\r\n" % byte)
                    await asyncio.sleep(0)
                writer.write(b"0\r\n\r\n")
            else:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target + body), target + body))

    backend.script = echo
    harness.configure(*open_api("a", backend.url, ""))
    reader, writer = await asyncio.open_connection("127.0.0.1", harness.port)
    yield Client(reader, writer)
    writer.close()


def get(target: str, fields: str = "") -> bytes:
    return f"GET /{target} HTTP/1.1\r\nHost: h\r\n{fields}\r\n".encode()


def post(target: str, body: bytes, fields: str = "") -> bytes:
    return f"POST /{target} HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n{fields}\r\n".encode() + body


def chunked(target: str, body: bytes) -> bytes:
    head = f"POST /{target} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


@pytest.mark.parametrize("first", ["slow", "slow-stream"])
@pytest.mark.parametrize("whole", [True, False])
async def test_a_part_of_a_body_that_came_early_is_no_request(
    client: Client, backend: Backend, harness: Harness, first: str, whole: bool
) -> None:
    """While one request is served, the head of the next comes, then in a piece of its own what looks like a third."""
    begin = get(first)
    if whole:
        client.send(begin)
    else:
        client.send(begin[:9])
        await asyncio.sleep(0.02)
        client.send(begin[9:])
    await asyncio.sleep(0.02)
    smuggled = get("smuggled")
    head = post("upload", smuggled)[: -len(smuggled)]
    client.send(head[:-1])  # not yet a head
    assert await client.answer() == (200, f"/{first}".encode())
    await asyncio.sleep(0.02)
    client.send(head[-1:] + smuggled)
    assert await client.answer() == (200, b"/upload" + smuggled)
    assert await client.silent()
    assert len(await harness.recorded(2)) == 2
    assert not any(each.startswith(b"GET /smuggled") for each in backend.seen)


@pytest.mark.parametrize("together", [True, False])
async def test_a_head_whose_rest_looks_like_a_request(
    client: Client, backend: Backend, harness: Harness, together: bool
) -> None:
    begin = b"GET /second HTTP/1.1\r\nHost: h\r\nX: a"
    client.send(get("slow") + (begin if together else b""))
    await asyncio.sleep(0.02)
    client.send(b"" if together else begin)
    assert await client.answer() == (200, b"/slow")
    await asyncio.sleep(0.02)
    client.send(get("smuggled"))
    assert (await client.answer())[0] == 400  # a second Host
    assert await client.ended()
    assert len(backend.seen) == 1
    assert not any("smuggled" in record.url for record in harness.journal.records)


async def test_a_body_that_the_status_page_does_not_read_is_no_request(client: Client, harness: Harness) -> None:
    smuggled = get("smuggled")
    client.send(STATUS + b"Content-Length: %d\r\n\r\n" % len(smuggled))
    assert (await client.answer())[0] == 200
    client.send(smuggled)
    assert await client.ended()
    assert not harness.journal.records


async def test_all_mixes_are_answered_in_order(client: Client, harness: Harness) -> None:
    requests = {
        "whole": get("a"), "slow": get("slow-b"), "stream": get("stream-c"), "upload": post("d", b"body"),
        "chunks": chunked("stream-e", b"more"), "expects": post("f", b"x", "Expect: 100-continue\r\n"),
    }  # fmt: skip
    names = [*requests, "slow", "expects", "whole", "whole", "chunks", "slow", "upload", "stream", "upload", "whole"]
    expected = [
        requests[name].split()[1] + {"upload": b"body", "chunks": b"more", "expects": b"x"}.get(name, b"")
        for name in names
    ]
    data = b"".join(requests[name] for name in names)
    for size in (len(data), 97, 40):
        for at in range(0, len(data), size):
            client.send(data[at : at + size])
            await asyncio.sleep(0.002)
        got: list[bytes] = []
        while len(got) < len(names):
            status, body = await client.answer()
            if status != 100:
                assert status == 200
                got.append(body)
        assert got == expected
    await harness.recorded(3 * len(names))


async def test_the_short_way_is_taken_again_behind_what_came_in_pieces(client: Client, harness: Harness) -> None:
    """Not a matter of right and wrong, but of what a request costs."""
    [connection] = harness.server.connections

    async def short() -> bool:
        client.send(get("slow"))
        await asyncio.sleep(0.03)
        driven = connection._drive is not None
        assert (await client.answer())[1] == b"/slow"
        return driven

    assert await short()
    for request in (get("a"), post("a", b"x" * 20), post("a", b"\r\n\r\n"), chunked("stream", b"abc")):
        client.send(request[:-10])
        await asyncio.sleep(0.02)
        client.send(request[-10:])
        await client.answer()
        assert await short()
    head, body = post("a", b"x" * 20)[:-20], b"x" * 20
    client.send(head)
    await asyncio.sleep(0.02)
    client.send(body)
    await client.answer()
    assert await short()


async def test_who_takes_no_answers_is_served_no_more(harness: Harness) -> None:
    """Whole answers do not wait for the client, so the next request does."""
    harness.configure(
        *open_api("a", "http://127.0.0.1:1", ""),
        policy(
            "/apis/a",
            "<policies><inbound><return-response><set-status code='200'/><set-body>@(new string('x', 500000))"
            "</set-body></return-response></inbound><backend/><outbound/><on-error/></policies>",
        ),
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", harness.port)
    [connection] = harness.server.connections
    for _ in range(60):
        writer.write(get("x"))
        await asyncio.sleep(0.005)
    assert connection.transport is not None
    assert connection.transport.get_write_buffer_size() < 2_000_000
    served = len(harness.journal.records)
    assert served < 40
    for _ in range(60):
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(500000)
    await harness.recorded(60)
    writer.close()


@pytest.mark.parametrize("pause", [0.0, 0.03])
async def test_a_body_whose_chunks_go_wrong_later_is_refused_at_once(
    client: Client, harness: Harness, pause: float
) -> None:
    """aiohttp's parser tells of it, but not to who waits for the body."""
    client.send(b"POST /upload HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    await asyncio.sleep(pause)
    client.send(b"3\r\nabc\r\n")
    await asyncio.sleep(pause)
    client.send(b"no size\r\n")
    async with asyncio.timeout(1):
        status, body = await client.answer()
    assert (status, b"malformed" in body) == (400, True)
    assert await client.ended()
