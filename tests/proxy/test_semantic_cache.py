"""Semantic caching on real sockets: streams are replayed, an external cache is shared, one that is away is a miss."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sidecar_harness import Backend, Harness, open_api, policy, read_body, resource
from test_redis_cache import Redis, cache_at, needs_client, needs_server, until

DOCUMENT = """<policies><inbound><llm-semantic-cache-lookup score-threshold="0.05" embeddings-backend-id="embed"
  embeddings-backend-auth="system-assigned" /></inbound><backend><forward-request /></backend>
  <outbound><llm-semantic-cache-store duration="60" /></outbound></policies>"""


@pytest.fixture
async def embeddings() -> AsyncIterator[Backend]:
    """Prompts with the word "moon" point one way, all others another."""
    made = Backend()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            body = await read_body(head, reader)
            made.seen.append(body)
            numbers = [0.0, 1.0, 0.01] if b"moon" in body else [1.0, 0.0, len(body) / 1e4]
            answer = json.dumps({"data": [{"embedding": numbers}]}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer))

    made.script = script
    listener = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = listener.sockets[0].getsockname()[1]
    yield made
    listener.close()


def configure(harness: Harness, backend: Backend, embeddings: Backend, *more: str) -> None:
    embed = resource("/backends/embed", {"url": f"{embeddings.url}/v1/embeddings", "protocol": "http"})
    others = [resource(name, {}) for name in more]
    assert not harness.configure(*open_api("model", backend.url), policy("/apis/model", DOCUMENT), embed, *others)


async def ask(harness: Harness, text: str, stream: bool = False) -> bytes:
    body = {"messages": [{"role": "user", "content": text}], "stream": stream}
    answer = await harness.request("POST", "/model/chat/completions", body=json.dumps(body).encode())
    assert answer.status == 200
    return answer.body


async def test_a_stream_is_replayed_and_a_configuration_does_not_empty_the_cache(
    harness: Harness, backend: Backend, embeddings: Backend
) -> None:
    events = b'data: {"choices":[{"delta":{"content":"hi"}}]}\n\ndata: [DONE]\n\n'
    backend.answer = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"%x\r\n%b\r\n0\r\n\r\n" % (len(events), events)
    )
    configure(harness, backend, embeddings)
    assert await ask(harness, "How far?", stream=True) == events
    configure(harness, backend, embeddings, "/groups/g")
    assert await ask(harness, "How far is it?", stream=True) == events
    assert len(backend.requests) == 1
    await ask(harness, "How far is it?")  # who wants no stream does not get one that was kept
    await ask(harness, "How far is the moon?", stream=True)
    assert len(backend.requests) == 3


async def test_a_stream_that_breaks_off_is_not_kept(harness: Harness, backend: Backend, embeddings: Backend) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        backend.seen.append(b"call")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")

    backend.script = script
    configure(harness, backend, embeddings)
    message = b'{"prompt":"x","stream":true}'
    for _ in range(2):
        head = b"POST /model/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(message)
        assert b"hello" in await harness.raw(head + message)
    assert len(backend.seen) == 2


@needs_client
@needs_server
async def test_an_external_cache_is_shared_and_may_go_away(
    harness: Harness, backend: Backend, embeddings: Backend, tmp_path: Path
) -> None:
    redis = Redis(tmp_path)
    redis.start()
    configure(harness, backend, embeddings)
    try:
        for calls in (1, 1):  # another sidecar, with a connection of its own
            async with cache_at(redis.port) as cache:
                await until(cache)
                harness.sidecar.ports = replace(harness.sidecar.ports, external_cache=cache)
                assert await ask(harness, "How far?") == b"ok"
                assert await ask(harness, "How far is it?") == b"ok"
            assert len(backend.requests) == calls
        async with cache_at(redis.port) as cache:
            await until(cache)
            harness.sidecar.ports = replace(harness.sidecar.ports, external_cache=cache)
            redis.stop()
            for _ in range(3):
                assert await ask(harness, "How far?") == b"ok"
        assert len(backend.requests) == 4
    finally:
        redis.stop()
