"""WSDL, OData metadata and protobuf definitions through the ARM API: what they become, and what comes out again."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer
from lxml import etree

from management import importing
from management.importers.imported import ImportedApi
from tests.importers.test_edmx import V4 as EDMX
from tests.importers.test_proto_text import TEXT as PROTO
from tests.importers.test_wsdl_files import parted
from tests.management.conftest import Plane
from tests.soap.shop import WSDL

SOAP = {"path": "shop", "format": "wsdl", "value": WSDL, "apiType": "soap"}
REST = {"path": "shop", "format": "wsdl", "value": WSDL, "apiType": "http"}
PART = '<s:include schemaLocation="gone.xsd" /><s:import'
POLICY = "/apis/a/operations/add/policies/policy"


@pytest.fixture
async def elsewhere() -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        files = {f"/parts{name.partition('shop.example')[2]}": text for name, text in parted().items()}
        files |= {"/wsdl": WSDL, "/edmx": EDMX, "/proto": PROTO, "/odd": WSDL.replace("<s:import", PART, 1)}
        if request.path not in files:
            raise web.HTTPNotFound
        return web.Response(text=files[request.path])

    app = web.Application()
    app.router.add_get("/{name:.*}", answer)
    server = TestServer(app)
    await server.start_server()
    yield str(server.make_url("/"))
    await server.close()


async def test_a_soap_api(plane: Plane) -> None:
    body = await plane.put("/apis/a", SOAP)
    shown = body["properties"]
    assert {key: shown[key] for key in ("type", "displayName", "serviceUrl", "description")} == {
        "type": "soap",
        "displayName": "Shop",
        "serviceUrl": "http://shop.example/shop.asmx",
        "description": "Sums and goods.",
    }
    assert not {"format", "value", "apiType", "wsdlSelector"} & shown.keys()
    assert await plane.names("/apis/a/operations") == ["add", "listgoods", "ping"]
    assert await plane.names("/apis/a/schemas") == ["schema", "schema-2"]
    schema = (await plane.get("/apis/a/schemas/schema"))["properties"]
    assert schema["contentType"] == "application/vnd.ms-azure-apim.xsd+xml"
    assert etree.fromstring(schema["document"]["value"]).get("targetNamespace") == "urn:shop"
    assert (await plane.put("/apis/a", {"path": "shop", "displayName": "n"}))["properties"]["type"] == "soap"


async def test_the_endpoint_that_is_asked_for(plane: Plane) -> None:
    chosen = {"wsdlServiceName": "Shop", "wsdlEndpointName": "Shop12"}
    await plane.put("/apis/a", SOAP | {"wsdlSelector": chosen})
    operation = (await plane.get("/apis/a/operations/add"))["properties"]
    assert operation["request"]["representations"][0]["contentType"] == "application/soap+xml"
    reply = await plane.call("PUT", "/apis/b", SOAP | {"path": "b", "wsdlSelector": {"wsdlServiceName": "Other"}})
    assert (reply.status, reply.error()["details"][0]["target"]) == (400, "wsdlSelector")
    assert (await plane.call("GET", "/apis/b")).status == 404
    reply = await plane.call("PUT", "/apis/b", SOAP | {"path": "b", "apiType": "corba"})
    assert (reply.status, reply.error()["details"][0]["target"]) == (400, "apiType")


@pytest.mark.parametrize(("kind", "type"), [("soap", "soap"), (None, "http")])
async def test_by_link(plane: Plane, elsewhere: str, kind: str | None, type: str) -> None:
    properties = {"path": "shop", "format": "wsdl-link", "value": f"{elsewhere}wsdl"}
    body = await plane.put("/apis/a", properties | ({"apiType": kind} if kind else {}))
    assert body["properties"]["type"] == type
    assert len(await plane.names("/apis/a/operations")) == 3


async def test_a_link_to_a_description_in_several_files(plane: Plane, elsewhere: str) -> None:
    properties = {"path": "shop", "format": "wsdl-link", "apiType": "soap"}
    await plane.put("/apis/a", properties | {"value": f"{elsewhere}parts/a/shop.wsdl"})
    assert await plane.names("/apis/a/operations") == ["add", "listgoods", "ping"]
    assert len(await plane.names("/apis/a/schemas")) == 3
    _, text = await _exported(plane, "wsdl-link")
    await plane.put("/apis/b", {"path": "b", "format": "wsdl", "value": text, "apiType": "soap"})
    reply = await plane.call("PUT", "/apis/c", properties | {"path": "c", "value": f"{elsewhere}odd"})
    assert (reply.status, f"{elsewhere}gone.xsd answered 404" in json.dumps(reply.body)) == (400, True)


async def test_policies_of_an_import_follow_it_until_somebody_changes_them(plane: Plane) -> None:
    await plane.put("/apis/a", REST)
    first = (await plane.get(POLICY, query={"format": "rawxml"}))["properties"]["value"]
    assert 'template="/shop.asmx"' in first
    moved = REST | {"value": WSDL.replace("shop.asmx", "moved.asmx")}
    await plane.put("/apis/a", moved)
    second = (await plane.get(POLICY, query={"format": "rawxml"}))["properties"]["value"]
    assert 'template="/moved.asmx"' in second
    own = second.replace("<on-error>", '<on-error><set-header name="X" exists-action="delete" />')
    await plane.put(POLICY, {"format": "rawxml", "value": own})
    await plane.put("/apis/a", REST)
    assert (await plane.get(POLICY, query={"format": "rawxml"}))["properties"]["value"] == own
    # an import of another kind takes the schemas of the former one away
    openapi = {"openapi": "3.0.1", "info": {"title": "T", "version": "1"}, "paths": {}}
    await plane.put("/apis/a", {"path": "shop", "format": "openapi+json", "value": json.dumps(openapi)})
    assert await plane.names("/apis/a/schemas") == []


async def _exported(plane: Plane, format: str) -> tuple[str, str]:
    told = await plane.get("/apis/a", query={"export": "true", "format": format})
    async with plane.session.get(told["value"]["link"]) as answer:
        assert answer.status == 200
        return answer.content_type, await answer.text()


async def test_the_wsdl_comes_out_with_the_address_of_the_gateway(plane: Plane) -> None:
    await plane.put("/apis/a", SOAP)
    kind, text = await _exported(plane, "wsdl-link")
    assert kind == "application/wsdl+xml"
    gateway = (await plane.get(""))["properties"]["gatewayUrl"]
    addresses = {each.get("location") for each in etree.fromstring(text.encode()).iter("{*}address")}
    assert addresses == {f"{gateway}/shop"}
    await plane.put("/apis/b", {"path": "b", "format": "wsdl", "value": text, "apiType": "soap"})
    for name in await plane.names("/apis/a/operations"):
        one, other = [(await plane.get(f"/apis/{api}/operations/{name}"))["properties"] for api in "ab"]
        assert one == other
    await plane.api("c")
    reply = await plane.call("GET", "/apis/c", query={"export": "true", "format": "wsdl-link"})
    assert (reply.status, "not imported" in json.dumps(reply.body)) == (400, True)


async def test_soap_to_rest_comes_out_as_openapi(plane: Plane) -> None:
    await plane.put("/apis/a", REST)
    _, text = await _exported(plane, "openapi-link")
    document: Any = yaml.safe_load(text)
    operation = document["paths"]["/ListGoods"]["post"]
    content = operation["responses"]["200"]["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/ListGoodsResponseBody"}
    result = document["components"]["schemas"]["ListGoodsResponse"]["properties"]["listGoodsResult"]
    assert result["properties"]["item"]["items"]["properties"]["inStock"] == {"type": "boolean"}
    await plane.put("/apis/b", {"path": "b", "format": "openapi", "value": text})
    assert len(await plane.names("/apis/b/operations")) == 3


async def test_odata(plane: Plane, elsewhere: str) -> None:
    properties = {"path": "o", "displayName": "O", "serviceUrl": "https://o.example/v4", "type": "odata"}
    body = await plane.put("/apis/a", properties | {"format": "odata-link", "value": f"{elsewhere}edmx"})
    assert (body["properties"]["type"], body["properties"]["displayName"]) == ("odata", "O")
    assert await plane.names("/apis/a/operations") == []
    schema = (await plane.get("/apis/a/schemas/odata"))["properties"]
    assert schema["contentType"] == "application/vnd.ms-azure-apim.odata.schema"
    assert schema["document"]["value"] == EDMX


async def test_grpc(plane: Plane) -> None:
    await plane.put("/apis/a", {"path": "g", "serviceUrl": "https://g.example", "format": "grpc", "value": PROTO})
    shown = (await plane.get("/apis/a"))["properties"]
    assert (shown["type"], shown["displayName"]) == ("grpc", "Orders")
    operation = (await plane.get("/apis/a/operations/orders-watch"))["properties"]
    assert operation["urlTemplate"] == "/shop.v1.Orders/Watch"
    assert (await plane.get("/apis/a/schemas/protobuf"))["properties"]["document"]["value"] == PROTO
    # a gateway has no use for it
    assert json.loads(plane.stored("/apis/a/schemas/protobuf").wire or "") == {"contentType": "text/protobuf"}


async def test_a_large_document_is_read_before_the_store_is_asked(
    plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one is read, others write; and nothing of it is held afterwards, whether it was taken or refused."""
    reading, go_on, read = threading.Event(), threading.Event(), importing._answer

    def slow(question: importing.Question) -> ImportedApi:
        reading.set()
        assert go_on.wait(10), "the writer is held up"
        return read(question)

    monkeypatch.setattr(importing, "_answer", slow)
    document = f"{WSDL}<!-- {'x' * importing.WORTH} -->"
    call = asyncio.create_task(plane.put("/apis/a", {**SOAP, "value": document}))
    await asyncio.to_thread(reading.wait, 10)
    await plane.put("/tags/t", {"displayName": "t"})
    monkeypatch.setattr(importing, "_answer", None)  # it is not read again
    go_on.set()
    await call
    assert await plane.names("/apis/a/operations") == ["add", "listgoods", "ping"]
    monkeypatch.setattr(importing, "_answer", read)
    reply = await plane.call("PUT", "/apis/b", {**SOAP, "path": "b", "value": document[:-200]})
    assert (reply.status, reply.error()["details"][0]["target"]) == (400, "value")
    assert importing._found_ahead == {}
