"""What answers of backends become, in one piece and byte by byte, and whether their connection may be used again.

The worst that can happen on a pooled connection is that the next request gets what belongs to the one before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
from sidecar_harness import Backend

from proxy.adapters.backend import MAX_HEAD
from proxy.adapters.transport import SWEEP, HttpTransport
from proxy.errors import BackendConnectionFailure, BackendTimeout
from proxy.messages import Body, Headers, Url
from proxy.ports import Outgoing


class Case(NamedTuple):
    """`status` 0: a connection failure. `body` None: it breaks off. `kept`: the next request comes over the same
    connection."""

    answer: bytes
    status: int = 200
    body: bytes | None = b""
    kept: bool = False
    method: str = "GET"
    closes: bool = False


OK = b"HTTP/1.1 200 OK\r\n"
CASES = {
    "length": Case(OK + b"Content-Length: 3\r\n\r\nabc", body=b"abc", kept=True),
    "no body": Case(OK + b"Content-Length: 0\r\n\r\n", kept=True),
    "chunks": Case(OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", body=b"abc", kept=True),
    "chunk extensions": Case(
        OK + b'Transfer-Encoding: chunked\r\n\r\n3;x=1;y="2"\r\nabc\r\n0;z\r\n\r\n', body=b"abc", kept=True
    ),
    "trailers": Case(
        OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: 1\r\nY:\r\n\r\n", body=b"abc", kept=True
    ),
    "to the end": Case(OK + b"\r\nabc", body=b"abc", closes=True),
    "to the end, empty": Case(OK + b"\r\n", closes=True),
    "HTTP/1.0": Case(b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", body=b"abc"),
    "HTTP/1.0 that stays": Case(
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc", body=b"abc", kept=True
    ),
    "that closes": Case(OK + b"Connection: close\r\nContent-Length: 3\r\n\r\nabc", body=b"abc"),
    "too short": Case(OK + b"Content-Length: 4\r\n\r\nabc", body=None, closes=True),
    "chunks that end early": Case(OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nabc", body=None, closes=True),
    "chunks without their last line": Case(
        OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", body=None, closes=True
    ),
    "a chunk of no size": Case(OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\nabc", body=None),
    "a byte more": Case(OK + b"Content-Length: 3\r\n\r\nabcd", body=b"abc"),
    "an answer more": Case(OK + b"Content-Length: 3\r\n\r\nabc" + OK + b"Content-Length: 6\r\n\r\npoison", body=b"abc"),
    "a part of an answer more": Case(OK + b"Content-Length: 3\r\n\r\nabc" + OK, body=b"abc"),
    "chunks and an answer more": Case(
        OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + OK + b"Content-Length: 6\r\n\r\npoison"
    ),
    "HEAD": Case(OK + b"Content-Length: 3\r\n\r\n", method="HEAD", kept=True),
    "HEAD, chunked": Case(OK + b"Transfer-Encoding: chunked\r\n\r\n", method="HEAD", kept=True),
    "HEAD with a body": Case(OK + b"Content-Length: 6\r\n\r\npoison", method="HEAD"),
    "HEAD with chunks": Case(OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", method="HEAD"),
    "204": Case(b"HTTP/1.1 204 No Content\r\n\r\n", 204, kept=True),
    "204 with a length": Case(b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", 204, kept=True),
    "204 with a body": Case(b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc", 204),
    "304 with the length of what it is not": Case(
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", 304, kept=True
    ),
    "304 with an answer more": Case(
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 50\r\n\r\n" + OK + b"Content-Length: 1\r\n\r\nx", 304
    ),
    "103 first": Case(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n", kept=True),
    "100 that nobody asked for": Case(
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 1\r\n\r\na", body=b"a", kept=True
    ),
    "103 with a body": Case(
        b"HTTP/1.1 103 Early\r\nContent-Length: 5\r\n\r\nhello" + OK + b"Content-Length: 1\r\n\r\na", 0
    ),
    "103 with chunks": Case(
        b"HTTP/1.1 103 Early\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + OK + b"Content-Length: 1\r\n\r\na", 0
    ),
    "101 that nobody asked for": Case(
        b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nGET /", 0
    ),
    "101 without an upgrade": Case(b"HTTP/1.1 101 Switching\r\n\r\nabc", 0),
    "a status below 100": Case(b"HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n", 0),
    "a status that is none": Case(b"HTTP/1.1 OK\r\n\r\n", 0),
    "two lengths": Case(OK + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 0),
    "length and chunks": Case(OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 0),
    "two codings": Case(OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 0),
    "a coding that is not chunked": Case(OK + b"Transfer-Encoding: gzip\r\n\r\nabc", 0, closes=True),
    "a signed length": Case(OK + b"Content-Length: +3\r\n\r\nabc", 0),
    "a folded line": Case(OK + b"X: 1\r\n 2\r\nContent-Length: 0\r\n\r\n", 0),
    "no answer": Case(b"", 0, closes=True),
    "a part of a head": Case(OK + b"Content-Le", 0, closes=True),
    "another protocol": Case(b"SSH-2.0-x\r\n", 0),
    "HTTP/2's settings": Case(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00", 0),
}


@pytest.fixture
async def transport() -> AsyncIterator[HttpTransport]:
    made = HttpTransport()
    yield made
    await made.close()


def outgoing(backend: Backend, method: str = "GET", path: str = "/", timeout: float = 3.0) -> Outgoing:
    return Outgoing(method, Url("http", "127.0.0.1", backend.port, path), Headers(), Body(), timeout=timeout)


@pytest.mark.parametrize("piece", [1, 1 << 20], ids=["bytes", "whole"])
@pytest.mark.parametrize("name", CASES)
async def test_answers(transport: HttpTransport, backend: Backend, name: str, piece: int) -> None:
    case = CASES[name]

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            if b" /next " in head:
                writer.write(OK + b"Content-Length: 4\r\n\r\nnext")
                continue
            for at in range(0, len(case.answer), piece):
                writer.write(case.answer[at : at + piece])
                await asyncio.sleep(0)
            if case.closes:
                return

    backend.script = script
    request = outgoing(backend, case.method)
    if not case.status:
        with pytest.raises(BackendConnectionFailure):
            await transport.send(request)
    elif case.body is None:
        with pytest.raises(BackendConnectionFailure):  # at the latest where the body breaks off
            await (await transport.send(request)).body.read()
    else:
        response = await transport.send(request)
        assert response.status == case.status
        assert await response.body.read() == case.body
        if name == "trailers":
            assert list((response.body.trailers or {}).items()) == [("X", "1"), ("Y", "")]
    await asyncio.sleep(0.02 if piece == 1 else 0)  # what is too much has come too
    after = await transport.send(outgoing(backend, path="/next"))
    assert (after.status, await after.body.read()) == (200, b"next")
    assert backend.connections == (1 if case.kept else 2)


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"", b"X: " + b"x" * 65536 + b"\r\n"),
        (b"X: ", b"x" * 65536),
        (b"HTTP/1.1 200 ", b"x" * 65536),
        (b"", b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n" * 1000),
    ],
    ids=["fields", "a field", "a reason", "early hints"],
)
async def test_a_head_without_an_end_is_given_up(
    transport: HttpTransport, backend: Backend, begin: bytes, more: bytes
) -> None:
    sent = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(begin if begin.startswith(b"HTTP") or more.startswith(b"HTTP") else OK + begin)
        while sent < 64 * MAX_HEAD:
            sent += len(more)
            writer.write(more)
            await writer.drain()

    backend.script = script
    with pytest.raises(BackendConnectionFailure, match="not valid"):
        await transport.send(outgoing(backend))
    assert sent < 32 * MAX_HEAD  # what the kernel holds is among it


async def test_trailers_without_an_end_are_given_up(transport: HttpTransport, backend: Backend) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: ")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    backend.script = script
    response = await transport.send(outgoing(backend))
    with pytest.raises(BackendConnectionFailure, match="not valid"):
        await response.body.read()


async def test_a_retry_takes_a_new_connection(transport: HttpTransport, backend: Backend) -> None:
    """All that wait in a pool may have died at once."""
    gate, dead = asyncio.Event(), False

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answered = 0
        while await reader.readuntil(b"\r\n\r\n"):
            if dead and answered:
                writer.transport.abort()  # as a load balancer that has forgotten the connection
                return
            await gate.wait()
            answered += 1
            writer.write(OK + b"Content-Length: 0\r\n\r\n")

    backend.script = script
    waiting = [asyncio.create_task(transport.send(outgoing(backend))) for _ in range(3)]
    await asyncio.sleep(0.05)
    gate.set()
    assert [(await each).status for each in waiting] == [200] * 3
    assert backend.connections == 3
    dead = True
    assert (await transport.send(outgoing(backend))).status == 200
    assert backend.connections == 4


@pytest.mark.parametrize(
    ("method", "body", "tries"),
    [("GET", b"", 2), ("PUT", b"x", 2), ("DELETE", b"", 2), ("POST", b"x", 1), ("PATCH", b"x", 1)],
)
async def test_what_is_tried_again(
    transport: HttpTransport, backend: Backend, method: str, body: bytes, tries: int
) -> None:
    dead, tried = False, 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal tried
        while await reader.readuntil(b"\r\n\r\n"):
            tried += dead
            if dead:
                return
            writer.write(OK + b"Content-Length: 0\r\n\r\n")

    backend.script = script
    assert (await transport.send(outgoing(backend))).status == 200
    dead = True
    request = outgoing(backend, method)
    request.body = Body(body)
    with pytest.raises(BackendConnectionFailure):
        await transport.send(request)
    assert tried == tries


async def test_a_new_connection_that_dies_is_not_tried_again(transport: HttpTransport, backend: Backend) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    backend.script = script
    with pytest.raises(BackendConnectionFailure):
        await transport.send(outgoing(backend))
    assert backend.connections == 1


async def test_what_comes_while_nobody_asked_ends_the_connection(transport: HttpTransport, backend: Backend) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"Content-Length: 0\r\n\r\n")
        await asyncio.sleep(0.02)
        writer.write(OK + b"Content-Length: 6\r\n\r\npoison")
        await reader.read()

    backend.script = script
    assert (await transport.send(outgoing(backend))).status == 200
    await asyncio.sleep(0.05)
    assert await (await transport.send(outgoing(backend))).body.read() == b""
    assert backend.connections == 2


@pytest.mark.parametrize("timeout", [0.2, 1.0])
async def test_a_timeout_is_kept(transport: HttpTransport, backend: Backend, timeout: float) -> None:
    """By a timer, or by the sweep: at most SWEEP later, on a machine that has the time."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    backend.script = script
    loop = asyncio.get_running_loop()
    begun = loop.time()
    with pytest.raises(BackendTimeout):
        await transport.send(outgoing(backend, timeout=timeout))
    took = loop.time() - begun
    print(f"a timeout of {timeout} s came after {took:.3f} s")
    assert timeout <= took < timeout + SWEEP + 1
