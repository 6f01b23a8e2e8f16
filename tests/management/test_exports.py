"""Exports of an API: the link, the document behind it, and that an import of it gives the API again."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from management import exports
from tests.management.conftest import Plane

DOCUMENT = {
    "openapi": "3.0.1",
    "info": {"title": "Pets", "version": "1", "description": "All about pets"},
    "servers": [{"url": "https://pets.example.com/v1"}],
    "paths": {
        "/pets": {
            "get": {
                "operationId": "listPets",
                "summary": "List pets",
                "parameters": [
                    {"name": "limit", "in": "query", "schema": {"type": "integer"}, "description": "How many"},
                    {"name": "x-trace", "in": "header", "required": True, "schema": {"type": "string"}},
                ],
                "responses": {
                    "200": {
                        "description": "some",
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}},
                    }
                },
            },
            "post": {
                "operationId": "addPet",
                "summary": "Add a pet",
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}},
                "responses": {"201": {"description": "made"}},
            },
        },
        "/pets/{id}": {
            "get": {
                "operationId": "getPet",
                "summary": "Get a pet",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "responses": {"200": {"description": "one"}},
            }
        },
    },
    "components": {
        "schemas": {
            "Pet": {"type": "object", "properties": {"owner": {"$ref": "#/components/schemas/Owner"}}},
            "Owner": {"type": "object"},
        }
    },
}


async def _imported(plane: Plane, name: str, document: Any, format: str = "openapi+json") -> list[dict[str, Any]]:
    text = document if isinstance(document, str) else json.dumps(document)
    await plane.put(f"/apis/{name}", {"path": name, "displayName": "Pets", "format": format, "value": text})
    operations = (await plane.get(f"/apis/{name}/operations"))["value"]
    return sorted((_plain(each["properties"]) for each in operations), key=lambda each: str(each["displayName"]))


def _plain(value: Any) -> Any:
    """Without what tells one API's schema from another's."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items() if key != "schemaId"}
    return [_plain(each) for each in value] if isinstance(value, list) else value


async def _exported(plane: Plane, format: str) -> str:
    told = await plane.get("/apis/pets", query={"export": "true", "format": format})
    assert told["format"] == format
    async with plane.session.get(told["value"]["link"]) as response:  # without credentials
        assert response.status == 200
        return await response.text()


@pytest.mark.parametrize("format", ["openapi-link", "openapi+json-link"])
async def test_what_is_exported_can_be_imported(plane: Plane, format: str) -> None:
    operations = await _imported(plane, "pets", DOCUMENT)
    document = yaml.safe_load(await _exported(plane, format))
    assert document["info"]["title"] == "Pets"
    assert document["components"]["schemas"] == DOCUMENT["components"]["schemas"]  # type: ignore[index]
    assert document["components"]["securitySchemes"]["apiKeyHeader"]["name"] == "Ocp-Apim-Subscription-Key"
    assert await _imported(plane, "again", document) == operations


async def test_swagger(plane: Plane) -> None:
    await _imported(plane, "pets", DOCUMENT)
    document = json.loads(await _exported(plane, "swagger-link"))
    assert (document["swagger"], document["basePath"]) == ("2.0", "/pets")
    assert document["definitions"]["Pet"]["properties"]["owner"] == {"$ref": "#/definitions/Owner"}
    again = await _imported(plane, "again", document, "swagger-json")
    assert [each["displayName"] for each in again] == ["Add a pet", "Get a pet", "List pets"]


async def test_links_are_signed_and_end(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    await plane.api("pets")
    assert (await plane.call("GET", "/apis/pets", query={"export": "true", "format": "wadl-link"})).status == 400
    told = await plane.get("/apis/pets", query={"export": "true", "format": "openapi-link"})
    monkeypatch.setattr(exports, "LIFE", -1)
    ended = await plane.get("/apis/pets", query={"export": "true", "format": "openapi-link"})
    for link in (told["value"]["link"] + "0", ended["value"]["link"], str(plane.server.make_url("/exports/x.y"))):
        async with plane.session.get(link) as response:
            assert response.status == 404
