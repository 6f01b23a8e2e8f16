"""Examples of a media type: those the document gives, else one made from its schema, so that mock-response has a body.

Rules
- `examples` by name, else `example` as "default", else the schema's own example, else a value made from the schema.
- A value is made only for JSON media types, of at most 500 nodes, and never by following a schema into itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from management.importers.references import References

MOST_NODES = 500
DEEPEST = 32

_BY_FORMAT = {
    "date": "2000-01-23",
    "date-time": "2000-01-23T04:56:07Z",
    "time": "04:56:07Z",
    "duration": "PT1H",
    "uuid": "00000000-0000-0000-0000-000000000000",
    "email": "user@example.com",
    "uri": "https://example.com/",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "byte": "c3RyaW5n",
}


def examples(content_type: str, media: Mapping[str, Any], references: References, target: str) -> dict[str, Any]:
    """`{name: {"value": ...}}`, the `examples` of an ARM representation; empty when there is nothing to show."""
    named = media.get("examples")
    if isinstance(named, Mapping) and named:
        return {str(name): _named(references.object(entry, f"{target}/examples")) for name, entry in named.items()}
    if "example" in media:
        return {"default": {"value": media["example"]}}
    schema = media.get("schema")
    if not isinstance(schema, Mapping):
        return {}
    resolved = references.object(schema, f"{target}/schema")
    given = _given(resolved)
    if given:
        return {"default": {"value": given[0]}}
    if not is_json(content_type):
        return {}
    made = _Maker(references, f"{target}/schema").make(schema, 0)
    return {} if made is None else {"default": {"value": made}}


def is_json(content_type: str) -> bool:
    kind = content_type.split(";")[0].strip().lower()
    return kind in ("application/json", "text/json", "*/*") or kind.endswith("+json")


def _named(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: entry[key] for key in ("summary", "description", "value", "externalValue") if key in entry}


def _given(schema: Mapping[str, Any]) -> list[Any]:
    """What the schema itself offers as a value, best first; at most one element."""
    if "example" in schema:
        return [schema["example"]]
    for key in ("examples", "enum"):
        offered = schema.get(key)
        if isinstance(offered, list) and offered:
            return offered[:1]
    return [schema[key] for key in ("const", "default") if key in schema][:1]


class _Maker:
    """Makes a value from a schema within a budget of nodes."""

    def __init__(self, references: References, target: str) -> None:
        self._references = references
        self._target = target
        self._left = MOST_NODES
        self._open: list[int] = []  # schemas being made, by identity: meeting one again is recursion

    def make(self, schema: Any, depth: int) -> Any:
        """A value, or None where none can be made."""
        if not isinstance(schema, Mapping):
            return None
        schema = self._references.object(schema, self._target)
        self._left -= 1
        if self._left < 0 or depth > DEEPEST or id(schema) in self._open:
            return None
        given = _given(schema)
        if given:
            return given[0]
        self._open.append(id(schema))
        try:
            return self._made(schema, depth)
        finally:
            self._open.pop()

    def _made(self, schema: Mapping[str, Any], depth: int) -> Any:
        for key in ("oneOf", "anyOf"):
            choices = schema.get(key)
            if isinstance(choices, list) and choices and not isinstance(schema.get("properties"), Mapping):
                return next((made for choice in choices if (made := self.make(choice, depth + 1)) is not None), None)
        kind = type_of(schema)
        if kind == "object" or isinstance(schema.get("allOf"), list):
            return self._object(schema, depth)
        if kind == "array":
            item = self.make(schema.get("items"), depth + 1)
            return [] if item is None else [item]
        if kind in ("integer", "number"):
            return schema.get("minimum", 0)
        if kind == "boolean":
            return True
        return _BY_FORMAT.get(str(schema.get("format", "")), "string") if kind == "string" else None

    def _object(self, schema: Mapping[str, Any], depth: int) -> Any:
        merged: dict[str, Any] = {}
        parts = schema.get("allOf")
        for part in parts if isinstance(parts, list) else []:
            made = self.make(part, depth + 1)
            if not isinstance(made, dict):
                if made is not None and not isinstance(schema.get("properties"), Mapping) and len(parts or []) == 1:
                    return made
                continue
            merged |= made
        properties = schema.get("properties")
        for name, child in properties.items() if isinstance(properties, Mapping) else ():
            made = self.make(child, depth + 1)
            if made is not None:
                merged[name] = made
        return merged


def type_of(schema: Mapping[str, Any]) -> str:
    """The JSON type a schema asks for, the first that is not null of several (3.1); "" when it says none."""
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), None)
    if isinstance(kind, str):
        return kind
    if isinstance(schema.get("properties"), Mapping):
        return "object"
    return "array" if "items" in schema else ""
