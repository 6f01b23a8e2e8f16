"""Names for the schemas of one document: ARM's representations and parameters refer to them by `schemaId` and
`typeName`.

Rules
1. A schema of the document's own collection keeps its name; one written in place gets a name made of its place.
2. A parameter that only says its type, and what it may be, needs no schema.
3. Schemas stay as they stand there, references and all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from management.importers.references import References

SCHEMA_ID = "components"
LONGEST = 200

# what a parameter's contract says by itself, and what says nothing about values
_PLAIN = frozenset({"type", "enum", "default", "description", "title", "example", "examples", "deprecated"})
_WORD = re.compile(r"[A-Za-z0-9]+")


class Types:
    """`schemas` are all that were named: those of the document first, in its order."""

    def __init__(self, named: Mapping[str, Any], references: References) -> None:
        self.schemas: dict[str, Any] = dict(named)
        self._references = references

    def of_body(self, schema: Any, *place: str) -> dict[str, Any]:
        """`schemaId` and `typeName` of a representation; nothing when there is no schema. `place`: path, method,
        status, content type, Request or Response."""
        if not isinstance(schema, Mapping) or not schema:
            return {}
        path, *rest = place
        words = [word[:1].upper() + word[1:] for part in (path, *rest) for word in _WORD.findall(part)]
        return self._named(schema, "".join(words), "#")

    def of_parameter(self, schema: Any, path: str, name: str, method: str, target: str) -> dict[str, Any]:
        """As `of_body`; nothing for a parameter that needs no schema."""
        if not isinstance(schema, Mapping):
            return {}
        kind = self._references.object(schema, target)
        keys = {key for key in kind if not str(key).startswith("x-")} - _PLAIN
        if not keys and not isinstance(kind.get("type"), list):
            return {}
        place = "-".join(word[:1].upper() + word[1:] for word in _WORD.findall(path))
        return self._named(schema, f"{place}-{name}-{method[:1].upper()}{method[1:]}Request".lstrip("-"), target)

    def _named(self, schema: Mapping[str, Any], wanted: str, target: str) -> dict[str, Any]:
        reference = schema.get("$ref")
        if isinstance(reference, str):
            holder, _, name = reference.rpartition("/")
            if holder in ("#/components/schemas", "#/definitions") and len(schema) == 1:
                return {"schemaId": SCHEMA_ID, "typeName": name.replace("~1", "/").replace("~0", "~")}
            if holder not in ("#/components/schemas", "#/definitions"):
                schema = self._references.object(schema, target)
        wanted = wanted[:LONGEST]
        name, twin = wanted, 0
        while name in self.schemas and self.schemas[name] != schema:
            twin += 1
            name = f"{wanted}-{twin}"
        self.schemas[name] = schema
        return {"schemaId": SCHEMA_ID, "typeName": name}
