"""OpenAPI 2.0, in the words of the pet store whose import ARM's documentation shows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from management.importers import import_document

PETS: dict[str, Any] = {
    "swagger": "2.0",
    "info": {"title": "Pets", "description": "A pet store"},
    "host": "pets.example.com",
    "basePath": "/v2/",
    "schemes": ["http", "https"],
    "produces": ["application/xml", "application/json"],
    "paths": {
        "/user/login": {
            "get": {
                "operationId": "loginUser",
                "summary": "Logs user into the system",
                "parameters": [
                    {"name": "username", "in": "query", "required": True, "type": "string", "description": "Who"},
                    {"name": "password", "in": "query", "required": True, "type": "string"},
                    {"name": "pages", "in": "query", "type": "array", "items": {"type": "integer"}, "default": [1, 2]},
                ],
                "responses": {
                    "200": {
                        "description": "ok",
                        "schema": {"type": "string"},
                        "headers": {"X-Rate-Limit": {"type": "integer", "description": "calls per hour"}},
                        "examples": {"application/json": "welcome"},
                    },
                    "400": {"description": "Invalid"},
                },
            },
        },
        "/pets": {
            "parameters": [{"$ref": "#/parameters/Body"}],
            "post": {
                "operationId": "addPet",
                "consumes": ["application/json", "application/xml"],
                "responses": {"405": {"$ref": "#/responses/Bad"}},
            },
            "put": {
                "operationId": "form",
                "parameters": [{"name": "file", "in": "formData", "type": "file"}],
                "responses": {},
            },
        },
    },
    "parameters": {"Body": {"in": "body", "name": "body", "schema": {"$ref": "#/definitions/Pet"}}},
    "responses": {"Bad": {"description": "Invalid input"}},
    "definitions": {
        "Pet": {"type": "object", "properties": {"name": {"type": "string", "example": "doggie"}}},
    },
}


def test_the_pet_store() -> None:
    api = import_document(json.dumps(PETS), "swagger-json")
    assert api.service_url == "https://pets.example.com/v2"
    assert list(api.schemas) == [
        "Pet",
        "User-Login-pages-GetRequest",
        "UserLoginGet200ApplicationXmlResponse",
        "UserLoginGet200ApplicationJsonResponse",
    ]
    assert api.older
    login, form, add = sorted(api.operations, key=lambda operation: ["loginuser", "form", "addpet"].index(operation.id))

    assert login.properties["urlTemplate"] == "/user/login?username={username}&password={password}"
    assert [one["name"] for one in login.properties["templateParameters"]] == ["username", "password"]
    (pages,) = login.properties["request"]["queryParameters"]
    assert (pages["type"], pages["defaultValue"]) == ("array", "1,2")
    ok, invalid = login.properties["responses"]
    assert [one["contentType"] for one in ok["representations"]] == ["application/xml", "application/json"]
    assert ok["representations"][1]["examples"] == {"default": {"value": "welcome"}}
    assert ok["headers"][0]["type"] == "integer"
    assert [one["contentType"] for one in invalid["representations"]] == ["application/xml", "application/json"]

    body, xml = add.properties["request"]["representations"]
    assert body == {
        "contentType": "application/json",
        "schemaId": "components",
        "typeName": "Pet",
        "examples": {"default": {"value": {"name": "doggie"}}},
    }
    assert xml == {"contentType": "application/xml", "schemaId": "components", "typeName": "Pet"}
    assert add.properties["responses"][0]["description"] == "Invalid input"
    assert form.properties["request"]["queryParameters"] == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"schemes": ["http"]}, "http://pets.example.com/v2"),
        ({"schemes": None}, "https://pets.example.com/v2"),
        ({"host": None}, None),
        ({"x-servers": [{"url": "https://other.example.com"}]}, "https://other.example.com"),
    ],
)
def test_the_service_url(change: dict[str, Any], expected: str | None) -> None:
    assert import_document(PETS | change, "swagger-json").service_url == expected
