"""HTTP proxies on real sockets: plain requests in absolute form, tunnels for TLS, and proxies that say no."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sidecar_harness import Backend, Harness, open_api, policy, resource
from test_transport import certificate, outgoing

from proxy.adapters.reach import Reach
from proxy.adapters.transport import HttpTransport
from proxy.errors import BackendConnectionFailure
from proxy.messages import Url
from proxy.ports import HttpProxy


@pytest.fixture
async def way() -> AsyncIterator[Backend]:
    """A proxy for tunnels; plain requests it answers by itself."""
    made = Backend(answer=b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nproxied")

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            made.seen.append(head)
            if not head.startswith(b"CONNECT "):
                writer.write(made.answer)
                continue
            host, _, port = head.split()[1].decode().rpartition(":")
            there = await asyncio.open_connection(host, int(port))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(_carry(reader, there[1]), _carry(there[0], writer))
            return

    made.script = script
    listener = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = listener.sockets[0].getsockname()[1]
    yield made
    listener.close()


async def _carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while chunk := await source.read(65536):
            sink.write(chunk)
            await sink.drain()
    except ConnectionError:
        pass
    sink.close()


@pytest.fixture
async def transport() -> AsyncIterator[HttpTransport]:
    made = HttpTransport()
    yield made
    await made.close()


async def test_plain_http_is_asked_for_in_absolute_form(
    transport: HttpTransport, backend: Backend, way: Backend
) -> None:
    through = HttpProxy("http", "127.0.0.1", way.port, "Basic dTpw")
    for _ in range(2):
        response = await transport.send(outgoing(backend, path="/a%20b", proxy=through))
        assert await response.body.read() == b"proxied"
    assert way.connections == 1
    head = way.seen[0]
    assert head.startswith(
        f"GET http://127.0.0.1:{backend.port}/a%20b HTTP/1.1\r\nHost: 127.0.0.1:{backend.port}\r\n".encode()
    )
    assert b"Proxy-Authorization: Basic dTpw\r\n" in head
    direct = await transport.send(outgoing(backend))
    assert await direct.body.read() == b"ok"
    other = await transport.send(outgoing(backend, proxy=HttpProxy("http", "127.0.0.1", way.port)))
    assert await other.body.read() == b"proxied"
    assert (way.connections, b"Proxy-Authorization" in way.seen[-1]) == (2, False)


async def test_tls_goes_through_a_tunnel_that_is_kept(
    transport: HttpTransport, backend: Backend, way: Backend, tmp_path: Path
) -> None:
    listener = await asyncio.start_server(backend.serve, "127.0.0.1", 0, ssl=certificate(tmp_path))
    port = listener.sockets[0].getsockname()[1]
    through = HttpProxy("http", "127.0.0.1", way.port, "Basic dTpw")
    for _ in range(2):
        request = outgoing(backend, verify_tls=False, proxy=through)
        request.url = Url("https", "127.0.0.1", port, "/x")
        response = await transport.send(request)
        assert await response.body.read() == b"ok"
    there = f"127.0.0.1:{port}"
    head = f"CONNECT {there} HTTP/1.1\r\nHost: {there}\r\nProxy-Authorization: Basic dTpw\r\n\r\n"
    assert way.seen == [head.encode()]
    assert b"Proxy-Authorization" not in backend.requests[0]
    assert backend.requests[0].startswith(b"GET /x HTTP/1.1\r\n")
    listener.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\nno",
        b"nonsense\r\n\r\n",
        b"",
    ],
)
async def test_a_tunnel_that_is_refused_is_a_connection_failure(
    transport: HttpTransport, backend: Backend, answer: bytes
) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    backend.script = script
    request = outgoing(backend, proxy=HttpProxy("http", "127.0.0.1", backend.port))
    request.url = Url("https", "backend.example", 443)
    with pytest.raises(BackendConnectionFailure):
        await transport.send(request)


async def test_the_calls_of_policies_go_through_no_proxy_they_may_not_call(backend: Backend, way: Backend) -> None:
    transport = HttpTransport(reach=Reach(plain_http=True))
    request = outgoing(backend, guarded=True, proxy=HttpProxy("http", "127.0.0.1", way.port))
    request.url = Url("http", "backend.example", 80)
    with pytest.raises(BackendConnectionFailure, match="loopback"):
        await transport.send(request)
    assert not way.seen
    await transport.close()


async def test_a_document_and_a_backend_entity_may_name_one(harness: Harness, backend: Backend, way: Backend) -> None:
    text = (
        f'<policies><inbound><proxy url="http://127.0.0.1:{way.port}" username="u" password="p" /></inbound></policies>'
    )
    entity = resource(
        "/backends/b", {"url": backend.url, "proxy": {"url": f"http://127.0.0.1:{way.port}", "username": "b"}}
    )
    chosen = '<policies><inbound><set-backend-service backend-id="b" /></inbound></policies>'
    resources = [
        *open_api("a", backend.url),
        policy("/apis/a", text.replace("</inbound>", "<base /></inbound><backend><base /></backend>")),
    ]
    more = [
        *open_api("c", backend.url),
        policy("/apis/c", chosen.replace("</inbound>", "</inbound><backend><base /></backend>")),
        entity,
    ]
    assert not harness.configure(*resources, *more)
    assert (await harness.request("GET", "/a/x")).body == b"proxied"
    assert b"Proxy-Authorization: Basic dTpw\r\n" in way.seen[0]
    assert (await harness.request("GET", "/c/x")).body == b"proxied"
    assert b"Proxy-Authorization: Basic Yjo=\r\n" in way.seen[1]
    assert not backend.seen
