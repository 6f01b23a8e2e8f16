"""GraphQL APIs: by schema, by link to a server, and what is refused."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from graphql import build_schema, graphql_sync

from management import importing
from proxy.check import check_graphql_schema
from tests.management.conftest import Plane

SDL = "type User {\n  id: ID!\n  name(short: Boolean = true): String\n}\n\ntype Query {\n  users: [User!]\n}\n"
KIND = "application/vnd.ms-azure-apim.graphql.schema"


@pytest.fixture
async def server() -> AsyncIterator[str]:
    """/graphql answers queries, /schema.graphql is a file, /closed tells no schema."""
    schema = build_schema(SDL)

    async def answer(request: web.Request) -> web.Response:
        result = graphql_sync(schema, (await request.json())["query"])
        return web.json_response({"data": result.data})

    async def closed(request: web.Request) -> web.Response:
        return web.json_response({"errors": [{"message": "introspection is off"}]})

    async def file(request: web.Request) -> web.Response:
        return web.Response(text=SDL)

    app = web.Application()
    app.router.add_post("/graphql", answer)
    app.router.add_post("/closed", closed)
    app.router.add_get("/schema.graphql", file)
    server = TestServer(app)
    await server.start_server()
    yield str(server.make_url("/"))
    await server.close()


async def _schema(plane: Plane, api: str) -> str:
    held = (await plane.get(f"/apis/{api}/schemas/graphql"))["properties"]
    assert held["contentType"] == KIND
    return str(held["document"]["value"])


async def test_a_link_to_a_server(plane: Plane, server: str) -> None:
    """Its schema is asked for, and it becomes the backend. Nothing else need be said, as az does."""
    await plane.put("/apis/g", {"path": "g", "format": "graphql-link", "value": f"{server}graphql"})
    api = (await plane.get("/apis/g"))["properties"]
    assert (api["type"], api["serviceUrl"], api["displayName"]) == ("graphql", f"{server}graphql", "g")
    assert "format" not in api
    assert "name(short: Boolean = true): String" in await _schema(plane, "g")
    assert await plane.names("/apis/g/operations") == []
    told = await plane.get("/apis/g", query={"export": "true", "format": "graphql-link"})
    async with plane.session.get(told["value"]["link"]) as response:
        assert await response.text() == await _schema(plane, "g")


async def test_a_link_to_a_file_and_a_schema_itself(plane: Plane, server: str) -> None:
    for name, format, value in (
        ("file", "graphql-link", f"{server}schema.graphql"),
        ("text", "graphql-link", SDL),
        ("plain", "graphql", SDL),
    ):
        await plane.put(f"/apis/{name}", {"path": name, "displayName": "G", "format": format, "value": value})
        api = (await plane.get(f"/apis/{name}"))["properties"]
        assert (api["type"], api.get("serviceUrl"), api["displayName"]) == ("graphql", None, "G")
        assert await _schema(plane, name) == SDL


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("{server}closed", "no __schema: introspection is off"),
        ("{server}nothing", "answered 404"),
        ("type Query {\n  a: Missing\n}", "line 2, column 6"),
        ("type Query {\n  a String }", "line 2, column 5"),
        ("nothing", "address of a GraphQL server"),
        ('{"data": {"__schema": {"types": 7}}}', "is no schema"),
    ],
)
async def test_what_is_no_schema(plane: Plane, server: str, value: str, said: str) -> None:
    asked = {"path": "g", "format": "graphql-link", "value": value.replace("{server}", server)}
    reply = await plane.call("PUT", "/apis/g", asked)
    assert reply.status == 400
    assert said in json.dumps(reply.body)
    assert (await plane.call("GET", "/apis/g")).status == 404


async def test_an_api_by_its_parts(plane: Plane) -> None:
    """As the official example makes it: an API, then its schema, resolvers and their policies."""
    await plane.put("/apis/g", {"path": "g", "displayName": "G", "type": "graphql"})
    schema: dict[str, Any] = {"contentType": KIND, "document": {"value": SDL}}
    shown = await plane.put("/apis/g/schemas/graphql", schema)
    assert shown["properties"] == {**schema, "provisioningState": "Succeeded"}
    await plane.put("/apis/g/resolvers/users", {"displayName": "Users", "path": "Query/users"})
    broken = {"contentType": KIND, "document": {"value": "type Query {\n  a: Missing\n}"}}
    reply = await plane.call("PUT", "/apis/g/schemas/graphql", broken)
    assert (reply.status, reply.error()["details"][0]["target"]) == (400, "document")
    assert "line 2, column 6: Unknown type 'Missing'" in reply.error()["details"][0]["message"]
    assert await _schema(plane, "g") == SDL


async def test_an_import_of_a_document_keeps_it(plane: Plane) -> None:
    """Until an operation changes; clients cannot write it."""
    wadl = '<application xmlns="http://wadl.dev.java.net/2009/02"><resources base="https://x"><resource path="a">' \
           '<method name="GET" id="get"/></resource></resources></application>'  # fmt: skip
    # an import into what is there, which says nothing else
    await plane.put("/apis/w", {"path": "w", "displayName": "W"})
    await plane.put("/apis/w", {"format": "wadl-xml", "value": wadl}, query={"import": "true"})
    assert (await plane.get("/apis/w"))["properties"]["displayName"] == "W"
    told = await plane.get("/apis/w", query={"export": "true", "format": "wadl-link"})
    async with plane.session.get(told["value"]["link"]) as response:
        assert await response.text() == wadl
    held = await plane.get("/apis/w/specifications/specification")
    assert held["properties"] == {"format": "wadl-xml", "value": wadl, "options": {}, "fills": ["serviceUrl"],
                                  "schemas": [], "current": True}  # fmt: skip
    for name in ("specification", "other"):
        reply = await plane.call("PUT", f"/apis/w/specifications/{name}", {"format": "wsdl", "value": "x", "made": "y"})
        assert reply.status == 400
    await plane.put("/apis/w;rev=2", {"sourceApiId": "/apis/w", "apiRevision": "2"})
    await plane.put("/apis/w/operations/get", {"displayName": "G", "method": "GET", "urlTemplate": "/b"})
    assert not (await plane.get("/apis/w/specifications/specification"))["properties"]["current"]
    assert (await plane.call("GET", "/apis/w", query={"export": "true", "format": "wadl-link"})).status == 400
    assert (await plane.get("/apis/w;rev=2/specifications/specification"))["properties"]["current"]


async def test_a_large_schema_is_checked_once(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the store is asked: where it is written, what was found is known."""
    checked = []

    def check(body: dict[str, Any]) -> str:
        checked.append(threading.current_thread().name)
        return str(check_graphql_schema(body))

    monkeypatch.setattr("proxy.check.check_graphql_schema", check)
    text = f"# {'x' * importing.WORTH}\n{SDL}"
    await plane.put("/apis/g", {"path": "g", "format": "graphql", "value": text})
    await plane.put("/apis/g/schemas/graphql", {"contentType": KIND, "document": {"value": f"{text}#"}})
    assert len(checked) == 2
    assert not any(name.startswith("store") for name in checked)
