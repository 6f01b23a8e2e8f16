"""XML to JSON and back: hostile input ends in one message, large input does not hold the event loop."""

from __future__ import annotations

import asyncio
import time

import pytest

from passerelle.cases.world import World, content, policies
from proxy.pipeline.convert_json import Mapping, json_to_xml
from proxy.pipeline.convert_xml import ConversionError, xml_to_json


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"<a", "unclosed token at line 1, column 1"),
        (b"<a>" * 100_000, "deeper than 128"),
        (b'<a x="1" x="2"/>', "duplicate attribute"),
        (b"<a>\x00</a>", "invalid token"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "unknown encoding"),
        (b'<!DOCTYPE a [<!ENTITY x "xxxx"><!ENTITY y "&x;&x;">]><a>&y;</a>', "DOCTYPE"),
        ('<!DOCTYPE a SYSTEM "http://x.example/dtd"><a/>'.encode("utf-16"), "DOCTYPE"),
        (b"<a>&x;</a>", "undefined entity"),
        (b"", "no element found"),
    ],
)
def test_xml_that_is_refused(body: bytes, says: str) -> None:
    with pytest.raises(ConversionError, match=says):
        xml_to_json(body, friendly=True, arrays=False)


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a":' * 500 + b"1" + b"}" * 500, b"\xff", b"1" * 5000, b"{'a':1}", b""]
)
def test_json_that_is_refused(body: bytes) -> None:
    with pytest.raises(ConversionError):
        json_to_xml(body, Mapping())


@pytest.mark.parametrize(
    ("body", "xml"),
    [
        (b'{"a":"\\u0001"}', "<a>\ufffd</a>"),
        (b"{}", "<Document />"),
        (b'{"@a":1}', '<Document a="1" />'),
        (b'{"a":1,"a":2}', "<a>2</a>"),
        (b'{"a><b":1}', "<a_x003E__x003C_b>1</a_x003E__x003C_b>"),
        (b'{"a":{"@b c":"\\" d=\\""}}', '<a b_x0020_c="&quot; d=&quot;" />'),
        (b'{"a":{"xmlns_p\\"":"u\\""}}', '<a xmlns:p_x0022_="u&quot;" />'),
    ],
)
def test_json_never_becomes_markup(body: bytes, xml: str) -> None:
    assert json_to_xml(body, Mapping()).decode() == xml


def test_there_and_back() -> None:
    xml = b'<s:a xmlns:s="urn:s" s:k="v"><b>1</b><b>2</b><c d="e">t</c><f></f></s:a>'
    assert json_to_xml(xml_to_json(xml, friendly=False, arrays=False), Mapping()) == xml


async def test_a_large_body_is_converted_beside_the_event_loop() -> None:
    body = b"<r>" + b'<item id="1"><name>hello</name></item>' * 40_000 + b"</r>"
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0)
            longest = max(longest, time.perf_counter() - began)

    world = World()
    text = policies('<xml-to-json kind="direct" apply="always" consider-accept-header="false" />')
    exchange = world.exchange("POST", body=body)
    watching = asyncio.create_task(watch())
    began = time.perf_counter()
    response = await world.serve(exchange, text)
    took = time.perf_counter() - began
    watching.cancel()
    assert await content(response) == "backend"
    assert world.transport.sent[0].body.startswith(b'{"r":{"item":[{"@id":"1","name":"hello"},')
    assert longest < max(0.1, took / 2)
