"""A parameter's text -> the value that its definition means, and whether the definition allows it.

Rules
1. Only a list takes several values; one text of a list is split at its commas.
2. A whole number has digits only, true and false have any case; an object is JSON.
3. A definition of several types takes a text that is right for one of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.schemas.flatten import Reading, SchemaError, find, flatten
from proxy.schemas.json_schema import JsonValidator

_INTEGER = re.compile(r"[+-]?[0-9]{1,40}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
# portals let people write any word for a type; the others mean a text
_WORDS = {
    **dict.fromkeys(("integer", "int", "int32", "int64", "long", "short"), "integer"),
    **dict.fromkeys(("number", "double", "float", "decimal"), "number"),
    "boolean": "boolean",
    "bool": "boolean",
    "array": "array",
    "object": "object",
}
MOST_VALUES = 1000  # of one list


@dataclass(slots=True, frozen=True)
class Refusal:
    """`parsed` False: the text is not even of the type."""

    message: str
    parsed: bool = True


@dataclass(slots=True, frozen=True)
class ParameterCheck:
    """`kinds` and `items` are JSON types, of the parameter and of the items of a list; empty: any. A parameter without
    `validator` takes what its kinds take. `problem`: its definition is not there or not sound."""

    kinds: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    validator: JsonValidator | None = None
    problem: str = ""

    @property
    def several(self) -> bool:
        return "array" in self.kinds

    def refusal(self, texts: Sequence[str]) -> Refusal | None:
        """What is wrong with the texts of one parameter, of which there is at least one."""
        if self.several:
            pieces = texts if len(texts) > 1 else texts[0].split(",") if texts[0] else []
            if len(pieces) > MOST_VALUES:
                return Refusal(f"The list has more than {MOST_VALUES} values.")
            values: list[Any] = []
            for piece in pieces:
                value = read(piece.strip(), self.items)
                if isinstance(value, Refusal):
                    return value
                values.append(value)
            return self._judge(values)
        value = read(texts[0], self.kinds)
        return value if isinstance(value, Refusal) else self._judge(value)

    def _judge(self, value: Any) -> Refusal | None:
        found = self.validator.value(value) if self.validator is not None else None
        return Refusal(found[0]) if found else None


def read(text: str, kinds: tuple[str, ...]) -> Any:
    """The value of a text, or a Refusal."""
    for kind in kinds:
        value = _as(text, kind)
        if value is not None:
            return value[0]
    if not kinds or "string" in kinds:
        return text
    return Refusal(f"'{text[:100]}' is not of type {' or '.join(kinds)}.", parsed=False)


def _as(text: str, kind: str) -> tuple[Any] | None:
    match kind:
        case "integer":
            return (int(text),) if _INTEGER.fullmatch(text) else None
        case "number":
            if not _NUMBER.fullmatch(text):
                return None
            return (int(text),) if _INTEGER.fullmatch(text) else (float(text),)
        case "boolean":
            word = text.lower()
            return (word == "true",) if word in ("true", "false") else None
        case "null":
            return (None,) if text == "null" else None
        case "object":
            try:
                value = json.loads(text)
            except (ValueError, RecursionError):
                return None
            return (value,) if isinstance(value, dict) else None
    return None


def plain_check(kind: str, values: Sequence[str]) -> ParameterCheck:
    """The check of a parameter that says its type, in whatever words, and what it may be, and has no schema."""
    kinds = (_WORDS.get(kind.lower(), "string"),) if kind else ()
    schema: dict[str, Any] = {}
    if values:
        offered = [value for value in (read(each, kinds) for each in values) if not isinstance(value, Refusal)]
        schema = {"enum": offered}
        if kinds == ("array",):
            schema = {"items": {"enum": list(values)}}
    return ParameterCheck(kinds, validator=JsonValidator(schema) if schema else None)


def schema_check(root: Any, pointer: str) -> ParameterCheck:
    """The check of a parameter whose schema stands at `pointer` of `root`. Raises SchemaError."""
    flat = flatten(root, pointer, Reading())
    kinds = types_of(flat, flat)
    items: tuple[str, ...] = ()
    if "array" in kinds:
        top = _followed(flat, flat)
        items = types_of(top.get("items"), flat) if isinstance(top, Mapping) else ()
    return ParameterCheck(kinds, items, JsonValidator(flat))


def types_of(schema: Any, root: Any, depth: int = 0) -> tuple[str, ...]:
    """The JSON types that a flat schema takes, text last; empty: it does not say."""
    schema = _followed(schema, root)
    if not isinstance(schema, Mapping) or depth > 8:
        return ()
    kind = schema.get("type")
    if kind is not None:
        kinds = [kind] if isinstance(kind, str) else list(kind)
    elif "items" in schema:
        kinds = ["array"]
    else:
        parts = [part for key in ("allOf", "anyOf", "oneOf") for part in schema.get(key) or ()]
        kinds = [kind for part in parts for kind in types_of(part, root, depth + 1)]
    return tuple(sorted(dict.fromkeys(kinds), key=lambda each: (each == "string", each != "integer")))


def _followed(schema: Any, root: Any) -> Any:
    for _ in range(32):
        if not isinstance(schema, Mapping) or "$ref" not in schema or "type" in schema:
            return schema
        try:
            schema = find(root, str(schema["$ref"])[1:])
        except KeyError:
            return {}
    raise SchemaError("References lead in a circle.")
