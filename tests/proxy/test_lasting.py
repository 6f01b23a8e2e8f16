"""Caches and quotas on real sockets: streamed responses are kept, configurations change, bytes are counted."""

from __future__ import annotations

import asyncio

from sidecar_harness import FORWARD, Backend, Harness, open_api, policy

CACHING = (
    "<policies><inbound><base/><cache-lookup vary-by-developer='false' vary-by-developer-groups='false'"
    " downstream-caching-type='{}'/></inbound><outbound><cache-store duration='60'/><base/></outbound></policies>"
)
QUOTA = (
    "<policies><inbound><base/><quota-by-key bandwidth='{}' renewal-period='0' counter-key='k'/></inbound></policies>"
)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-B: 1\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"


async def test_a_chunked_response_is_kept_and_outlives_a_configuration(harness: Harness, backend: Backend) -> None:
    backend.answer = CHUNKED
    base = [*open_api("a", backend.url), policy("", FORWARD)]
    assert not harness.configure(*base, policy("/apis/a", CACHING.format("none")))
    first = await harness.request("GET", "/a/x?q=1")
    assert first.body == b"abcde"
    assert not harness.configure(*base, policy("/apis/a", CACHING.format("public")))
    second = await harness.request("GET", "/a/x?q=1")
    assert (second.status, second.body, second.header("X-B")) == (200, b"abcde", "1")
    assert second.header("Cache-Control") in (
        "public, max-age=60, must-revalidate",
        "public, max-age=59, must-revalidate",
    )
    assert len(backend.requests) == 1
    assert [each.cache for each in await harness.recorded(2)] == ["miss", "hit"]


async def test_a_response_that_breaks_off_is_not_kept(harness: Harness, backend: Backend) -> None:
    backend.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n" + b"x" * 300_000

    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        backend.seen.append(b"seen")
        writer.write(backend.answer)
        await writer.drain()

    backend.script = break_off
    harness.configure(*open_api("a", backend.url), policy("", FORWARD), policy("/apis/a", CACHING.format("none")))
    for _ in range(2):
        await harness.raw(f"GET /a/x HTTP/1.1\r\nHost: h:{harness.port}\r\nConnection: close\r\n\r\n".encode())
    assert len(backend.requests) == 2
    assert [each.cache for each in await harness.recorded(2)] == ["miss", "miss"]


async def test_bandwidth_counts_both_bodies_and_outlives_a_configuration(harness: Harness, backend: Backend) -> None:
    backend.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n" + b"x" * 600
    base = [*open_api("a", backend.url), policy("", FORWARD)]
    harness.configure(*base, policy("/apis/a", QUOTA.format(1)))
    answers = [(await harness.request("POST", "/a/x", body=b"y" * 300)).status for _ in range(2)]
    assert answers == [200, 200]
    refused = await harness.request("POST", "/a/x", body=b"y" * 300)
    assert refused.status == 403
    assert refused.body == b'{ "statusCode": 403, "message": "Out of bandwidth quota." }'
    assert not harness.configure(*base, policy("/apis/a", QUOTA.format(1) + "<!-- changed -->"))
    assert (await harness.request("GET", "/a/x")).status == 403
    assert not harness.configure(*base, policy("/apis/a", QUOTA.format(2)))
    assert (await harness.request("GET", "/a/x")).status == 200


async def test_an_event_stream_of_tokens_arrives_as_it_comes_and_is_counted(harness: Harness, backend: Backend) -> None:
    go_on = asyncio.Event()
    first, last = b'data: {"choices":[]}\n\n', b'data: {"usage":{"total_tokens":50}}\n\ndata: [DONE]\n\n'

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head + b"%x\r\n%b\r\n" % (len(first), first))
        await writer.drain()
        await go_on.wait()
        writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(last), last))
        await writer.drain()

    backend.script = speak
    limit = '<llm-token-limit counter-key="k" tokens-per-minute="50" estimate-prompt-tokens="false"/>'
    text = f"<policies><inbound><base/>{limit}</inbound></policies>"
    harness.configure(*open_api("a", backend.url), policy("", FORWARD), policy("/apis/a", text))
    reader, writer = await asyncio.open_connection("127.0.0.1", harness.port)
    writer.write(b"GET /a/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    async with asyncio.timeout(3):
        assert (await reader.readuntil(first)).startswith(b"HTTP/1.1 200")
        go_on.set()
        assert last in await reader.read()
    writer.close()
    refused = await harness.request("GET", "/a/x")
    assert refused.status == 429
    assert b"Token limit is exceeded. Try again in" in refused.body
