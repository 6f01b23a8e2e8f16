"""Versions, revisions, wildcards, key scopes and streaming through a real gateway."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import os
import signal
import socket
import threading
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from house import PLAIN_POLICY, House, request, wait_until

pytestmark = pytest.mark.e2e


def version_set(house: House, name: str, scheme: str, **properties: str) -> None:
    house.put(f"/apiVersionSets/{name}", {"displayName": name, "versioningScheme": scheme, **properties})


def versioned(house: House, api: str, backend: str, path: str, version: str, version_set_name: str) -> None:
    house.put(
        f"/apis/{api}",
        {
            "displayName": api,
            "path": path,
            "serviceUrl": f"{backend}/{version or 'original'}",
            "protocols": ["http"],
            "subscriptionRequired": False,
            "apiVersion": version,
            "apiVersionSetId": f"/apiVersionSets/{version_set_name}",
        },
    )
    house.put(
        f"/apis/{api}/operations/get",
        {"displayName": "get", "method": "GET", "urlTemplate": "/things/{id}",
         "templateParameters": [{"name": "id", "type": "string", "required": True}]},
    )  # fmt: skip
    house.link(api)


def test_versions_by_segment_query_and_header(house: House, backend: str) -> None:
    version_set(house, "seg", "Segment")
    versioned(house, "seg-v1", backend, "seg", "v1", "seg")
    versioned(house, "seg-v2", backend, "seg", "v2", "seg")
    version_set(house, "qry", "Query", versionQueryName="v")
    versioned(house, "qry-1", backend, "qry", "1", "qry")
    versioned(house, "qry-2", backend, "qry", "2", "qry")
    version_set(house, "hdr", "Header", versionHeaderName="X-Version")
    versioned(house, "hdr-1", backend, "hdr", "1", "hdr")
    versioned(house, "hdr-2", backend, "hdr", "2", "hdr")
    house.everywhere("/hdr/things/7", lambda r: r.status == 200, **{"X-Version": "2"})
    gateway = house.gateways[0]
    assert request(f"{gateway}/seg/v1/things/7").json["path"] == "/v1/things/7"
    assert request(f"{gateway}/seg/v2/things/7").json["path"] == "/v2/things/7"
    assert request(f"{gateway}/seg/things/7").status == 404
    assert request(f"{gateway}/seg/v3/things/7").status == 404
    assert request(f"{gateway}/qry/things/7?v=2").json["path"].startswith("/2/things/7")
    assert request(f"{gateway}/qry/things/7").status == 404
    assert request(f"{gateway}/hdr/things/7", headers={"X-Version": "1"}).json["path"] == "/1/things/7"
    assert request(f"{gateway}/hdr/things/7").status == 404


def test_a_revision_is_reached_by_its_number_only(house: House, backend: str) -> None:
    house.api("rev", backend)
    created = house.arm(
        "/apis/rev;rev=2",
        "PUT",
        {
            "properties": {
                "displayName": "rev",
                "path": "rev",
                "serviceUrl": f"{backend}/second",
                "protocols": ["http"],
                "subscriptionRequired": False,
                "apiRevision": "2",
                "sourceApiId": "/apis/rev",
            }
        },
    )
    assert created.status in (200, 201), created.body
    house.everywhere("/rev;rev=2/x", lambda r: r.status == 200 and r.json["path"] == "/second/x")
    assert request(f"{house.gateways[0]}/rev/x").json["path"] == "/x"
    assert request(f"{house.gateways[0]}/rev;rev=9/x").status == 404


def test_keys_of_every_scope_and_open_products(house: House, backend: str) -> None:
    for name in ("scoped", "other"):
        house.api(name, backend, key=True)
    house.put("/products/paid", {"displayName": "Paid", "subscriptionRequired": True, "state": "published"})
    house.arm("/products/paid/apis/scoped", "PUT")
    keys = {}
    for name, scope in {
        "of-product": "/products/paid",
        "of-api": "/apis/other",
        "of-all": "/apis",
    }.items():
        house.put(f"/subscriptions/{name}", {"displayName": name, "scope": scope, "state": "active"})
        keys[name] = house.arm(f"/subscriptions/{name}/listSecrets", "POST").json["primaryKey"]
    keys["master"] = house.arm("/subscriptions/master/listSecrets", "POST").json["primaryKey"]
    house.everywhere("/other/x", lambda r: r.status == 200, **{"Ocp-Apim-Subscription-Key": keys["of-all"]})

    def status(api: str, key: str) -> int:
        return request(f"{house.gateways[0]}/{api}/x", headers={"Ocp-Apim-Subscription-Key": keys[key]}).status

    assert {key: (status("scoped", key), status("other", key)) for key in keys} == {
        "of-product": (200, 401),
        "of-api": (401, 200),
        "of-all": (200, 200),
        "master": (200, 200),
    }
    house.arm("/subscriptions/of-api", "PATCH", {"properties": {"state": "suspended"}}, **{"If-Match": "*"})
    house.everywhere("/other/x", lambda r: r.status == 401, **{"Ocp-Apim-Subscription-Key": keys["of-api"]})
    house.put("/products/open", {"displayName": "Open", "subscriptionRequired": False, "state": "published"})
    house.arm("/products/open/apis/other", "PUT")
    house.everywhere("/other/x", lambda r: r.status == 200)
    assert request(f"{house.gateways[0]}/scoped/x").status == 401


def test_custom_key_names_and_the_key_does_not_reach_the_backend_in_the_query(house: House, backend: str) -> None:
    house.api("named", backend, key=True)
    house.put("/subscriptions/named", {"displayName": "named", "scope": "/apis/named", "state": "active"})
    house.arm(
        "/apis/named",
        "PATCH",
        {"properties": {"subscriptionKeyParameterNames": {"header": "X-Key", "query": "k"}}},
        **{"If-Match": "*"},
    )
    key = house.arm("/subscriptions/named/listSecrets", "POST").json["primaryKey"]
    house.everywhere("/named/x", lambda r: r.status == 200, **{"X-Key": key})
    reply = request(f"{house.gateways[0]}/named/x?a=1&k={key}&b=2")
    assert reply.status == 200
    assert key not in reply.json["path"]
    assert request(f"{house.gateways[0]}/named/x", headers={"Ocp-Apim-Subscription-Key": key}).status == 401


def test_a_mock_needs_no_backend(house: House) -> None:
    house.put(
        "/apis/mocked", {"displayName": "m", "path": "mocked", "protocols": ["http"], "subscriptionRequired": False}
    )
    house.put(
        "/apis/mocked/operations/get",
        {
            "displayName": "get",
            "method": "GET",
            "urlTemplate": "/",
            "responses": [
                {"statusCode": 200, "representations": [
                    {"contentType": "application/json", "examples": {"default": {"value": {"hello": "you"}}}}]}
            ],
        },
    )  # fmt: skip
    house.policy(
        "/apis/mocked",
        PLAIN_POLICY.replace(
            "<inbound><base />", '<inbound><base /><mock-response status-code="200" content-type="application/json" />'
        ),
    )
    house.link("mocked")
    house.everywhere("/mocked/", lambda r: r.status == 200 and r.json == {"hello": "you"})


def test_one_hundred_megabytes_each_way_without_keeping_them(house: House) -> None:
    size = 100 * 1024 * 1024
    chunk = bytes(range(256)) * 256
    expected = hashlib.sha256()
    for _ in range(size // len(chunk)):
        expected.update(chunk)
    ready = threading.Event()
    stop: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    ports: list[int] = []

    async def download(_: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(size)})
        await response.prepare(_)
        for _turn in range(size // len(chunk)):
            await response.write(chunk)
        return response

    async def upload(incoming: web.Request) -> web.Response:
        digest = hashlib.sha256()
        async for part in incoming.content.iter_any():
            digest.update(part)
        return web.json_response({"digest": digest.hexdigest()})

    async def sockets(incoming: web.Request) -> web.WebSocketResponse:
        socket_ = web.WebSocketResponse()
        await socket_.prepare(incoming)
        async for message in socket_:
            if message.type is aiohttp.WSMsgType.TEXT:
                await socket_.send_str("echo " + message.data)
            elif message.type is aiohttp.WSMsgType.BINARY:
                await socket_.send_bytes(message.data[::-1])
        return socket_

    async def serve() -> None:
        app = web.Application(client_max_size=2 * size)
        app.router.add_get("/down", download)
        app.router.add_post("/up", upload)
        app.router.add_get("/ws", sockets)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        ports.append(runner.addresses[0][1])
        ending = asyncio.Event()
        stop.append((asyncio.get_running_loop(), ending))
        ready.set()
        await ending.wait()
        await runner.cleanup()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        house.api("big", f"http://127.0.0.1:{ports[0]}")
        house.put(
            "/apis/big-ws",
            {"displayName": "ws", "path": "big-ws", "type": "websocket", "protocols": ["ws", "wss"],
             "serviceUrl": f"ws://127.0.0.1:{ports[0]}/ws", "subscriptionRequired": False},
        )  # fmt: skip
        house.link("big-ws")
        gateway = urlsplit(house.gateways[0])
        wait_until(lambda: request(f"{house.gateways[0]}/big/nothing").status == 404 and True)
        wait_until(lambda: request(f"{house.gateways[0]}/big/up", "POST", body=b"x").status == 200)
        sidecar = house.processes("proxy")[0]
        before = sidecar.rss_mb()
        connection = http.client.HTTPConnection(gateway.hostname or "", gateway.port, timeout=60)
        connection.request("GET", "/big/down")
        answer = connection.getresponse()
        digest, peak = hashlib.sha256(), before
        while part := answer.read(1 << 20):
            digest.update(part)
            peak = max(peak, sidecar.rss_mb())
        assert digest.digest() == expected.digest()
        connection.request(
            "POST", "/big/up", body=(chunk for _ in range(size // len(chunk))), headers={"Content-Length": str(size)}
        )
        sent = connection.getresponse().read()
        peak = max(peak, sidecar.rss_mb())
        connection.close()
        assert expected.hexdigest() in sent.decode()
        print(f"\n100 MB down and up: sidecar {before:.0f} MB before, {peak:.0f} MB at most")
        assert peak < before + 30
        asyncio.run(_talk(f"ws://{gateway.netloc}/big-ws"))
    finally:
        stop[0][0].call_soon_threadsafe(stop[0][1].set)
        thread.join(10)


async def _talk(url: str) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as ws:
        await ws.send_str("hello")
        assert await ws.receive_str() == "echo hello"
        await ws.send_bytes(b"abc")
        assert await ws.receive_bytes() == b"cba"


def test_sigterm_drains_what_is_in_flight(house: House) -> None:
    """A request that the backend answers slowly survives the end of its sidecar."""
    listener = socket.create_server(("127.0.0.1", 0))
    got = threading.Event()

    def backend() -> None:
        for _ in range(50):
            connection, _address = listener.accept()
            data = connection.recv(65536)
            if b"/slow" in data:
                got.set()
                threading.Event().wait(1.5)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ndone")
            connection.close()
            if b"/slow" in data:
                return

    thread = threading.Thread(target=backend, daemon=True)
    thread.start()
    house.api("drain", f"http://127.0.0.1:{listener.getsockname()[1]}")
    url = house.gateways[-1] + "/drain"
    wait_until(lambda: request(url + "/fast").status == 200)
    answers: list[int] = []
    asking = threading.Thread(target=lambda: answers.append(request(url + "/slow", timeout=20).status))
    asking.start()
    assert got.wait(10)
    sidecar = house.processes("proxy")[-1]
    os.kill(sidecar.pid, signal.SIGTERM)
    asking.join(20)
    assert answers == [200]
    wait_until(lambda: not sidecar.alive, what="the sidecar to end")
    house.again([sidecar])
    wait_until(lambda: request(house.gateways[-1] + "/status-0123456789abcdef").status == 200)
    listener.close()
