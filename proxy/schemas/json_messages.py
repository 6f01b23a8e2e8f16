"""What a client reads of a value that its schema refuses: one sentence for each keyword."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

LONGEST = 200  # characters of a value or name that a message shows

_TYPE_NAMES = {
    "string": "String", "integer": "Integer", "number": "Number", "boolean": "Boolean", "object": "Object",
    "array": "Array", "null": "Null",
}  # fmt: skip


def message(kind: Any, value: Any, names: Mapping[str, str]) -> str:
    """`kind` is the `ValidationErrorKind` of a finding, `value` what it was found at; `names` gives folded names of
    properties in their own case."""
    name = type(kind).__name__
    if name == "Required":
        missing = str(kind.property)
        return f"Required properties are missing from object: {names.get(missing, missing)[:LONGEST]}."
    if name == "Type":
        expected = ", ".join(_TYPE_NAMES.get(each, each) for each in kind.types)
        return f"Invalid type. Expected {expected} but got {type_name(value)}."
    if name in ("AdditionalProperties", "UnevaluatedProperties"):
        return (
            f"Property '{str(kind.unexpected[0])[:LONGEST]}' has not been defined and the schema does not allow "
            "additional properties."
        )
    shown = f"{type_name(value)} {_shown(value)}" if isinstance(value, (int, float)) else f"String {_shown(value)}"
    count = len(value) if isinstance(value, (list, dict)) else 0
    match name:
        case "Enum":
            return f"Value {_shown(value)} is not defined in enum."
        case "Constant":
            return f"Value {_shown(value)} does not match const."
        case "Minimum":
            return f"{shown} is less than minimum value of {kind.limit}."
        case "Maximum":
            return f"{shown} exceeds maximum value of {kind.limit}."
        case "ExclusiveMinimum":
            return f"{shown} is not greater than minimum value of {kind.limit}."
        case "ExclusiveMaximum":
            return f"{shown} is not less than maximum value of {kind.limit}."
        case "MultipleOf":
            return f"{shown} is not a multiple of {kind.multiple_of}."
        case "MinLength":
            return f"{shown} is less than minimum length of {kind.limit}."
        case "MaxLength":
            return f"{shown} exceeds maximum length of {kind.limit}."
        case "Pattern":
            return f"{shown} does not match regex pattern '{str(kind.pattern)[:LONGEST]}'."
        case "Format":
            return f"{shown} does not validate against format '{kind.format}'."
        case "MinItems":
            return f"Array item count {count} is less than minimum count of {kind.limit}."
        case "MaxItems":
            return f"Array item count {count} exceeds maximum count of {kind.limit}."
        case "AdditionalItems" | "UnevaluatedItems":
            return f"Array item count {count} exceeds the items that the schema allows."
        case "UniqueItems":
            return "The array has items that are not unique."
        case "Contains":
            return "No item of the array matches the schema in 'contains'."
        case "MinProperties":
            return f"Object property count {count} is less than minimum count of {kind.limit}."
        case "MaxProperties":
            return f"Object property count {count} exceeds maximum count of {kind.limit}."
        case "PropertyNames":
            return "A property name does not match the schema in 'propertyNames'."
        case "AnyOf":
            return "JSON does not match any schemas from 'anyOf'."
        case "OneOfNotValid":
            return "JSON is valid against no schemas from 'oneOf'."
        case "OneOfMultipleValid":
            return "JSON is valid against more than one schema from 'oneOf'."
        case "Not":
            return "JSON is valid against schema from 'not'."
        case "FalseSchema":
            return "The schema allows no value here."
        case "BacktrackLimitExceeded" | "RegexEngineFailure":
            return "A regex pattern of the schema takes too long on this value."
    return f"JSON does not match the keyword '{kind.name}' of the schema."


def type_name(value: Any) -> str:
    """The JSON type of a value."""
    if isinstance(value, bool):
        return "Boolean"
    if isinstance(value, int):
        return "Integer"
    if isinstance(value, float):
        return "Number"
    if isinstance(value, str):
        return "String"
    return "Null" if value is None else "Array" if isinstance(value, list) else "Object"


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f"'{value[:LONGEST]}'"
    return json.dumps(value, ensure_ascii=False, default=str)[:LONGEST]
