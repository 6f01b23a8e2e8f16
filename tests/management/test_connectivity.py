"""Connectivity checks, against servers of the test's own on loopback."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from management import connectivity
from management.app import make_app
from management.settings import Outside
from tests.management.conftest import TOKEN, Plane


@pytest.fixture
async def near(plane: Plane) -> AsyncIterator[Plane]:
    """A plane that may try loopback."""
    async with TestServer(make_app(plane.store, TOKEN, Outside(loopback=True))) as server:
        yield replace(plane, server=server)


@pytest.fixture
async def target() -> AsyncIterator[TestServer]:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=204 if request.headers.get("X-Key") == "k" else 401)

    app = web.Application()
    app.router.add_get("/up", answer)
    async with TestServer(app) as server:
        yield server


async def check(plane: Plane, address: str, port: Any, status: int = 200, **more: Any) -> dict[str, Any]:
    body = {"source": {"region": "local"}, "destination": {"address": address, "port": port}, **more}
    reply = await plane.call("POST", "/connectivityCheck", body=body)
    assert reply.status == status, reply.body
    assert reply.body is not None
    return reply.body


async def test_tcp(near: Plane, target: TestServer) -> None:
    found = await check(near, "localhost", target.port, preferredIPVersion="IPv4")
    assert (found["connectionStatus"], found["probesSent"], found["probesFailed"]) == ("Connected", 4, 0)
    assert 0 <= found["minLatencyInMs"] <= found["avgLatencyInMs"] <= found["maxLatencyInMs"] < 1000
    source, destination = found["hops"]
    assert (source["type"], source["address"], source["resourceId"]) == ("Source", "127.0.0.1", near.service)
    assert source["nextHopIds"] == [destination["id"]]
    assert (destination["address"], destination["issues"]) == ("127.0.0.1", [])


async def test_nobody_listens(near: Plane) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        found = await check(near, "127.0.0.1", held.getsockname()[1])
    assert (found["connectionStatus"], found["probesFailed"]) == ("Disconnected", 4)
    assert found["hops"][1]["issues"][0]["severity"] == "Error"
    assert "avgLatencyInMs" not in found


async def test_nobody_answers(near: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check ends in time, whatever the other side does."""
    monkeypatch.setattr(connectivity, "PATIENCE", 0.1)
    monkeypatch.setattr(connectivity, "SECONDS", 0.25)
    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda reader, writer: writers.append(writer), "127.0.0.1", 0)
    async with server:
        began = time.monotonic()
        found = await check(near, "127.0.0.1", server.sockets[0].getsockname()[1], protocol="HTTP")
    for writer in writers:
        writer.close()
        await writer.wait_closed()
    assert time.monotonic() - began < 3  # one probe alone would be given two seconds
    assert (found["connectionStatus"], found["probesSent"]) == ("Disconnected", 3)
    assert found["hops"][1]["issues"][0]["context"][1]["value"] == "no answer in time"


@pytest.mark.parametrize(
    ("address", "codes", "headers", "status"),
    [
        ("http://localhost/up", None, [], "Connected"),
        ("http://localhost/up", [204], [], "Disconnected"),
        ("http://localhost/up", [200, 204], [{"name": "X-Key", "value": "k"}], "Connected"),
        ("localhost", [404], [], "Connected"),
    ],
)
async def test_http(
    near: Plane, target: TestServer, address: str, codes: list[int] | None, headers: list[Any], status: str
) -> None:
    settings = {"method": "GET", "headers": headers, **({"validStatusCodes": codes} if codes else {})}
    configuration = {"HTTPConfiguration": settings}
    found = await check(near, address, target.port, protocol="HTTP", protocolConfiguration=configuration)
    assert found["connectionStatus"] == status
    assert found["hops"][0]["address"] == found["hops"][1]["address"] == "127.0.0.1"


async def test_https_to_who_speaks_none(near: Plane, target: TestServer) -> None:
    found = await check(near, "https://localhost", target.port, protocol="HTTPS")
    assert found["connectionStatus"] == "Disconnected"


@pytest.mark.parametrize(
    ("address", "port", "more", "at"),
    [
        ("127.0.0.1", 80, {}, "destination.address"),
        ("localhost", 80, {}, "destination.address"),
        ("::1", 80, {}, "destination.address"),
        ("::ffff:127.0.0.1", 80, {}, "destination.address"),
        ("169.254.169.254", 80, {}, "destination.address"),
        ("168.63.129.16", 80, {}, "destination.address"),
        ("0.0.0.0", 80, {}, "destination.address"),
        ("224.0.0.1", 80, {}, "destination.address"),
        ("a b", 80, {}, "destination.address"),
        ("http://x/", 80, {}, "destination.address"),
        ("https://x/", 80, {"protocol": "HTTP"}, "destination.address"),
        ("http://[/", 80, {"protocol": "HTTP"}, "destination.address"),
        ("8.8.8.8", 0, {}, "destination.port"),
        ("8.8.8.8", "80", {}, "destination.port"),
        ("8.8.8.8", 80, {"protocol": "UDP"}, "protocol"),
        ("8.8.8.8", 80, {"preferredIPVersion": "IPv6"}, "preferredIPVersion"),
        ("8.8.8.8", 80, {"source": {}}, "source.region"),
        ("8.8.8.8", 80, {"protocolConfiguration": {"HTTPConfiguration": {"method": "PUT"}}},
         "protocolConfiguration.HTTPConfiguration.method"),
        ("8.8.8.8", 80, {"protocolConfiguration": {"HTTPConfiguration": {"headers": "x"}}},
         "protocolConfiguration.HTTPConfiguration.headers"),
        ("8.8.8.8", 80, {"protocolConfiguration": {"HTTPConfiguration": {"headers": [{"name": "a", "value": "\n"}]}}},
         "protocolConfiguration.HTTPConfiguration.headers"),
        ("8.8.8.8", 80, {"protocolConfiguration": [1]}, "protocolConfiguration"),
    ],
)  # fmt: skip
async def test_what_is_refused(plane: Plane, address: str, port: Any, more: dict[str, Any], at: str) -> None:
    found = await check(plane, address, port, 400, **more)
    assert found["error"]["details"][0]["target"] == at


async def test_a_reader_may_not(plane: Plane) -> None:
    form = {"grant_type": "client_credentials", "client_id": "reader", "client_secret": TOKEN}
    async with plane.session.post(plane.server.make_url("/adfs/oauth2/token"), data=form) as response:
        plane.headers = {"Authorization": f"Bearer {(await response.json())['access_token']}"}
    await check(plane, "127.0.0.1", 80, 403)


async def test_only_so_many_a_minute(near: Plane, target: TestServer) -> None:
    for _ in range(connectivity.A_MINUTE):
        await check(near, "127.0.0.1", target.port)
    assert (await check(near, "127.0.0.1", target.port, 429))["error"]["code"] == "TooManyRequests"
