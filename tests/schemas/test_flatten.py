"""Schemas of every kind as one JSON Schema: what they let through, and what they refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.schemas.flatten import DEEPEST, MOST_NODES, Reading, SchemaError, flatten
from proxy.schemas.json_schema import JsonValidator


def takes(schema: Any, value: Any, reading: Reading | None = None, pointer: str = "") -> bool:
    reading = reading or Reading()
    flat = flatten(schema, pointer, reading, {"other": {"$defs": {"small": {"maximum": 5}}}})
    return not JsonValidator(flat, reading.fold).content(json.dumps(value).encode())


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        # OpenAPI 3.0
        ({"type": "string", "nullable": True}, [None, "a"], [1]),
        ({"type": "string", "enum": ["a"], "nullable": True}, [None, "a"], ["b"]),
        ({"allOf": [{"type": "string"}], "nullable": True}, [None, "a"], [1]),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, [2], [1]),
        ({"type": "integer", "maximum": 1, "exclusiveMaximum": False}, [1], [2]),
        ({"type": "integer", "format": "int32"}, [2**31 - 1], [2**31, -(2**31) - 1]),
        ({"type": "integer", "format": "int64"}, [2**62], [1.5]),
        ({"type": "string", "format": "byte"}, ["YQ=="], ["?"]),
        ({"type": "string", "format": "date-time"}, ["2024-01-02T03:04:05Z", "2024-01-02T03:04:05.5"], ["2024-01-02"]),
        ({"type": "string", "format": "uuid"}, ["12345678-1234-1234-1234-123456789012"], ["x"]),
        ({"type": "string", "format": "of my own"}, ["anything"], [1]),
        ({"type": "file"}, [1, "a"], []),
        ({"type": "object", "xml": {"name": "a"}, "discriminator": {"propertyName": "a"}}, [{}], [1]),
        # drafts
        ({"type": "array", "items": [{"type": "integer"}], "additionalItems": False}, [[1]], [["a"], [1, 2]]),
        ({"dependencies": {"a": ["b"], "c": {"required": ["d"]}}}, [{"a": 1, "b": 1}, {}], [{"a": 1}, {"c": 1}]),
        ({"definitions": {"x": {"type": "string"}}, "$ref": "#/definitions/x"}, ["a"], [1]),
        ({"$defs": {"x": {"$anchor": "here", "type": "string"}}, "$ref": "#here"}, ["a"], [1]),
        ({"$id": "https://a.example/b", "items": {"$ref": "https://a.example/b#"}, "type": "array"}, [[[]]], [[1]]),
        ({"$ref": "/schemas/other#/$defs/small"}, [5], [6]),
        ({"$ref": "#/components/schemas/x", "definitions": {"x": {"type": "null"}}}, [None], [1]),
        ({"if": {"const": 1}, "then": False}, [2], [1]),
        ({"prefixItems": [{"type": "string"}], "items": False}, [["a"]], [["a", 1]]),
        ({"type": ["string", "null"]}, [None], [1]),
        ({"pattern": "^(?=.*[A-Z]).+$"}, ["aB"], ["ab"]),
        ({"required": True}, [{}], []),
        (True, [1], []),
        (False, [], [1]),
    ],
)  # fmt: skip
def test_what_a_schema_takes(schema: Any, right: list[Any], wrong: list[Any]) -> None:
    assert [value for value in right if not takes(schema, value)] == []
    assert [value for value in wrong if takes(schema, value)] == []


NAMED = {"properties": {"a": {"type": "integer"}}}
ADDED = {"allOf": [{"$ref": "#/$defs/base"}, {"properties": {"b": {}}}], "$defs": {"base": {"type": "object", **NAMED}}}


@pytest.mark.parametrize(
    ("schema", "value", "as_written", "allowed", "refused"),
    [
        (NAMED, {"x": 1}, True, True, False),
        ({**NAMED, "additionalProperties": False}, {"x": 1}, False, True, False),
        ({**NAMED, "additionalProperties": True}, {"x": 1}, True, True, False),
        ({**NAMED, "additionalProperties": {"type": "integer"}}, {"x": 1}, True, True, True),
        ({"type": "object"}, {"x": 1}, True, True, True),
        (ADDED, {"a": 1, "b": 2}, True, True, True),
        (ADDED, {"a": 1, "c": 2}, True, True, False),
        ({"properties": {"in": ADDED}, "$defs": ADDED["$defs"]}, {"in": {"c": 1}}, True, True, False),
        ({"items": NAMED}, [{"x": 1}], True, True, False),
        ({"oneOf": [NAMED, {"properties": {"b": {}}}]}, {"b": 1}, False, False, True),
    ],
)
def test_additional_properties(schema: Any, value: Any, as_written: bool, allowed: bool, refused: bool) -> None:
    assert takes(schema, value) is as_written
    assert takes(schema, value, Reading(additional=True)) is allowed
    assert takes(schema, value, Reading(additional=False)) is refused


def test_names_of_properties_in_any_case() -> None:
    schema = {"required": ["Id"], "properties": {"Id": {"type": "integer"}}, "additionalProperties": False}
    assert takes(schema, {"iD": 1}, Reading(fold=True))
    assert not takes(schema, {"iD": "x"}, Reading(fold=True))
    assert not takes(schema, {"iD": 1})


def test_properties_of_one_direction() -> None:
    schema = {
        "required": ["id", "name", "secret"],
        "properties": {"id": {"$ref": "#/$defs/id"}, "name": {}, "secret": {"writeOnly": True}},
        "$defs": {"id": {"readOnly": True}},
    }
    assert takes(schema, {"name": 1, "secret": 1}, Reading(request=True))
    assert takes(schema, {"name": 1, "id": 1}, Reading(request=False))
    assert not takes(schema, {"name": 1}, Reading(request=True))


def test_a_schema_within_itself() -> None:
    schema = {"type": "object", "properties": {"next": {"$ref": "#"}, "value": {"type": "integer"}}}
    assert takes(schema, {"next": {"next": {"value": 1}}})
    assert not takes(schema, {"next": {"next": {"value": "x"}}})


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"$ref": "https://example.com/x.json"}, "nothing is fetched"),
        ({"$ref": "file:///x"}, "nothing is fetched"),
        ({"$ref": "#/none"}, "points at nothing"),
        ({"$ref": "#none"}, "points at nothing"),
        ({"$ref": "/schemas/none"}, "does not exist"),
        ({"$dynamicRef": "#x"}, "not supported"),
        ({"properties": {"a": 7}}, "neither"),
        ({"minimum": "x"}, "not sound"),
        ({"pattern": "("}, "not sound"),
        ({"pattern": 7}, "not sound"),
    ],
)
def test_schemas_that_cannot_be_used(schema: Any, words: str) -> None:
    with pytest.raises(SchemaError, match=words):
        takes(schema, 1)


def test_a_schema_has_bounds() -> None:
    deep: Any = {}
    for _ in range(DEEPEST + 2):
        deep = {"not": deep}
    with pytest.raises(SchemaError, match="nested deeper"):
        flatten(deep, "", Reading())
    with pytest.raises(SchemaError, match="more than"):
        flatten({"allOf": [{}] * (MOST_NODES + 1)}, "", Reading())


def test_only_what_is_reached_is_taken() -> None:
    named: dict[str, Any] = {f"T{n}": {"$ref": "#/components/schemas/end"} for n in range(50)}
    named["end"] = {"type": "string"}
    flat = flatten({"components": {"schemas": named}}, "/components/schemas/T7", Reading())
    assert flat == {"$ref": "#/$defs/0", "$defs": {"0": {"$ref": "#/$defs/1"}, "1": {"type": "string"}}}
