"""Examples: what the document says comes first; what is made from a schema is bounded and never runs in a circle."""

from __future__ import annotations

import json
from typing import Any

import pytest

from management.importers import import_document
from management.importers.references import References
from management.importers.samples import MOST_NODES, examples


def made(schema: Any, components: Any = None, content_type: str = "application/json") -> Any:
    references = References({"components": {"schemas": components or {}}})
    shown = examples(content_type, {"schema": schema}, references, "#")
    return shown["default"]["value"] if shown else None


@pytest.mark.parametrize(
    ("media", "expected"),
    [
        ({"examples": {"a": {"value": 1}, "b": {"summary": "B", "value": [2]}}, "example": 3}, {"a": 1, "b": [2]}),
        ({"example": {"x": None}, "schema": {"example": 4}}, {"default": {"x": None}}),
        ({"schema": {"example": 4, "type": "string"}}, {"default": 4}),
        ({"schema": {"examples": [5, 6]}}, {"default": 5}),
        ({"schema": {"enum": ["a", "b"]}}, {"default": "a"}),
        ({"schema": {"const": 7}}, {"default": 7}),
        ({"schema": {"default": False, "type": "boolean"}}, {"default": False}),
        ({"examples": {}, "schema": {}}, {}),
        ({}, {}),
    ],
)
def test_what_the_document_says_comes_first(media: dict[str, Any], expected: dict[str, Any]) -> None:
    shown = examples("application/json", media, References({}), "#")
    assert {name: example["value"] for name, example in shown.items()} == expected


def test_an_example_by_reference() -> None:
    references = References({"components": {"examples": {"A": {"summary": "S", "value": 1, "x-other": 2}}}})
    media = {"examples": {"one": {"$ref": "#/components/examples/A"}}}
    assert examples("text/plain", media, references, "#") == {"one": {"summary": "S", "value": 1}}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, "string"),
        ({"type": "string", "format": "date-time"}, "2000-01-23T04:56:07Z"),
        ({"type": ["null", "integer"], "minimum": 3}, 3),
        ({"type": "number"}, 0),
        ({"type": "array", "items": {"type": "boolean"}}, [True]),
        ({"items": {}}, []),
        ({"properties": {"a": {"type": "integer"}, "b": {}}}, {"a": 0}),
        ({"oneOf": [{}, {"type": "integer"}]}, 0),
        ({"anyOf": [{"$ref": "#/components/schemas/A"}, {"type": "integer"}]}, {"a": "string"}),
        ({"allOf": [{"$ref": "#/components/schemas/A"}], "properties": {"b": {"enum": [2]}}}, {"a": "string", "b": 2}),
        ({"allOf": [{"type": "string"}]}, "string"),
        ({"type": "object"}, {}),
        (True, None),
    ],
)
def test_a_value_is_made_from_a_schema(schema: Any, expected: Any) -> None:
    assert made(schema, {"A": {"properties": {"a": {"type": "string"}}}}) == expected


def test_nothing_is_made_for_other_media() -> None:
    assert made({"type": "string"}, content_type="text/csv") is None
    assert made({"type": "string"}, content_type="Application/Vnd.Api+JSON; charset=utf-8") == "string"


def test_recursion_ends() -> None:
    tree = {"properties": {"name": {"type": "string"}, "children": {"items": {"$ref": "#/components/schemas/Tree"}}}}
    assert made({"$ref": "#/components/schemas/Tree"}, {"Tree": tree}) == {"name": "string", "children": []}


def test_a_wide_and_deep_schema_stays_within_the_budget() -> None:
    schemas = {
        f"S{level}": {"properties": {f"p{at}": {"$ref": f"#/components/schemas/S{level + 1}"} for at in range(10)}}
        for level in range(20)
    }
    value = made({"$ref": "#/components/schemas/S0"}, {**schemas, "S20": {"type": "string"}})
    assert 0 < json.dumps(value).count(":") <= MOST_NODES


def test_a_document_of_such_schemas_is_imported_soon() -> None:
    schemas = {
        f"S{level}": {"properties": {f"p{at}": {"$ref": f"#/components/schemas/S{level + 1}"} for at in range(10)}}
        for level in range(30)
    }
    media = {"application/json": {"schema": {"$ref": "#/components/schemas/S0"}}}
    paths = {f"/x{at}": {"get": {"responses": {"200": {"content": media}}}} for at in range(50)}
    document = {"openapi": "3.0.0", "paths": paths, "components": {"schemas": {**schemas, "S30": {}}}}
    assert len(import_document(document, "openapi").operations) == 50
