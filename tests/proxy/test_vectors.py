"""Hostile and odd bytes from the shared vectors: towards the server, on the backend's wire, and from a backend."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from sidecar_harness import FORWARD, Backend, Harness, operation, policy
from sidecar_harness import api as api_resource

METHODS = ("GET", "HEAD", "POST", "OPTIONS")
QUIET = 0.25  # seconds without a byte after which an answer is taken as all there is


def piece(segment: dict[str, Any]) -> bytes:
    if "generator" in segment:
        return gzip.compress(b"\0" * segment["n"], 9)
    text = segment["text"] if "text" in segment else segment["repeat"] * segment["n"]
    return text.encode("ascii").decode("unicode_escape").encode("latin-1")


def payload(vector: dict[str, Any]) -> bytes:
    return b"".join(piece(each) for each in vector["segments"])


def vectors(shared: Path, layer: str) -> list[dict[str, Any]]:
    listed = json.loads((shared / "http-vectors.json").read_text())["vectors"]
    return [each for each in listed if each["layer"] == layer]


async def talk(harness: Harness, data: bytes, half_close: bool) -> tuple[bytes, bool]:
    """What came back until silence, and whether the gateway closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", harness.port)
    received, closed = b"", False
    try:
        writer.write(data)
        if half_close:
            writer.write_eof()
        while True:
            async with asyncio.timeout(QUIET):
                chunk = await reader.read(65536)
            if not chunk:
                closed = True
                break
            received += chunk
    except TimeoutError:
        pass
    except ConnectionError:
        closed = True
    finally:
        writer.close()
    return received, closed


def everything(harness: Harness, backend: Backend) -> None:
    harness.configure(
        api_resource("all", backend.url, path=""),
        *(operation("all", method, "/*") for method in METHODS),
        policy("", FORWARD),
    )


async def judge_server(harness: Harness, backend: Backend, vector: dict[str, Any]) -> str:
    backend.seen.clear()
    received, closed = await talk(harness, payload(vector), vector["half_close_after_send"])
    seen = list(backend.requests)
    if any(each.split()[1] == b"/canary" for each in seen):
        return f"the canary was dispatched: {seen}"
    if re.findall(rb"HTTP/1\.1 5(?!01|05)\d\d", received):
        return f"a server error: {received[:200]!r}"
    if vector["expected"] == "reject":
        return f"was dispatched: {seen[0][:120]!r}" if seen else ""
    refused = not seen and (closed or received.startswith(b"HTTP/1.1 4"))
    if refused and vector["reject_also_ok"]:
        return ""
    if not seen:
        return f"was refused: {received[:200]!r}"
    if vector["expect_requests"] is not None and len(seen) != vector["expect_requests"]:
        return f"{len(seen)} requests were dispatched instead of {vector['expect_requests']}"
    if vector["expect_path"] and seen[0].split()[1].decode() != vector["expect_path"]:
        return f"path {seen[0].split()[1]!r}"
    if vector["expect_body"] is not None and not seen[0].endswith(b"\r\n\r\n" + vector["expect_body"].encode()):
        return f"body {seen[0]!r}"
    return "" if closed or not vector["must_close"] else "the connection stayed open"


async def test_bytes_towards_the_server(harness: Harness, backend: Backend, shared: Path) -> None:
    everything(harness, backend)
    wrong = {}
    for vector in vectors(shared, "server"):
        if problem := await judge_server(harness, backend, vector):
            wrong[f"{vector['id']} {vector['name']}"] = problem
    assert not wrong, json.dumps(wrong, indent=1)


async def test_bytes_on_the_backends_wire(harness: Harness, backend: Backend, shared: Path) -> None:
    everything(harness, backend)
    wrong = {}
    for vector in vectors(shared, "proxy"):
        backend.seen.clear()
        received, _ = await talk(harness, payload(vector), vector["half_close_after_send"])
        wire = b"".join(backend.requests).decode("latin-1")
        if not wire and received.startswith(b"HTTP/1.1 4") and vector["reject_also_ok"]:
            continue
        if any(re.search(bad, wire) for bad in vector["wire_forbid_regex"]) or not all(
            re.search(good, wire) for good in vector["wire_require_regex"]
        ):
            wrong[f"{vector['id']} {vector['name']}"] = wire or received.decode("latin-1")
    assert not wrong, json.dumps(wrong, indent=1)


async def test_bytes_from_a_backend(harness: Harness, backend: Backend, shared: Path) -> None:
    everything(harness, backend)
    wrong = {}
    for vector in vectors(shared, "upstream"):
        if vector["id"] == "U-26":
            continue
        data = payload(vector)

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes = data) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(data)
            await writer.drain()

        backend.script = script
        received, closed = await talk(harness, b"GET /u HTTP/1.1\r\nHost: h\r\n\r\n", False)
        received = re.sub(rb"^(?:HTTP/1\.1 1[^\r]*\r\n(?:[^\r]+\r\n)*\r\n)*", b"", received)  # those pass
        text = received.decode("latin-1")
        problem = ""
        if vector["expected"] == "reject":
            complete = received.startswith(b"HTTP/1.1 2") and not (closed and not _whole(received))
            problem = text if complete else ""
        elif received.startswith(b"HTTP/1.1 500") and vector["reject_also_ok"]:
            continue
        elif not received.startswith(b"HTTP/1.1 "):
            problem = "nothing"
        elif any(re.search(bad, text) for bad in vector["wire_forbid_regex"]):
            problem = text
        if problem or received.count(b"HTTP/1.1 ") > 1:
            wrong[f"{vector['id']} {vector['name']}"] = problem or text
    assert not wrong, json.dumps(wrong, indent=1)


def _whole(received: bytes) -> bool:
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return len(body) == int(length[1]) if length else body.endswith(b"0\r\n\r\n")


async def test_a_gzip_bomb_passes_through_as_it_is(harness: Harness, backend: Backend) -> None:
    bomb = gzip.compress(b"\0" * (20 * 1024 * 1024), 9)
    backend.answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb
    everything(harness, backend)
    answer = await harness.request("GET", "/u")
    assert (answer.header("Content-Encoding"), answer.body) == ("gzip", bomb)


@pytest.mark.parametrize(
    ("extra", "status"),
    [
        (b"X-A: " + b"a" * 9000, 431),
        (b"\r\n".join(b"X-%d: 1" % i for i in range(120)), 431),
        (b"\r\n".join(b"X-%d: " % i + b"a" * 4000 for i in range(20)), 431),
    ],
)
async def test_too_much_of_a_head(harness: Harness, backend: Backend, extra: bytes, status: int) -> None:
    everything(harness, backend)
    received, closed = await talk(harness, b"GET / HTTP/1.1\r\nHost: h\r\n" + extra + b"\r\n\r\n", False)
    assert received.startswith(b"HTTP/1.1 %d " % status)
    assert closed


async def test_a_long_request_line(harness: Harness, backend: Backend) -> None:
    everything(harness, backend)
    received, closed = await talk(harness, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", False)
    assert received.startswith(b"HTTP/1.1 414 ")
    assert closed
