"""send-request on real sockets: what it may call, what it gets back, and a client that goes away meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sidecar_harness import Backend, Harness, open_api, policy

from proxy.adapters.errands import BackgroundErrands
from proxy.adapters.reach import Reach
from proxy.adapters.transport import HttpTransport
from proxy.ports import Ports


@pytest.fixture
async def other() -> AsyncIterator[Backend]:
    """What policies call."""
    made = Backend(
        answer=b'HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n{"a": 1\r\n1\r\n}\r\n0\r\n\r\n'
    )
    listener = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = listener.sockets[0].getsockname()[1]
    yield made
    listener.close()


@pytest.fixture
async def open_harness(harness: Harness) -> AsyncIterator[Harness]:
    """A sidecar whose policies may call loopback."""
    transport = HttpTransport(reach=Reach(loopback=True))
    errands = BackgroundErrands(transport)
    held = harness.sidecar.ports
    harness.sidecar.ports = Ports(
        transport, held.counters, held.clock, held.journal, held.cache, held.quotas, errands=errands
    )
    yield harness
    await errands.close(1)
    await transport.close()


def asking(other: Backend, more: str = "", around: tuple[str, str] = ("", "")) -> str:
    return f"""<policies><inbound>{around[0]}
      <send-request mode="new" response-variable-name="r" timeout="5">
        <set-url>{other.url}/token?a=b</set-url><set-method>POST</set-method><set-body>grant</set-body>
      </send-request>{around[1]}{more}
      <set-header name="X-A" exists-action="override">
        <value>@(((IResponse)context.Variables["r"]).Body.As&lt;JObject&gt;()["a"].ToString())</value></set-header>
    </inbound></policies>"""


async def test_the_answer_reaches_the_request(open_harness: Harness, backend: Backend, other: Backend) -> None:
    assert not open_harness.configure(*open_api("shop", backend.url), policy("", asking(other)))
    for _ in range(2):
        assert (await open_harness.request("GET", "/shop/x")).status == 200
    assert b"X-A: 1\r\n" in backend.requests[0]
    assert other.requests[0].startswith(b"POST /token?a=b HTTP/1.1\r\n")
    assert other.requests[0].endswith(b"Content-Length: 5\r\n\r\ngrant")
    assert other.connections == 1  # and is kept for the next


async def test_loopback_is_refused_unless_the_setting_says_otherwise(
    harness: Harness, backend: Backend, other: Backend
) -> None:
    assert not harness.configure(*open_api("shop", backend.url), policy("", asking(other)))
    answer = await harness.request("GET", "/shop/x")
    assert answer.status == 500
    assert b"Internal server error" in answer.body
    (record,) = await harness.recorded()
    assert record.last_error is not None
    assert (record.last_error.source, record.last_error.reason) == ("send-request", "BackendConnectionFailure")
    assert "net.client.loopback.allowed" in record.last_error.message
    assert not other.requests
    assert not backend.requests


async def test_a_client_that_goes_away_frees_its_place(open_harness: Harness, backend: Backend, other: Backend) -> None:
    arrived = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        arrived.set()
        await reader.read()

    other.script = silent
    around = ('<limit-concurrency key="k" max-count="1">', "</limit-concurrency>")
    assert not open_harness.configure(*open_api("shop", backend.url), policy("", asking(other, around=around)))
    _, writer = await asyncio.open_connection("127.0.0.1", open_harness.port)
    writer.write(b"GET /shop/x HTTP/1.1\r\nHost: a\r\n\r\n")
    await asyncio.wait_for(arrived.wait(), 3)
    in_flight = open_harness.sidecar.ports.in_flight
    assert in_flight == {"k": 1}
    assert (await open_harness.request("GET", "/shop/x")).status == 429
    writer.close()
    for _ in range(300):
        if not in_flight:
            break
        await asyncio.sleep(0.01)
    assert not in_flight


async def test_a_one_way_request_arrives_after_the_answer(
    open_harness: Harness, backend: Backend, other: Backend
) -> None:
    arrived, go = asyncio.Event(), asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other.seen.append(await reader.readuntil(b"\r\n\r\n"))
        arrived.set()
        await go.wait()
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    other.script = slow
    text = f"""<policies><outbound><send-one-way-request><set-url>{other.url}/hook</set-url></send-one-way-request>
      </outbound></policies>"""
    assert not open_harness.configure(*open_api("shop", backend.url), policy("", text))
    assert (await open_harness.request("GET", "/shop/x")).status == 200
    await asyncio.wait_for(arrived.wait(), 3)
    assert other.requests[0].startswith(b"GET /hook HTTP/1.1\r\n")
    go.set()
