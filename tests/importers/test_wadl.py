"""WADL documents as APIs."""

from __future__ import annotations

import pytest

from management.importers.imported import ImportRefused
from management.importers.wadl import import_wadl

DOCUMENT = """<?xml version="1.0"?>
<application xmlns="http://wadl.dev.java.net/2009/02" xmlns:xsd="http://www.w3.org/2001/XMLSchema">
  <doc title="Shop">All of it</doc>
  <resources base="https://example.com/v1/">
    <resource path="orders">
      <method id="listOrders" name="GET">
        <doc title="List orders"/>
        <request>
          <param name="top" style="query" type="xsd:int" default="10"/>
          <param name="state" style="query"><option value="open"/><option value="done"/></param>
          <param name="X-Trace" style="header" required="true"/>
        </request>
        <response status="200 206"><representation mediaType="application/json"/></response>
      </method>
      <resource path="{id}">
        <param name="id" style="template" type="xsd:long"/>
        <method href="#one"/>
        <method name="PUT"><request><representation mediaType="application/xml"/></request></method>
      </resource>
    </resource>
  </resources>
  <method id="one" name="GET"/>
</application>"""


def test_a_document() -> None:
    api = import_wadl(DOCUMENT)
    assert (api.display_name, api.description, api.service_url) == ("Shop", "All of it", "https://example.com/v1")
    assert [(each.id, each.properties["method"], each.properties["urlTemplate"]) for each in api.operations] == [
        ("listorders", "GET", "/orders"),
        ("one", "GET", "/orders/{id}"),
        ("put-orders-id", "PUT", "/orders/{id}"),
    ]
    listed = api.operations[0].properties
    plain = {"description": "", "values": []}
    assert listed["request"]["queryParameters"] == [
        {**plain, "name": "top", "type": "integer", "required": False, "defaultValue": "10"},
        {**plain, "name": "state", "type": "string", "required": False, "values": ["open", "done"]},
    ]
    assert listed["request"]["headers"] == [{**plain, "name": "X-Trace", "type": "string", "required": True}]
    assert [each["statusCode"] for each in listed["responses"]] == [200, 206]
    parameter = {**plain, "name": "id", "type": "integer", "required": True}
    assert api.operations[1].properties["templateParameters"] == [parameter]
    assert api.operations[2].properties["request"]["representations"] == [{"contentType": "application/xml"}]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<application", "not XML"),
        ("<wsdl/>", "no WADL"),
        ("<!DOCTYPE a [<!ENTITY x 'y'>]><application/>", "DOCTYPE"),
        ("<application><resources><resource><method/></resource></resources></application>", "has no name"),
    ],
)
def test_what_is_none(text: str, why: str) -> None:
    with pytest.raises(ImportRefused, match=why):
        import_wadl(text)
