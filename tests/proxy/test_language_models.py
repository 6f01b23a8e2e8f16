"""Streams of language models on real sockets: tokens are counted while events pass as they come; pools and breakers."""

from __future__ import annotations

import asyncio
import json

from sidecar_harness import Backend, Harness, open_api, policy, resource


async def test_events_pass_one_by_one_and_their_tokens_are_in_the_record(harness: Harness, backend: Backend) -> None:
    read = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        writer.write(b'data: {"choices":[{"delta":{"content":"hello"}}]}\n\n')
        await writer.drain()
        await asyncio.wait_for(read.wait(), 3)
        usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
        writer.write(b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\ndata: [DONE]\n\n")

    backend.script = script
    text = (
        '<policies><inbound><llm-emit-token-metric namespace="ns"><dimension name="API ID" /></llm-emit-token-metric>'
        "<base /></inbound><backend><forward-request /></backend></policies>"
    )
    assert not harness.configure(*open_api("model", backend.url), policy("/apis/model", text))
    reader, writer = await asyncio.open_connection("127.0.0.1", harness.port)
    writer.write(b"GET /model/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    await asyncio.wait_for(reader.readuntil(b'"hello"'), 3)  # before the backend has written the rest
    read.set()
    assert b"[DONE]" in await asyncio.wait_for(reader.read(), 3)
    writer.close()
    metrics = (await harness.recorded())[0].metrics
    assert [(each.name, each.value) for each in metrics] == [
        ("Total Tokens", 7.0),
        ("Prompt Tokens", 5.0),
        ("Completion Tokens", 2.0),
    ]
    assert metrics[0].dimensions == (("API ID", "model"),)


async def test_an_open_circuit_outlives_a_new_configuration(harness: Harness, backend: Backend) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()

    backend.script = script
    rule = {
        "name": "r",
        "failureCondition": {"count": 1, "interval": "PT1M", "statusCodeRanges": [{"min": 500, "max": 599}]},
        "tripDuration": "PT1M",
    }
    single = resource("/backends/one", {"url": backend.url, "circuitBreaker": {"rules": [rule]}})
    pool = resource("/backends/pool", {"type": "Pool", "pool": {"services": [{"id": "/backends/one"}]}})
    text = (
        '<policies><inbound><set-backend-service backend-id="pool" /></inbound>'
        "<backend><forward-request /></backend></policies>"
    )
    resources = [*open_api("a", "http://unused.example"), policy("/apis/a", text), single, pool]
    assert not harness.configure(*resources)
    assert (await harness.request("GET", "/a/x")).status == 500
    assert (await harness.request("GET", "/a/x")).status == 503
    assert not harness.configure(*resources, resource("/backends/other", {"url": "http://other.example"}))
    refused = await harness.request("GET", "/a/x")
    assert refused.status == 503
    assert 50 <= int(refused.header("Retry-After") or 0) <= 60
