"""Calls that are tried in the browser go to gateways of the settings, to APIs that are seen, and carry nothing else."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from portal.headers import CSP
from portal.pages import trial
from tests.portal.house import House, csrf, house

PUBLIC = "https://api.example.com"


class Gateway:
    """Answers every request, and remembers what came."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, dict[str, str], bytes]] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.calls.append((request.method, request.raw_path, headers, await request.read()))
        if request.path.endswith("/moved"):
            raise web.HTTPFound("https://evil.example/")
        if request.path.endswith("/large"):
            return web.Response(body=bytes(trial.LARGEST_ANSWER + 1))
        return web.Response(
            status=418,
            reason="Short and stout",
            text="<script>alert(1)</script>",
            content_type="text/html",
            headers={"Set-Cookie": "a=b", "X-Own": "yes", "Access-Control-Allow-Origin": "*"},
        )


@pytest.fixture
async def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
async def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gateway: Gateway) -> AsyncIterator[House]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", gateway.answer)
    async with TestServer(app) as server:
        reached = str(server.make_url("/base"))
        async with house(tmp_path, monkeypatch, gateways=(PUBLIC,), tried=(reached,)) as found:
            shop = {
                "openapi": "3.0.1",
                "info": {"title": "S", "version": "1"},
                "paths": {"/x": {"get": {"responses": {}}}},
            }
            document = json.dumps(shop)
            await found.plane.put("/apis/shop", {"format": "openapi+json", "value": document, "path": "shop"})
            await found.plane.api("hidden")
            await found.product("public", "guests", apis=("shop",))
            await found.product("inside", "developers", apis=("hidden",))
            yield found


async def tried(
    people: House, url: str, method: str = "GET", body: bytes = b"", **headers: str
) -> aiohttp.ClientResponse:
    token = csrf(await people.go("/apis/shop/try"))
    sent = {"X-Csrf-Token": token, "X-Try-Url": url, "X-Try-Method": method, **headers}
    return await people.client.post("/try", data=io.BytesIO(body) if body else None, headers=sent)


async def test_a_call_there_and_back(people: House, gateway: Gateway) -> None:
    answer = await tried(
        people, f"{PUBLIC}/shop/a%2Fb?q=1%202", "PUT", b"{}", Cookie="own=1", Origin="https://portal",
        **{"Content-Type": "application/json", "Ocp-Apim-Subscription-Key": "k", "Sec-Fetch-Site": "same-origin",
           "X-Forwarded-For": "1.2.3.4"},
    )  # fmt: skip
    ((method, target, headers, body),) = gateway.calls
    assert (method, target, body) == ("PUT", "/base/shop/a%2Fb?q=1%202", b"{}")
    assert headers["ocp-apim-subscription-key"] == "k"
    assert headers["content-type"] == "application/json"
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert not {"cookie", "origin", "sec-fetch-site", "x-csrf-token", "x-try-url", "referer"} & set(headers)
    assert (answer.status, answer.reason, answer.headers["X-Own"]) == (418, "Short and stout", "yes")
    assert "Set-Cookie" not in answer.headers
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert answer.headers["X-Told-Set-Cookie"] == "a=b"
    assert answer.headers[CSP] == "sandbox; default-src 'none'"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


ELSEWHERE = [
    "https://evil.example/shop/x",
    "http://169.254.169.254/latest/meta-data",
    f"{PUBLIC}.evil.example/shop/x",
    f"{PUBLIC}@evil.example/shop/x",
    f"{PUBLIC}:8443/shop/x",
    "/shop/x",
    "",
    PUBLIC,
    f"{PUBLIC}/hidden/x",
    f"{PUBLIC}/shopping",
    f"{PUBLIC}/shop/../hidden/x",
    f"{PUBLIC}/shop/%2e%2e/hidden/x",
    f"{PUBLIC}/shop/%252e%252e/hidden/x",
    f"{PUBLIC}/shop/..%2fhidden",
    f"{PUBLIC}/shop/..%5chidden",
    f"{PUBLIC}/shop\\..\\hidden",
    f"{PUBLIC}//evil.example/shop",
    f"{PUBLIC}/shop/x#y",
    f"{PUBLIC}/shop/" + "x" * 9000,
]


async def test_where_no_call_goes(people: House, gateway: Gateway) -> None:
    for url in ELSEWHERE:
        assert (await tried(people, url)).status in (400, 403), url
    assert gateway.calls == []


async def test_what_is_seen_can_be_tried(people: House, gateway: Gateway) -> None:
    assert (await tried(people, f"{PUBLIC}/hidden/x")).status == 403
    await people.plane.put("/products/inside/groups/guests")
    assert (await tried(people, f"{PUBLIC}/hidden/x")).status == 418
    assert (await tried(people, f"{PUBLIC}/shop")).status == 418


async def test_only_our_page_may(people: House, gateway: Gateway) -> None:
    await people.go("/")
    for headers in ({}, {"X-Csrf-Token": "x"}, {"Sec-Fetch-Site": "cross-site"}):
        sent = {"X-Try-Url": f"{PUBLIC}/shop", "X-Try-Method": "GET", **headers}
        async with people.client.post("/try", headers=sent) as response:
            assert response.status == 403
    crossed = await tried(people, f"{PUBLIC}/shop", **{"Sec-Fetch-Site": "cross-site"})
    assert crossed.status == 403
    assert (await people.client.get("/try")).status == 405
    assert gateway.calls == []


async def test_bounds(people: House, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await tried(people, f"{PUBLIC}/shop", "TRACE")).status == 400
    assert (await tried(people, f"{PUBLIC}/shop", "POST", bytes(trial.LARGEST_REQUEST + 1))).status == 413
    assert gateway.calls == []
    moved = await tried(people, f"{PUBLIC}/shop/moved")
    assert moved.status == 302
    assert "Location" not in moved.headers
    assert moved.headers["X-Told-Location"] == "https://evil.example/"
    assert (await tried(people, f"{PUBLIC}/shop/large")).status == 502
    statuses = [(await tried(people, f"{PUBLIC}/shop")).status for _ in range(120)]
    assert statuses[-1] == 429
    assert 418 in statuses


async def test_a_page_for_trying_may_run_only_what_we_serve(people: House) -> None:
    response = await people.client.get("/apis/shop/try")
    policy = response.headers[CSP]
    assert "script-src 'self';" in policy
    assert "connect-src 'self';" in policy
    assert "http" not in policy
    document = await (await people.client.get("/apis/shop/try/document")).json()
    assert document["servers"] == [{"url": f"{PUBLIC}/shop"}]


OPEN, SHUT = 418, 403
# (path below the gateway, headers, whether the call goes there)
NESTED = [
    ("/shop", {}, OPEN),
    ("/shop/", {}, OPEN),
    ("/SHOP/x", {}, OPEN),
    ("/shop/administrator", {}, OPEN),
    ("/shop/a%2Fb", {}, OPEN),
    ("/shop/a//b", {}, OPEN),
    ("/shop/x?path=/shop/admin", {}, OPEN),
    ("/shop/admin", {}, SHUT),
    ("/shop/admin/x", {}, SHUT),
    ("/shop/ADMIN/x", {}, SHUT),
    ("/Shop/%61dmin/x", {}, SHUT),
    ("/shop%2Fadmin/x", {}, SHUT),
    ("/shop/admin%2Fx", {}, SHUT),
    ("/shop/%2561dmin", {}, OPEN),  # a segment of the name "%61dmin"
    ("/shop/admin%252Fx", {}, SHUT),
    ("/shop//admin/x", {}, SHUT),
    ("//shop/admin/x", {}, SHUT),
    ("/shop/./admin/x", {}, SHUT),
    ("/shop/x/../admin/x", {}, SHUT),
    ("/shop/..;/shop/admin", {}, SHUT),
    ("/shop/admin;x=1/x", {}, OPEN),  # parameters of a segment are part of its name
    ("/shop/%00", {}, SHUT),
    ("/shop/%zz", {}, SHUT),
    ("/shop;rev=1/x", {}, SHUT),
    ("/shop;REV=2/x", {}, SHUT),
    ("/shop/x;rev=2", {}, SHUT),
    ("/shop%3Brev=2/x", {}, SHUT),
    ("/other", {}, SHUT),
    # versions: only v1 of each is seen
    ("/seg/v1/x", {}, OPEN),
    ("/seg/V1/x", {}, OPEN),
    ("/seg/v2/x", {}, SHUT),
    ("/seg/x", {}, SHUT),
    ("/seg/v1/../v2/x", {}, SHUT),
    ("/que/x?v=v1", {}, OPEN),
    ("/que/x?V=V1&v=v2", {}, OPEN),
    ("/que/x?v=v2&v=v1", {}, SHUT),
    ("/que/x?v=v2", {}, SHUT),
    ("/que/x", {}, SHUT),
    ("/hea/x", {"Api-Version": "v1"}, OPEN),
    ("/hea/x", {"Api-Version": "v2"}, SHUT),
    ("/hea/x", {"api-version": " v2 "}, SHUT),
    ("/hea/x", {}, SHUT),
]


async def version(people: House, scheme: str, path: str, **more: str) -> None:
    """An API in two versions and an original; the first version is seen."""
    await people.plane.put(f"/apiVersionSets/{path}", {"displayName": path, "versioningScheme": scheme, **more})
    reference = {"path": path, "apiVersionSetId": f"/apiVersionSets/{path}"}
    for name in ("v1", "v2"):
        await people.plane.api(f"{path}-{name}", **{**reference, "apiVersion": name})
    if scheme != "Segment":
        await people.plane.api(f"{path}-original", **reference)
    await people.plane.put(f"/products/public/apis/{path}-v1")


async def test_the_api_that_would_take_the_call_is_what_counts(people: House, gateway: Gateway) -> None:
    await people.plane.api("admin", path="shop/admin")
    await version(people, "Segment", "seg")
    await version(people, "Query", "que", versionQueryName="v")
    await version(people, "Header", "hea", versionHeaderName="Api-Version")
    for path, headers, status in NESTED:
        answer = await tried(people, PUBLIC + path, **headers)
        assert answer.status == status, (path, headers, await answer.text())
    assert len(gateway.calls) == sum(status == OPEN for _, _, status in NESTED)
    await people.plane.put("/products/public/apis/admin")
    assert (await tried(people, f"{PUBLIC}/shop/admin/x")).status == OPEN
    assert gateway.calls[-1][1] == "/base/shop/admin/x"


async def test_an_api_that_a_gateway_lacks(people: House, gateway: Gateway) -> None:
    """What is left of the path leads to another API there."""
    await people.plane.api("root", path="")
    await people.plane.put("/gateways/one", {"locationData": {"name": "here"}})
    await people.plane.put("/gateways/one/apis/root")
    assert (await tried(people, f"{PUBLIC}/shop/x")).status == SHUT
    await people.plane.put("/gateways/one/apis/shop")
    assert (await tried(people, f"{PUBLIC}/shop/x")).status == OPEN
    await people.plane.api("Other", path="shop/Other")
    await people.plane.put("/products/public/apis/Other")
    ways = (f"{PUBLIC}/shop/other/x", f"{PUBLIC}/shop/other%2Fx")  # the second is /shop's, if nobody decodes it
    for url in ways:
        assert (await tried(people, url)).status == SHUT, url
    await people.plane.put("/gateways/one/apis/Other")
    for url in ways:
        assert (await tried(people, url)).status == OPEN, url
    await people.plane.put("/gateways/two", {"locationData": {"name": "there"}})
    assert (await tried(people, f"{PUBLIC}/shop/x")).status == SHUT


async def test_what_is_checked_is_what_is_sent(people: House, gateway: Gateway) -> None:
    await tried(people, f"{PUBLIC}/shop/%61%7e%2f{{b}}?q=%61{{b}}")
    assert gateway.calls[-1][1] == "/base/shop/a~%2F%7Bb%7D?q=%61{b}"
