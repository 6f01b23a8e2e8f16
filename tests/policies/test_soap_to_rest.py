"""What the policies of a SOAP-to-REST import make of messages, in the gateway's own engine."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lxml import etree

from management.importers.soap_service import ENVELOPES
from management.importers.wsdl import import_wsdl
from passerelle.cases.world import World, content
from tests.soap.shop import WSDL

POLICIES = {
    version: {each.id: each.policy for each in import_wsdl(WSDL, "http", "Shop", port).operations}
    for version, port in (("1.1", "Shop11"), ("1.2", "Shop12"))
}
MEDIA = {"1.1": "text/xml", "1.2": "application/soap+xml"}


async def call(
    operation: str, body: Any, answer: str, version: str = "1.1", status: int = 200, media: str | None = None
) -> tuple[World, Any]:
    """The world afterwards, and the JSON that came back; `answer` is the inside of the envelope, or a whole body."""
    world = World()
    if media is None:
        answer = f'<s:Envelope xmlns:s="{ENVELOPES[version]}"><s:Body>{answer}</s:Body></s:Envelope>'
    headers = {"Content-Type": media or f"{MEDIA[version]}; charset=utf-8"}
    world.transport.answers = [{"status": status, "headers": headers, "body": answer}]
    text = body if isinstance(body, str) else json.dumps(body)
    exchange = world.exchange("POST", "/Add", {"Content-Type": "application/json"}, text)
    response = await world.serve(exchange, POLICIES[version][operation])
    assert response.status == status
    assert response.headers["Content-Type"] == "application/json"
    return world, json.loads(await content(response))


@pytest.mark.parametrize("version", ["1.1", "1.2"])
async def test_the_request(version: str) -> None:
    world, _ = await call("add", {"Add": {"intA": 1, "INTB": -2, "note": "<&\"'é"}}, "", version)
    sent = world.transport.sent[-1]
    root = etree.fromstring(sent.body)
    assert root.tag == f"{{{ENVELOPES[version]}}}Envelope"
    (asked,) = root[0]
    assert [(each.tag, each.text) for each in asked] == [
        ("{urn:shop}intA", "1"),
        ("{urn:shop}intB", "-2"),
        ("{urn:shop}note", "<&\"'é"),
    ]
    action = sent.outgoing.headers.get("SOAPAction"), sent.outgoing.headers["Content-Type"]
    assert action == (
        ('"urn:shop/Add"', "text/xml; charset=utf-8")
        if version == "1.1"
        else (None, 'application/soap+xml; charset=utf-8; action="urn:shop/Add"')
    )


async def test_a_request_without_a_body_is_an_envelope_too() -> None:
    world, answer = await call(
        "ping", "", '<PingResponse xmlns="urn:shop"><At>2020-05-06T07:08:09.5+02:00</At></PingResponse>'
    )
    assert [each.tag for each in etree.fromstring(world.transport.sent[-1].body)[0]] == ["{urn:shop}Ping"]
    assert answer == {"pingResponse": {"at": "2020-05-06T07:08:09.5+02:00"}}


@pytest.mark.parametrize(
    ("version", "fault", "code", "message"),
    [
        ("1.1", "<s:Fault><faultcode>s:Client</faultcode><faultstring xml:lang='en'>a\n\"b\"\\</faultstring></s:Fault>",
         "s:Client", 'a\n"b"\\'),
        ("1.2", "<s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code><s:Reason><s:Text xml:lang='en'>no</s:Text>"
         "</s:Reason></s:Fault>", "s:Sender", "no"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", [500, 200])
async def test_faults(version: str, fault: str, code: str, message: str, status: int) -> None:
    _, answer = await call("add", {}, fault, version, status)
    assert answer == {"error": {"code": code, "message": message}}


@pytest.mark.parametrize(("media", "body"), [("text/html", "<h1>Bad"), ("text/plain", ""), ("application/json", "{}")])
async def test_errors_that_are_no_faults(media: str, body: str) -> None:
    _, answer = await call("add", {}, body, status=502, media=media)
    assert answer["error"]["code"] == "InvalidErrorResponseBody"
    assert "502" in answer["error"]["message"]


async def test_what_is_absent_or_nil_is_null() -> None:
    note = '<Note xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="true"/>'
    nil = f'<AddResponse xmlns="urn:shop">{note}</AddResponse>'
    assert (await call("add", {}, nil))[1] == {"addResponse": {"addResult": None, "note": None}}
    assert (await call("add", {}, ""))[1] == {"addResponse": None}
    empty = '<ListGoodsResponse xmlns="urn:shop"><ListGoodsResult/></ListGoodsResponse>'
    assert (await call("listgoods", {}, empty))[1] == {"listGoodsResponse": {"listGoodsResult": {"item": []}}}
    missing = '<ListGoodsResponse xmlns="urn:shop"/>'
    assert (await call("listgoods", {}, missing))[1] == {"listGoodsResponse": {"listGoodsResult": None}}
