"""Imports and policies by link."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from management import links
from tests.management.conftest import Plane

OPENAPI = {
    "openapi": "3.0.1",
    "info": {"title": "T", "version": "1"},
    "paths": {"/x": {"get": {"operationId": "x", "responses": {}}}},
}
POLICY = "<policies><inbound><base /></inbound></policies>"


@pytest.fixture
async def elsewhere() -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        contents = {"/openapi.json": json.dumps(OPENAPI), "/policy.xml": POLICY, "/large": "x" * (links.LARGEST + 1)}
        if request.path not in contents:
            raise web.HTTPNotFound
        return web.Response(text=contents[request.path])

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    server = TestServer(app)
    await server.start_server()
    yield str(server.make_url("/"))
    await server.close()


async def test_an_api_by_link(plane: Plane, elsewhere: str) -> None:
    await plane.put("/apis/a", {"path": "a", "format": "openapi+json-link", "value": f"{elsewhere}openapi.json"})
    assert await plane.names("/apis/a/operations") == ["x"]
    policy = {"format": "rawxml-link", "value": f"{elsewhere}policy.xml"}
    assert (await plane.put("/apis/a/policies/policy", policy))["properties"]["value"]


@pytest.mark.parametrize(
    ("content", "charset", "text"),
    [
        ("é".encode(), None, "é"),
        ("\ufeffé".encode(), "latin-1", "é"),
        ("é".encode("latin-1"), "latin-1", "é"),
        ('<?xml version="1.0" encoding="ISO-8859-1"?><é/>'.encode("latin-1"), "utf-8", "<é/>"),
        ('<?xml version="1.0" encoding="utf-16"?><é/>'.encode("utf-16"), None, "<é/>"),
        ('<?xml version="1.0" encoding="utf-16"?><é/>'.encode(), None, "<é/>"),
    ],
)
def test_bytes_become_text(content: bytes, charset: str | None, text: str) -> None:
    assert links._text(content, charset).endswith(text)


@pytest.mark.parametrize(
    ("content", "charset"), [(b"\xe9", None), (b'<?xml version="1" encoding="klingon"?>\xe9', None)]
)
def test_bytes_that_are_no_text(content: bytes, charset: str | None) -> None:
    with pytest.raises(ValueError):
        links._text(content, charset)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("nothing", "answered 404"),
        ("large", "larger than"),
        ("ftp://x/y", "http or https"),
        ("http://127.0.0.1:1/", "read"),
    ],
)
async def test_links_that_lead_nowhere(plane: Plane, elsewhere: str, path: str, why: str) -> None:
    url = path if "://" in path else elsewhere + path
    reply = await plane.call("PUT", "/apis/a", {"path": "a", "format": "openapi-link", "value": url})
    assert reply.status == 400
    assert why in json.dumps(reply.body)
    assert (await plane.call("GET", "/apis/a")).status == 404


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "168.63.129.16"]
)
async def test_no_link_leads_to_what_a_cloud_tells_its_machines(plane: Plane, address: str) -> None:
    """Whether it is named, or a redirect leads there."""

    async def lead(request: web.Request) -> web.Response:
        raise web.HTTPFound(f"http://{address}/metadata")

    app = web.Application()
    app.router.add_get("/", lead)
    async with TestServer(app) as server:
        for value in (f"http://{address}/metadata", str(server.make_url("/"))):
            reply = await plane.call("PUT", "/apis/a", {"path": "a", "format": "openapi-link", "value": value})
            assert reply.status == 400
            assert "is not called from here" in reply.error()["details"][0]["message"]
