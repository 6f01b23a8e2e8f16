"""OData metadata -> an OData API."""

from __future__ import annotations

import pytest

from management.importers.edmx import import_odata
from management.importers.imported import ImportRefused

V4 = """<?xml version="1.0" encoding="utf-16"?>
<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>
<Schema Namespace="Trip" xmlns="http://docs.oasis-open.org/odata/ns/edm"><EntityType Name="Person"/>
<EntityContainer Name="Trips"><EntitySet Name="People" EntityType="Trip.Person"/>
<Singleton Name="Me" Type="Trip.Person"/>
<FunctionImport Name="Near" Function="Trip.Near"/></EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"""
V2 = """<edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx"><edmx:DataServices>
<Schema xmlns="http://schemas.microsoft.com/ado/2008/09/edm"><EntityContainer Name="C"><EntitySet Name="S"/>
</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"""


@pytest.mark.parametrize(("text", "name"), [(V4, "Trips"), (V2, "C")])
def test_the_metadata_is_the_schema(text: str, name: str) -> None:
    api = import_odata(text)
    assert (api.type, api.display_name, api.operations) == ("odata", name, [])
    (schema,) = api.documents
    assert (schema.id, schema.content_type) == ("odata", "application/vnd.ms-azure-apim.odata.schema")
    assert schema.text == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{}", "not XML"),
        ("<service/>", "root is <service>"),
        ('<!DOCTYPE x SYSTEM "http://x"><Edmx/>', "DOCTYPE"),
        ("<Edmx><DataServices><Schema/></DataServices></Edmx>", "no EntityContainer"),
        ("<Schema><EntityContainer/></Schema>", "nothing to call"),
        ("<Schema><EntityContainer>\n<EntitySet/></EntityContainer></Schema>", "has no name on line 2"),
    ],
)
def test_what_is_none(text: str, why: str) -> None:
    with pytest.raises(ImportRefused, match=why):
        import_odata(text)
