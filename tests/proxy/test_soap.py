"""Which operation of a SOAP API a request is for; OData and gRPC APIs beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from multidict import CIMultiDict

from proxy import soap
from proxy.config.resources import Api, Operation
from proxy.errors import OperationNotFound
from proxy.messages import Body
from proxy.routing import ApiEntry, Routes, build_routes
from proxy.soap import BodyNeeded, element_in, first_element

TEMPLATES = {
    "cancel": "/?soapAction=http://tempuri.org/IService/Cancel",
    "encoded": "/?soapAction=urn%3Aa%20b",
    "ping": "/?soapMethod=Ping",
    "rest": "/?soapAction={any}",
}


def routes(*names: str, type: str = "soap") -> Routes:
    operations = [Operation(name, name, "POST", TEMPLATES[name], "s") for name in names]
    operations.append(Operation("wsdl", "wsdl", "GET", "/?wsdl", "s"))
    return build_routes([ApiEntry.of(Api("s", "s", "s", "s", type=type), tuple(operations))])


def find(table: Routes, query: str = "", element: str | None = None, path: str = "/s", **headers: str) -> str:
    sent = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    found = table.match("POST", path, query, sent, element=element)
    return found.operation.id + "".join(f" {name}={value}" for name, value in found.parameters.items())


def test_by_action() -> None:
    table = routes("cancel", "encoded")
    assert find(table, SOAPAction='"http://tempuri.org/IService/Cancel"') == "cancel"
    assert find(table, SOAPAction=" http://tempuri.org/iservice/CANCEL ", path="/s/") == "cancel"
    kind = 'application/soap+xml; charset=utf-8; action="http://tempuri.org/IService/Cancel"'
    assert find(table, Content_Type=kind) == "cancel"
    assert find(table, Content_Type="application/soap+xml;action=http://tempuri.org/IService/Cancel; x=y") == "cancel"
    assert find(table, SOAPAction='""', Content_Type=kind) == "cancel"
    assert find(table, "soapAction=http%3A//tempuri.org/IService/Cancel") == "cancel"
    assert find(table, SOAPAction="urn:a b") == "encoded"
    for headers in ({}, {"SOAPAction": "urn:other"}, {"SOAPAction": ""}):
        with pytest.raises(OperationNotFound) as refused:
            find(table, **headers)
        assert "no operation has" in refused.value.detail
    with pytest.raises(OperationNotFound):
        find(table, SOAPAction="urn:a b", path="/s/below")
    assert table.match("GET", "/s", "wsdl=", CIMultiDict()).operation.id == "wsdl"


def test_by_the_first_element_only_when_the_action_does_not_decide() -> None:
    table = routes("cancel", "ping")
    assert find(table, SOAPAction="http://tempuri.org/IService/Cancel") == "cancel"
    assert find(table, "soapMethod=Ping") == "ping"
    with pytest.raises(BodyNeeded):
        find(table, SOAPAction='""')
    assert find(table, SOAPAction='""', element="Ping") == "ping"
    with pytest.raises(OperationNotFound) as refused:
        find(table, element="Pong")
    assert "'Pong'" in refused.value.detail


def test_the_wildcard_takes_the_rest() -> None:
    table = routes("rest", "cancel")
    assert find(table, SOAPAction="http://tempuri.org/IService/Cancel") == "cancel"
    assert find(table, SOAPAction="urn:x") == "rest any=urn:x"
    assert find(table) == "rest any="
    with pytest.raises(OperationNotFound):  # SOAP is a matter of SOAP APIs
        find(routes("rest", type="http"), SOAPAction="urn:x")


def test_a_preflight_is_about_any_operation() -> None:
    asked = CIMultiDict({"Origin": "https://x", "Access-Control-Request-Method": "POST"})
    for name in ("cancel", "ping", "rest"):
        found = routes(name).match("OPTIONS", "/s", "", asked)
        assert (found.preflight, found.operation.id) == (True, name)
    asked["Access-Control-Request-Method"] = "PUT"
    with pytest.raises(OperationNotFound):
        routes("cancel").match("OPTIONS", "/s", "", asked)


def test_an_odata_api_takes_everything_below_its_path() -> None:
    table = build_routes([ApiEntry.of(Api("o", "o", "o", "o", type="odata"), ())])
    for method, path in (("GET", "/o"), ("PATCH", "/o/People('x')/Trips"), ("POST", "/o/$batch")):
        found = table.match(method, path, "$top=1", CIMultiDict())
        assert (found.operation.id, found.operation.method, found.path) == ("odata", method, path[2:])
    asked = CIMultiDict({"Origin": "https://x", "Access-Control-Request-Method": "GET"})
    assert table.match("OPTIONS", "/o/People", "", asked).preflight


def test_a_grpc_api_has_templates_like_any_other() -> None:
    operation = Operation("m", "m", "POST", "/p.S/M", "g")
    table = build_routes([ApiEntry.of(Api("g", "g", "g", "g", type="grpc"), (operation,))])
    assert table.match("POST", "/g/p.S/M", "", CIMultiDict()).operation.id == "m"
    with pytest.raises(OperationNotFound):
        table.match("POST", "/g/p.S/Other", "", CIMultiDict())


@pytest.mark.parametrize(
    ("text", "element"),
    [
        ("<Envelope><Body><Ping/></Body></Envelope>", "Ping"),
        ('\ufeff<?xml version="1.0"?><!-- <a> --><s:Envelope a="x">\n <s:Body a=">"> <t:Ping xmlns:t="u">', "Ping"),
        ("<s:Envelope><s:Header><Body><No/></Body><x/></s:Header><s:Body><Ping>", "Ping"),
        ("<s:Envelope><s:Header/><s:Body><!-- c --><été:Größe ", ""),
        ("<s:Envelope><s:Body/><Ping/></s:Envelope>", ""),
        ("<s:Envelope><s:Body></s:Body><Ping/>", ""),
        ("<Body><Ping/></Body>", ""),
        ("{}", ""),
        ("", ""),
    ],
)
def test_the_first_element(text: str, element: str) -> None:
    assert element_in(text.encode()) == element


def test_a_hostile_beginning_costs_little() -> None:
    for text in ("<" * 60_000, "<!--" * 15_000, '<a "' * 15_000, "<a " + "='" * 30_000, "</a>" * 15_000):
        assert element_in(b"<Envelope><Header>" + text.encode()) == ""


async def _parts(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_the_body_is_still_whole() -> None:
    parts = [b"<Envelope><Bo", b"dy><Pi", b"ng>", b"x" * 10, b"</Ping>"]
    body = Body(stream=_parts(*parts), length=None)
    assert await first_element(body) == "Ping"
    assert not body.buffered
    assert b"".join([chunk async for chunk in body.chunks()]) == b"".join(parts)
    body = Body(stream=_parts(*[b"y" * 1000] * 200))
    assert await first_element(body) == ""
    assert await body.read() == b"y" * 200_000
    assert await first_element(Body(b"<Envelope><Body><Ping/>")) == "Ping"
    assert soap.LOOKED_AT == 64 * 1024


async def test_a_body_that_is_given_up_is_told_so() -> None:
    closed = []

    async def stream() -> AsyncIterator[bytes]:
        try:
            yield b"<Envelope>"
            yield b"<Body><Ping>"
            yield b"more"
        finally:
            closed.append(True)

    body = Body(stream=stream())
    assert await first_element(body) == "Ping"
    await body.discard()
    assert closed == [True]
