"""WebSocket pass-through with aiohttp at both ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from sidecar_harness import Backend, Harness, api, operation, resource


@pytest.fixture
async def sockets() -> AsyncIterator[str]:
    """A backend that echoes text in capitals and bytes reversed, and closes with 4001 on "bye"."""

    async def handle(incoming: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(protocols=("chat",), max_msg_size=0)
        await ws.prepare(incoming)
        async for message in ws:
            if message.type is aiohttp.WSMsgType.TEXT and message.data == "bye":
                await ws.close(code=4001, message=b"so long")
            elif message.type is aiohttp.WSMsgType.TEXT:
                await ws.send_str(f"{message.data.upper()} {incoming.headers.get('X-Token')}")
            else:
                await ws.send_bytes(message.data[::-1])
        return ws

    app = web.Application()
    app.router.add_get("/ws/{rest:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"ws://127.0.0.1:{runner.addresses[0][1]}/ws"
    await runner.cleanup()


def websocket(url: str) -> list:  # type: ignore[type-arg]
    return [api("live", url, type="websocket"), operation("live", "GET", "/", "onHandshake")]


async def test_text_bytes_ping_subprotocol_and_close_code(harness: Harness, sockets: str) -> None:
    harness.configure(*websocket(sockets))
    url = f"ws://127.0.0.1:{harness.port}/live/room?x=1"
    async with aiohttp.ClientSession() as session:
        ws = await session.ws_connect(url, protocols=("chat",), headers={"X-Token": "t"}, max_msg_size=0)
        assert ws.protocol == "chat"
        await ws.send_str("hello")
        assert await ws.receive_str(timeout=2) == "HELLO t"
        await ws.ping(b"p")
        block = bytes(range(256)) * 8192  # 2 MiB
        await ws.send_bytes(block)
        assert await ws.receive_bytes(timeout=5) == block[::-1]
        assert not harness.journal.records
        await ws.send_str("bye")
        message = await ws.receive(timeout=2)
        assert (message.type, message.data, message.extra) == (aiohttp.WSMsgType.CLOSE, 4001, "so long")
    record = (await harness.recorded())[0]
    assert (record.status, record.api_id, record.operation_id) == (101, "live", "onHandshake")
    assert record.last_error is None
    assert record.request_size > len(block)
    assert record.response_size > len(block)


async def test_what_is_no_upgrade_is_404_on_a_websocket_api(harness: Harness, sockets: str) -> None:
    harness.configure(*websocket(sockets))
    assert (await harness.request("GET", "/live/room")).status == 404


async def test_an_upgrade_of_an_http_api_is_an_ordinary_request(harness: Harness, backend: Backend) -> None:
    harness.configure(api("plain", backend.url), operation("plain", "GET", "/*"))
    head = b"GET /plain/x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    head += b"GET /plain/y HTTP/1.1\r\n\r\n"
    data = await harness.raw(head, timeout=2)
    assert data.startswith(b"HTTP/1.1 200 OK")
    assert b"upgrade" not in backend.requests[0].lower()
    assert len(backend.requests) == 1


async def test_a_101_with_a_wrong_accept_is_refused(harness: Harness, backend: Backend) -> None:
    backend.answer = (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: nonsense\r\n\r\n"
    )
    harness.configure(*websocket(backend.url.replace("http", "ws")))
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    answer = await harness.request("GET", "/live/x", {**headers, "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
    assert answer.status == 500


async def test_a_backend_that_refuses_the_handshake_is_heard(harness: Harness, backend: Backend) -> None:
    backend.answer = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"
    harness.configure(*websocket(backend.url.replace("http", "ws")))
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(f"ws://127.0.0.1:{harness.port}/live/")
    assert refused.value.status == 403


async def test_the_backend_hears_of_a_client_that_vanished(harness: Harness, backend: Backend) -> None:
    gone = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        )
        await reader.read()
        gone.set()

    backend.script = script
    harness.configure(*websocket(backend.url.replace("http", "ws")))
    reader, writer = await asyncio.open_connection("127.0.0.1", harness.port)
    writer.write(
        b"GET /live HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    writer.transport.abort()
    await asyncio.wait_for(gone.wait(), 2)
    assert (await harness.recorded())[0].status == 101


async def test_subscriptions_of_a_graphql_api_are_passed_through(harness: Harness, sockets: str) -> None:
    """Its backend has an address of http; without one, the handshake is refused in the words of GraphQL."""
    kind = "application/vnd.ms-azure-apim.graphql.schema"
    schema = {"contentType": kind, "document": {"value": "type Query { a: Int } type Subscription { b: Int }"}}
    resolver = {"displayName": "a", "path": "Query/a"}
    harness.configure(
        api("through", f"{sockets.replace('ws://', 'http://')}/g", type="graphql"),
        resource("/apis/through/schemas/graphql", schema),
        resource("/apis/through/resolvers/a", resolver),
        resource(
            "/apis/made", {"displayName": "made", "path": "made", "type": "graphql", "subscriptionRequired": False}
        ),
        resource("/apis/made/schemas/graphql", schema),
    )
    gateway = f"ws://127.0.0.1:{harness.port}"
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(f"{gateway}/through", protocols=("chat",)) as ws:
            await ws.send_str('{"type":"connection_init"}')
            assert (await ws.receive_str(timeout=2)).startswith('{"TYPE"')
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(f"{gateway}/made")
        assert refused.value.status == 400
