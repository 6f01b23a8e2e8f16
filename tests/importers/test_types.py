"""Schemas that operations name: those of the document, and those that are written in place."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from management.importers import ImportedApi, import_document

ITEM = {"$ref": "#/components/schemas/Item"}


def described(version: str, **operation: Any) -> ImportedApi:
    document = {
        "openapi": version,
        "info": {"title": "T"},
        "paths": {"/items/{id}": {"post": {"parameters": [], "responses": {}, **operation}}},
        "components": {
            "schemas": {"Item": {"type": "object"}},
            "parameters": {"Id": {"name": "id", "in": "path", "schema": {"type": "integer", "minimum": 1}}},
        },
    }
    api = import_document(json.dumps(document), "openapi+json")
    assert import_document(yaml.safe_dump(document), "openapi") == api, "JSON and YAML are one language"
    return api


@pytest.mark.parametrize("version", ["3.0.3", "3.1.0"])
def test_bodies(version: str) -> None:
    api = described(
        version,
        requestBody={"content": {"application/json": {"schema": ITEM}}},
        responses={
            "200": {"content": {"application/json": {"schema": {"type": "array", "items": ITEM}}}},
            "404": {"content": {"application/problem+json": {"schema": {"type": "object", "required": ["title"]}}}},
            "500": {"content": {"text/plain": {}}},
        },
    )
    properties = api.operations[0].properties
    names = [each["representations"][0].get("typeName") for each in (properties["request"], *properties["responses"])]
    first, second = "ItemsIdPost200ApplicationJsonResponse", "ItemsIdPost404ApplicationProblemJsonResponse"
    assert names == ["Item", first, second, None]
    assert api.schemas[first] == {"type": "array", "items": ITEM}
    assert list(api.schemas) == ["Item", first, second]
    assert not api.older


def test_parameters() -> None:
    parameters = [
        {"$ref": "#/components/parameters/Id"},
        {"name": "plain", "in": "query", "schema": {"type": "integer", "default": 3, "description": "x"}},
        {"name": "kind", "in": "query", "schema": {"type": "string", "enum": ["a", "b"]}},
        {"name": "item", "in": "query", "schema": {"$ref": "#/components/schemas/Long"}},
        {"name": "X-Tags", "in": "header", "schema": {"type": "array", "items": {"type": "integer"}}},
    ]
    document = {
        "openapi": "3.0.0",
        "paths": {"/items/{id}": {"get": {"parameters": parameters, "responses": {}}}},
        "components": {
            "schemas": {"Long": {"type": "string", "minLength": 3}},
            "parameters": {"Id": {"name": "id", "in": "path", "schema": {"type": "integer", "minimum": 1}}},
        },
    }
    api = import_document(json.dumps(document), "openapi+json")
    properties = api.operations[0].properties
    listed = [
        *properties["templateParameters"],
        *properties["request"]["queryParameters"],
        *properties["request"]["headers"],
    ]
    assert {each["name"]: each.get("typeName") for each in listed} == {
        "id": "Items-Id-id-GetRequest",
        "plain": None,
        "kind": None,
        "item": "Long",
        "X-Tags": "Items-Id-X-Tags-GetRequest",
    }
    assert api.schemas["Items-Id-id-GetRequest"] == {"type": "integer", "minimum": 1}


def test_a_name_that_is_taken() -> None:
    name = "ItemsIdPostApplicationJsonRequest"
    document = {
        "openapi": "3.0.0",
        "paths": {
            "/items/{id}": {
                "post": {
                    "requestBody": {"content": {"application/json": {"schema": {"type": "array"}}}},
                    "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/x-own/Thing"}}}}},
                }
            }
        },
        "components": {"schemas": {name: {"type": "string"}}},
        "x-own": {"Thing": {"type": "boolean"}},
    }
    api = import_document(json.dumps(document), "openapi+json")
    assert api.schemas == {
        name: {"type": "string"},
        f"{name}-1": {"type": "array"},
        "ItemsIdPost200ApplicationJsonResponse": {"type": "boolean"},
    }
