"""Our own vectors against a real sidecar; `make wire` tries more of them, and on more ports."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.wire.frames import table, try_frames
from tests.wire.gateway import gateway
from tests.wire.run import over_http2, ports, try_all
from tests.wire.vectors import own

pytestmark = pytest.mark.e2e


async def test_our_vectors() -> None:
    vectors = [each for each in own() if each.to != "upstream" or not each.half_close]
    async with gateway() as made:
        wrong = await try_all(ports(made)["plain"], made, vectors)
        wrong |= await try_frames(made, table(), over_http2(made)["tls"])
    assert not wrong, json.dumps(wrong, indent=1)


async def test_limits_are_what_the_settings_say() -> None:
    settings = {
        "net.server.limits.request-line": "300",
        "net.server.limits.header-field": "400",
        "net.server.limits.header-count": "10",
        "net.server.limits.headers": "1024",
        "net.server.limits.connections": "2",
        "net.server.timeout.headers": "1",
    }
    many = b"".join(b"X-%d: %b\r\n" % (number, b"a" * 300) for number in range(4))
    odd = {
        b"GET /" + b"a" * 300 + b" HTTP/1.1\r\nHost: h\r\n\r\n": b"414",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 410 + b"\r\n\r\n": b"431",
        b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X: a\r\n" * 10 + b"\r\n": b"431",
        b"GET / HTTP/1.1\r\nHost: h\r\n" + many + b"\r\n": b"431",
        b"GET / HTTP/1.1\r\n": b"408",
        b"GET /" + b"a" * 200 + b" HTTP/1.1\r\nHost: h\r\n\r\n": b"200",
    }  # fmt: skip
    async with gateway(**settings) as made:
        for sent, status in odd.items():
            reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
            writer.write(sent)
            answer = await asyncio.wait_for(reader.read(20), 5)
            assert answer[9:12] == status, (sent[:40], answer)
            writer.transport.abort()
        await asyncio.sleep(0.3)  # until the gateway has heard that those are gone
        held = [await asyncio.open_connection("127.0.0.1", made.port) for _ in range(2)]
        reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
        assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 503 ")
        for _, each in (*held, (reader, writer)):
            each.transport.abort()
        async with asyncio.timeout(20):
            while "_OTHER" not in made.log.read_text():  # noqa: ASYNC110 (what never was a request is recorded)
                await asyncio.sleep(0.1)
