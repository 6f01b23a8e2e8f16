"""Schemas of an API and of the service: stored as sent, checked, used."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.management.conftest import POLICY, Plane

PERSON = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "required": ["name"]}
USE = '<validate-content unspecified-content-type-action="ignore" max-size="100" size-exceeded-action="ignore">' \
      '<content validate-as="json" action="prevent" schema-id="{}" /></validate-content>'  # fmt: skip
DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.0",
    "info": {"title": "T"},
    "paths": {"/items": {"post": {"operationId": "add", "requestBody": {"content": {"application/json": {}}}}}},
    "components": {"schemas": {"Item": {"type": "object"}}},
}


async def refused(plane: Plane, id: str, properties: dict[str, Any]) -> str:
    reply = await plane.call("PUT", id, properties)
    assert reply.status == 400, reply.body
    return str(reply.error()["details"][0]["message"])


async def test_a_schema_of_the_service_is_stored_as_it_is_sent(plane: Plane) -> None:
    await plane.put("/schemas/person", {"schemaType": "json", "document": PERSON, "description": "People"})
    found = await plane.get("/schemas/person")
    assert found["type"] == "Microsoft.ApiManagement/service/schemas"
    assert found["properties"] == {
        "schemaType": "json",
        "document": PERSON,
        "description": "People",
        "provisioningState": "Succeeded",
    }
    assert await plane.names("/schemas") == ["person"]


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"schemaType": "json"}, "needs document"),
        ({"schemaType": "xml"}, "needs value"),
        ({"schemaType": "yaml", "value": "a: b"}, "one of xml, json"),
        ({"schemaType": "json", "document": {"type": "whole", "minimum": "x"}}, "not sound"),
        ({"schemaType": "json", "document": {"$ref": "#/$defs/none"}}, "points at nothing"),
        ({"schemaType": "json", "document": {"$ref": "https://example.com/x.json"}}, "nothing is fetched"),
        ({"schemaType": "json", "value": "{"}, "cannot be read"),
        ({"schemaType": "xml", "value": "<a/>"}, "not a schema document"),
        ({"schemaType": "xml", "value": "<a"}, "not XML"),
    ],
)
async def test_a_schema_that_no_policy_could_use(plane: Plane, properties: dict[str, Any], words: str) -> None:
    assert words in await refused(plane, "/schemas/bad", properties)


async def test_a_schema_may_refer_to_another(plane: Plane) -> None:
    await plane.put("/schemas/name", {"schemaType": "json", "document": {"type": "string"}})
    document = {"type": "object", "properties": {"name": {"$ref": "/schemas/name"}}}
    await plane.put("/schemas/person", {"schemaType": "json", "document": document})
    document = {"properties": {"name": {"$ref": "/schemas/other#/a"}}}
    assert "does not exist" in await refused(plane, "/schemas/person", {"schemaType": "json", "document": document})


async def test_a_schema_keeps_its_type(plane: Plane) -> None:
    await plane.put("/schemas/person", {"schemaType": "json", "document": PERSON})
    assert "cannot be changed" in await refused(plane, "/schemas/person", {"schemaType": "xml", "value": "<a/>"})


async def test_a_policy_names_schemas_that_are_there(plane: Plane) -> None:
    policy = {"format": "rawxml", "value": POLICY.format(USE.format("person"))}
    assert "Schema with id 'person' could not be found" in await refused(plane, "/policies/policy", policy)
    await plane.put("/schemas/person", {"schemaType": "json", "document": PERSON})
    await plane.put("/policies/policy", policy)
    reply = await plane.call("DELETE", "/schemas/person")
    assert reply.status == 400, "a policy uses it"
    await plane.delete("/policies/policy")
    await plane.delete("/schemas/person")


async def test_an_import_keeps_the_schemas_of_the_document(plane: Plane) -> None:
    async def imported(document: dict[str, Any], format: str = "openapi+json") -> None:
        await plane.put("/apis/a", {"path": "a", "format": format, "value": json.dumps(document)})

    await imported(DOCUMENT)
    found = (await plane.get("/apis/a/schemas/components"))["properties"]
    assert found["contentType"] == "application/vnd.oai.openapi.components+json"
    assert found["document"] == {"components": {"schemas": {"Item": {"type": "object"}}}}
    older = {"swagger": "2.0", "info": {"title": "T"}, "paths": {}, "definitions": {"Pet": {"type": "object"}}}
    await imported(older, "swagger-json")
    found = (await plane.get("/apis/a/schemas/components"))["properties"]
    assert found["contentType"] == "application/vnd.ms-azure-apim.swagger.definitions+json"
    assert found["document"] == {"definitions": {"Pet": {"type": "object"}}}
    await imported({"openapi": "3.0.0", "info": {"title": "T"}, "paths": {}})
    assert await plane.names("/apis/a/schemas") == []


async def test_what_is_read_can_be_written_again(plane: Plane) -> None:
    await plane.put("/apis/a", {"path": "a", "format": "openapi+json", "value": json.dumps(DOCUMENT)})
    for id in ("/apis/a/schemas/components", "/apis/a/operations/add"):
        before = (await plane.get(id))["properties"]
        await plane.put(id, before)
        assert (await plane.get(id))["properties"] == before
