"""Redirects of backends, and backends that expressions choose: where they may lead, and what goes with them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sidecar_harness import Backend

from proxy.adapters.reach import Reach
from proxy.adapters.transport import HttpTransport
from proxy.errors import BackendConnectionFailure
from proxy.messages import Body, Headers, Url
from proxy.ports import HttpProxy, Outgoing

SECRETS = {
    "Authorization": "Bearer canary-a",
    "Cookie": "s=canary-b",
    "Ocp-Apim-Subscription-Key": "canary-c",
    "X-Functions-Key": "canary-d",
    "X-Odd-Name": "canary-e",
    "Proxy-Authorization": "Basic canary-f",
}


@pytest.fixture
async def other() -> AsyncIterator[Backend]:
    made = Backend()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


@pytest.fixture
async def transport() -> AsyncIterator[HttpTransport]:
    made = HttpTransport(reach=Reach(loopback=True))
    yield made
    await made.close()


def redirect(to: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Moved\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()


def outgoing(backend: Backend, method: str = "GET", body: bytes = b"", **more: object) -> Outgoing:
    url = Url("http", "127.0.0.1", backend.port, "/")
    headers = Headers({**SECRETS, "X-Plain": "1", "Content-Type": "text/plain"})
    return Outgoing(method, url, headers, Body(body), follow_redirects=True, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_secrets_do_not_follow_to_another_server(
    transport: HttpTransport, backend: Backend, other: Backend, status: int
) -> None:
    backend.answer = redirect(f"http://127.0.0.1:{other.port}/there", status)
    sent = outgoing(backend, "POST", b"x", private=frozenset({"x-odd-name"}))
    assert (await transport.send(sent)).status == 200
    first, second = backend.requests[0], other.requests[0]
    assert first.count(b"canary-") == 5  # all but what is for proxies
    assert b"canary" not in second
    assert b"X-Plain: 1" in second
    assert second.startswith(b"POST" if status in (307, 308) else b"GET")
    assert (b"Content-Type" in second) == (status in (307, 308))


async def test_they_stay_on_the_same_server(transport: HttpTransport, backend: Backend) -> None:
    backend.answer = redirect("/next")
    await transport.send(outgoing(backend))
    assert all(b"canary-a" in each for each in backend.requests[:2])


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:169.254.169.254]/",
        "http://[fe80::1]/",
        "http://168.63.129.16/",
        "http://0.0.0.0:{port}/",
        "http://[::]:{port}/",
        "http://localhost:{port}/",
        "http://127.1:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f000001:{port}/",
        "http://0177.0.0.1:{port}/",
        "http://127.0.0.1.:{port}/",
        "http://[::ffff:7f00:1]:{port}/",
        "//127.0.0.1:{port}/x",
    ],
)
async def test_a_redirect_leads_nowhere_that_policies_may_not_go(backend: Backend, other: Backend, target: str) -> None:
    transport = HttpTransport(reach=Reach())
    backend.answer = redirect(target.format(port=other.port))
    try:
        with pytest.raises(BackendConnectionFailure):
            await transport.send(outgoing(backend))
    finally:
        await transport.close()
    assert other.connections == 0


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "gopher://127.0.0.1:1/", "ftp://a/", "javascript:1", "data:,x"]
)
async def test_other_schemes_are_not_followed(transport: HttpTransport, backend: Backend, target: str) -> None:
    backend.answer = redirect(target)
    assert (await transport.send(outgoing(backend))).status == 302


async def test_what_an_expression_chose_is_held_against_the_rules_but_may_be_plain_http(backend: Backend) -> None:
    strict, local = HttpTransport(reach=Reach()), HttpTransport(reach=Reach(loopback=True))
    try:
        for host in ("127.0.0.1", "localhost", "127.1"):
            chosen = Outgoing("GET", Url("http", host, backend.port), Headers(), Body(), screened=True)
            with pytest.raises(BackendConnectionFailure):
                await strict.send(chosen)
        assert backend.connections == 0
        chosen = Outgoing("GET", Url("http", "127.0.0.1", backend.port), Headers(), Body(), screened=True)
        assert (await local.send(chosen)).status == 200
        assert Reach().objection(Url("http", "10.0.0.7", 80), plain_http=True) is None
        through = HttpProxy("http", "169.254.169.254", 80, screened=True)
        with pytest.raises(BackendConnectionFailure, match="never called"):
            await local.send(Outgoing("GET", Url("http", "127.0.0.1", 1), Headers(), Body(), proxy=through))
    finally:
        await strict.close()
        await local.close()
