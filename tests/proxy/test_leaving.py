"""Clients that leave at every wait of a request: one record, nothing in flight, and everything is given back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from sidecar_harness import Backend, Harness, open_api, policy

from proxy.adapters.reach import Reach
from proxy.adapters.transport import HttpTransport

GET = b"GET /a/x HTTP/1.1\r\nHost: h\r\n\r\n"
SECTIONS = (
    "<policies><inbound>{inbound}</inbound><backend>{backend}</backend><outbound>{outbound}</outbound><on-error/>"
    "</policies>"
)
FORWARD = '<forward-request timeout="9"/>'
CALL = '<send-request mode="new" response-variable-name="r" timeout="9"><set-url>{url}/hang</set-url></send-request>'
CALL_TWO = CALL.replace('"r"', '"s"')

# what the client waits in, and what it sends before it leaves
WAITS = {
    "head": ({"backend": FORWARD}, GET.replace(b"/x", b"/hang")),
    "stream": ({"backend": FORWARD}, GET.replace(b"/x", b"/stream")),
    "upload": (
        {"backend": FORWARD},
        b"POST /a/hang HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc",
    ),
    "in pieces": ({"backend": FORWARD}, GET.replace(b"/x", b"/hang")),
    "send-request": ({"inbound": CALL, "backend": FORWARD}, GET),
    "wait": ({"inbound": f'<wait for="all">{CALL}{CALL_TWO}</wait>', "backend": FORWARD}, GET),
    "retry": (
        {
            "backend": '<retry condition="@(context.Response.StatusCode == 200)" count="5" interval="9">'
            '<forward-request timeout="9"/></retry>'
        },
        GET,
    ),
    "limit-concurrency": (
        {"inbound": '<limit-concurrency key="k" max-count="1">' + CALL + "</limit-concurrency>", "backend": FORWARD},
        GET,
    ),
    "a call with an answer in hand": ({"backend": FORWARD, "outbound": CALL}, GET.replace(b"/x", b"/stream")),
}


@pytest.fixture
async def harness(harness: Harness) -> AsyncIterator[Harness]:
    """One whose policies may call loopback."""
    held, harness.transport = harness.transport, HttpTransport(reach=Reach(loopback=True))
    harness.sidecar.ports = replace(harness.sidecar.ports, transport=harness.transport)
    yield harness
    await harness.transport.close()
    harness.transport = held


@pytest.mark.parametrize("name", WAITS)
async def test_a_client_that_leaves(harness: Harness, backend: Backend, name: str) -> None:
    open_at_backend = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_at_backend
        open_at_backend += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if b"/hang" in head:
                    await reader.read()
                elif b"/stream" in head:
                    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
                    await reader.read()
                else:
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        finally:
            open_at_backend -= 1

    backend.script = script
    sections, data = WAITS[name]
    text = SECTIONS.format(**{"inbound": "", "backend": "", "outbound": "", **sections}).replace("{url}", backend.url)
    issues = harness.configure(*open_api("a", backend.url), policy("/apis/a", text))
    assert not issues
    for _ in range(2):  # the second finds nothing of the first
        _, writer = await asyncio.open_connection("127.0.0.1", harness.port)
        if name == "in pieces":
            writer.write(data[:9])
            await asyncio.sleep(0.01)
            data = data[9:]
        writer.write(data)
        await until(lambda: harness.sidecar.in_flight == 1 and open_at_backend > 0)
        await asyncio.sleep(0.02)
        writer.transport.abort()
        await until(lambda: harness.sidecar.in_flight == 0)
        data = WAITS[name][1]
    records = await harness.recorded(2)
    assert {record.last_error.reason for record in records if record.last_error} == {"ClientConnectionFailure"}
    assert {record.status for record in records} == ({200} if name == "stream" else {0})
    pooled = sum(map(len, harness.transport._pools.values()))
    await until(lambda: open_at_backend == pooled)
    assert not harness.server.connections


async def until(so: Callable[[], bool]) -> None:
    async with asyncio.timeout(3):
        while not so():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


async def test_policies_that_wait_in_many_requests_at_once(harness: Harness, backend: Backend) -> None:
    """wait, send-request and limit-concurrency, run in drives that are entered and left while others wait."""
    text = SECTIONS.format(
        inbound='<limit-concurrency key="k" max-count="50"><wait for="all">'
        + CALL.replace("/hang", "/1")
        + CALL.replace("/hang", "/2").replace('"r"', '"s"')
        + "</wait></limit-concurrency>",
        backend=FORWARD,
        outbound="<set-header name='X-Codes' exists-action='override'><value>@(((IResponse)context.Variables[\"r\"])"
        '.StatusCode + " " + ((IResponse)context.Variables["s"]).StatusCode)</value></set-header>',
    ).replace("{url}", backend.url)
    assert not harness.configure(*open_api("a", backend.url), policy("/apis/a", text))
    answers = await asyncio.gather(*(harness.request("GET", "/a/x") for _ in range(30)))
    assert {(each.status, each.header("X-Codes"), each.body) for each in answers} == {(200, "200 200", b"ok")}
    await harness.recorded(30)
