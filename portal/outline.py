"""A JSON Schema as rows of a table: one for each property, in the order of the document. Pure.

Bounded, since schemas may refer to themselves: `DEEPEST` levels, `MOST` rows; what is deeper is named, not opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

DEEPEST = 5
MOST = 200
REFERENCES = ("#/components/schemas/", "#/definitions/")
BOUNDS = (
    ("minimum", "at least {}"),
    ("maximum", "at most {}"),
    ("minLength", "at least {} characters"),
    ("maxLength", "at most {} characters"),
    ("minItems", "at least {} items"),
    ("maxItems", "at most {} items"),
    ("pattern", "matches {}"),
    ("default", "default {}"),
)

Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """`depth` from 0."""

    name: str
    depth: int
    type: str
    required: bool
    description: str
    values: tuple[str, ...]
    bounds: tuple[str, ...]


def outline(name: str, schemas: Mapping[str, Any]) -> list[Row]:
    """Of the schema `name` in `schemas`; none where there is no such, or it has no properties."""
    schema = schemas.get(name)
    return list(islice(_rows(schema, schemas, 0, (name,)), MOST)) if isinstance(schema, Mapping) else []


def _rows(schema: Schema, schemas: Mapping[str, Any], depth: int, path: tuple[str, ...]) -> Iterator[Row]:
    if depth >= DEEPEST:
        return
    path = (*path, _name(_unlisted(schema)))
    schema = _items(schema, schemas)
    parts = [schema, *(each for each in schema.get("allOf") or () if isinstance(each, Mapping))]
    for part in parts:
        part = _resolved(part, schemas)
        properties = part.get("properties")
        needed = part.get("required")
        needed = needed if isinstance(needed, list) else []
        for name, value in properties.items() if isinstance(properties, Mapping) else ():
            if not isinstance(value, Mapping):
                continue
            inner = _resolved(value, schemas)
            yield Row(
                str(name),
                depth,
                _type(value, schemas),
                name in needed,
                str(value.get("description") or inner.get("description") or ""),
                tuple(map(str, inner["enum"])) if isinstance(inner.get("enum"), list) else (),
                tuple(words.format(inner[key]) for key, words in BOUNDS if key in inner),
            )
            named = _name(_unlisted(value))
            if named not in path:
                yield from _rows(inner, schemas, depth + 1, (*path, named) if named else path)


def _items(schema: Schema, schemas: Mapping[str, Any]) -> Schema:
    """What a list, or a list of lists, is of."""
    for _ in range(DEEPEST):
        schema = _resolved(schema, schemas)
        items = schema.get("items")
        if not isinstance(items, Mapping):
            break
        schema = items
    return schema


def _unlisted(schema: Schema) -> Schema:
    items = schema.get("items")
    return items if isinstance(items, Mapping) else schema


def _name(schema: Schema) -> str:
    """Of the schema that this one refers to; "" for none."""
    reference = schema.get("$ref")
    for start in REFERENCES:
        if isinstance(reference, str) and reference.startswith(start):
            return reference.removeprefix(start)
    return ""


def _resolved(schema: Schema, schemas: Mapping[str, Any]) -> Schema:
    for _ in range(DEEPEST):
        name = _name(schema)
        target = schemas.get(name) if name else None
        if not isinstance(target, Mapping):
            break
        schema = target
    return schema


def _type(schema: Schema, schemas: Mapping[str, Any]) -> str:
    name, inner = _name(schema), _resolved(schema, schemas)
    items = inner.get("items")
    if isinstance(items, Mapping):
        return f"list of {_type(items, schemas)}"
    kind = inner.get("type")
    words = " or ".join(map(str, kind)) if isinstance(kind, list) else str(kind or ("object" if name else "any"))
    if name and words == "object":
        return name
    return f"{words} ({inner['format']})" if inner.get("format") else words
