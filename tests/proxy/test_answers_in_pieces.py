"""What becomes of a backend's answer must not depend on how it is cut into pieces: see test_cuts.py."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sidecar_harness import Backend, Harness, open_api
from test_cuts import MOST, Pipe, settled

from proxy.adapters.backend import BackendConnection
from proxy.adapters.fields import end_to_end
from proxy.adapters.streams import Download
from proxy.errors import GatewayError
from proxy.messages import Headers
from tests.wire.cuts import cuts_of, pieces
from tests.wire.vectors import Vector, own, shared

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
ODD = {
    "another protocol": b"RTSP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "another protocol behind empty lines": b"\r\n\r\nICE/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "another protocol behind an interim answer": INTERIM + b"RTSP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "another version behind an interim answer": INTERIM + b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "a version in another one's reason": b"HTTP/2.0 200 HTTP/1.1 OK\r\nContent-Length: 2\r\n\r\nok",
    "another protocol as a reason": b"HTTP/1.1 200 RTSP/1.0\r\nContent-Length: 2\r\n\r\nok",
    "another protocol as a value": b"HTTP/1.1 200 OK\r\nUpgraded: ICE/1.0\r\nContent-Length: 2\r\n\r\nok",
    "interim answers": INTERIM * 3 + OK,
    "empty values": b"HTTP/1.1 200 OK\r\nX-A:\r\nX-B: \r\nContent-Length: 2\r\n\r\nok",
    "two answers": OK + OK,
    "garbage behind an answer": OK + b"garbage",
    "chunks and trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3;a=b\r\nabc\r\n1\r\nd\r\n0\r\nX-A: 1\r\n\r\n",
    "nothing but trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-A: 1\r\n\r\n",
    "no length": b"HTTP/1.1 200 OK\r\n\r\nabc",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\nabc",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
}


async def outcome(cut: Sequence[bytes], ends: bool, hurry: bool = False, head_only: bool = False) -> Any:
    """The answer as somebody who asked for it gets it, what was told before it, and whether the connection is of use
    behind it; or that it was refused."""
    loop = asyncio.get_running_loop()
    connection = BackendConnection(loop)
    pipe = Pipe(loop, connection)
    connection.connection_made(pipe)
    connection.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", head_only, 0.0)
    told: list[Any] = []
    connection.interim = lambda status, headers: told.append((status, list(headers.items())))
    reading = asyncio.create_task(_read(connection))
    await settled(loop)
    for piece in cut:
        if pipe.closed:
            break
        loop.call_soon(connection.data_received, piece)
        await asyncio.sleep(0)
        if not hurry:
            await settled(loop)
    await settled(loop)
    if ends and not pipe.closed:
        connection.eof_received()
        pipe.close()
        await settled(loop)
    kept = not pipe.closed
    pipe.close()
    await settled(loop)
    try:
        return told, await reading, kept
    except (GatewayError, OSError, aiohttp.ClientError):
        return "refused"


async def _read(connection: BackendConnection) -> Any:
    while not connection.headed:
        if connection.failure is not None:
            raise connection.failure
        await connection.bell
    head = connection.status, connection.reason, list(end_to_end(connection.fields).items())
    trailers, done = Headers(), []

    def finished() -> None:
        done.append(connection.finish())
        if done[0]:
            connection.pool = [connection]

    body = b"".join([part async for part in Download(connection, trailers, None, finished)])
    return head, body, list(trailers.items())


async def differences(name: str, data: bytes, cuts: dict[str, tuple[bytes, ...]], ends: bool) -> dict[str, str]:
    found = {}
    for head_only in (False, True):
        whole = await outcome([data], ends, head_only=head_only)
        for cut, parts in cuts.items():
            for hurry in (False, True):
                got = await outcome(parts, ends, hurry, head_only)
                if got != whole:
                    found[f"{name} {cut}{', in a hurry' * hurry}"] = f"{got}, whole {whole}"
    return found


async def test_odd_answers() -> None:
    found: dict[str, str] = {}
    for name, data in ODD.items():
        cuts = {f"at {at}": pieces(data, [at]) for at in range(1, len(data))}
        found |= await differences(name, data, {**cuts, **cuts_of(data, len(data))}, True)
    assert not found, "\n".join(f"{name}: {problem}" for name, problem in found.items())
    refused = {name for name, data in ODD.items() if await outcome([data], True) == "refused"}
    assert refused == {name for name in ODD if name.startswith("another") and " as a " not in name} | {
        "a version in another one's reason"
    }


@pytest.fixture(scope="module")
def vectors(shared_data: Path) -> list[Vector]:
    return [each for each in (*own(), *shared(shared_data / "http-vectors.json")) if each.to == "upstream"]


async def test_vectors(vectors: list[Vector]) -> None:
    found: dict[str, str] = {}
    for each in vectors:
        if len(each.sent) < 2_000 * MOST:
            found |= await differences(each.id, each.sent, cuts_of(each.sent, 8 * MOST), each.half_close)
    assert not found, "\n".join(f"{name}: {problem}" for name, problem in found.items())


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_answer_known_to_be_broken_is_none(harness: Harness, backend: Backend, method: str) -> None:
    """Its head and what is wrong behind that come in one piece: a client gets an error, not a beginning. A body on its
    way takes the request another way through the gateway."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nno size\r\n")
        await reader.read()

    backend.script = script
    harness.configure(*open_api("a", backend.url, ""))
    fields = "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n" if method == "POST" else "\r\n"
    sent = f"{method} /a HTTP/1.1\r\nHost: h\r\n{fields}".encode()
    answer = await harness.raw(sent, timeout=0.5)
    assert answer.startswith((b"HTTP/1.1 502 ", b"HTTP/1.1 500 ")), answer
    assert b"abc" not in answer
    [record] = await harness.recorded()
    assert record.status >= 500
