"""A value made from a schema, for an operation that has a schema and no example.

Rules
1. What the schema itself offers comes first: example, default, const, the first of an enum.
2. At most MOST_NODES parts; a schema inside itself is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

from proxy.schemas.flatten import find

MOST_NODES = 500
DEEPEST = 32
_NAME = re.compile(r"^[^A-Za-z_]+|[^A-Za-z0-9_.-]")
_OFFERED = ("example", "default", "const")
_BY_FORMAT = {
    "date": "2000-01-23",
    "date-time": "2000-01-23T04:56:07Z",
    "uuid": "00000000-0000-0000-0000-000000000000",
    "email": "user@example.com",
    "uri": "https://example.com/",
    "byte": "c3RyaW5n",
}


def example(root: Any, pointer: str) -> str | None:
    """JSON text of a value of the schema at `pointer` of `root`; None when none can be made."""
    try:
        made = _Maker(root).make(find(root, pointer), 0)
    except (KeyError, TypeError, AttributeError):  # a schema that is not sound
        return None
    return None if made is None else json.dumps(made, ensure_ascii=False)


def xml_example(root: Any, pointer: str) -> str | None:
    """As `example`, as XML: elements by the names of properties, or by those that `xml` gives."""
    made = example(root, pointer)
    if made is None:
        return None
    schema = find(root, pointer)
    for _ in range(DEEPEST):
        if not isinstance(schema, Mapping) or not isinstance(reference := schema.get("$ref"), str):
            break
        pointer = reference.partition("#")[2]
        schema = find(root, pointer)
    own = schema.get("xml") if isinstance(schema, Mapping) else None
    name = str(own.get("name") if isinstance(own, Mapping) and own.get("name") else pointer.rpartition("/")[2])
    return "".join(_xml(_NAME.sub("_", name) or "root", json.loads(made)))


def _xml(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        inner = "".join(piece for key, each in value.items() for piece in _xml(_NAME.sub("_", key), each))
    elif isinstance(value, list):
        if name:
            for each in value:
                yield from _xml(name, each)
        return
    else:
        inner = escape(value if isinstance(value, str) else json.dumps(value))
    yield f"<{name}>{inner}</{name}>"


@dataclass(slots=True)
class _Maker:
    root: Any
    left: int = MOST_NODES
    open: list[int] = field(default_factory=list)  # schemas being made, by identity

    def make(self, schema: Any, depth: int) -> Any:
        for _ in range(DEEPEST):
            if not isinstance(schema, Mapping) or not isinstance(reference := schema.get("$ref"), str):
                break
            schema = find(self.root, reference.partition("#")[2])
        self.left -= 1
        if not isinstance(schema, Mapping) or self.left < 0 or depth > DEEPEST or id(schema) in self.open:
            return None
        for key in _OFFERED:
            if schema.get(key) is not None:
                return schema[key]
        for key in ("examples", "enum"):
            if isinstance(schema.get(key), list) and schema[key]:
                return schema[key][0]
        self.open.append(id(schema))
        try:
            return self._made(schema, depth + 1)
        finally:
            self.open.pop()

    def _made(self, schema: Mapping[str, Any], depth: int) -> Any:
        merged: dict[str, Any] = {}
        for part in schema.get("allOf") or ():
            made = self.make(part, depth)
            if isinstance(made, dict):
                merged |= made
        for name, child in (schema.get("properties") or {}).items():
            made = self.make(child, depth)
            if made is not None:
                merged[name] = made
        if merged:
            return merged
        for key in ("oneOf", "anyOf"):
            for part in schema.get(key) or ():
                made = self.make(part, depth)
                if made is not None:
                    return made
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = next((each for each in kind if each != "null"), None)
        match kind:
            case "object":
                return {}
            case "array":
                item = self.make(schema.get("items"), depth)
                return [] if item is None else [item]
            case "integer" | "number":
                return schema.get("minimum", 0)
            case "boolean":
                return True
            case "string":
                return _BY_FORMAT.get(str(schema.get("format")), "string")
        return None if schema.get("items") is None else [self.make(schema["items"], depth)]
