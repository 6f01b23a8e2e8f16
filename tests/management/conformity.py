"""Holds the plane's answers against what an api-version's swagger says of them: JSON Schema made of its definitions.

What swagger adds to JSON Schema is made of it: `x-nullable`, and a discriminator, which here is no more than its base.
What clients do not need is left out: formats, patterns and lengths, which are about what is sent.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema_rs

from tests.management.specification import Specification

KEPT = ("type", "required", "enum", "items", "properties", "allOf", "additionalProperties")


class Answers:
    def __init__(self, specification: Specification) -> None:
        self.specification = specification
        self._definitions: dict[str, Any] = {}
        self._validators: dict[str, Any] = {}

    def faults(self, home: Path, schema: Any, body: Any) -> list[str]:
        """What is wrong with an answer whose schema stands in file `home`."""
        name = self._name(home, schema)
        if name not in self._validators:
            root = {"$ref": f"#/$defs/{name}", "$defs": self._definitions}
            self._validators[name] = jsonschema_rs.validator_for(
                {"$schema": "https://json-schema.org/draft/2020-12/schema", **root}
            )
        return [
            f"/{'/'.join(str(step) for step in error.instance_path)}: {error.message[:200]}"
            for error in self._validators[name].iter_errors(body)
        ]

    def _name(self, home: Path, schema: Any) -> str:
        """The name of the definition made of a schema; of those it refers to, too."""
        place = schema.get("$ref") if isinstance(schema, dict) else None
        if place is None:
            name = f"inline{id(schema)}"
        else:
            file, _, inner = place.partition("#")
            name = f"{((home.parent / file) if file else home).name}.{inner.rsplit('/', 1)[-1]}"
        if name not in self._definitions:
            self._definitions[name] = {}  # of a definition within itself
            where, found = self.specification.resolve(home, schema)
            self._definitions[name] |= self._converted(where, found)
        return name

    def _converted(self, home: Path, schema: Any) -> Any:
        if "$ref" in schema:
            return {"$ref": f"#/$defs/{self._name(home, schema)}"}
        made = {key: schema[key] for key in KEPT if key in schema}
        if "properties" in made:
            made["properties"] = {key: self._converted(home, each) for key, each in made["properties"].items()}
        if "items" in made:
            made["items"] = self._converted(home, made["items"])
        if isinstance(made.get("additionalProperties"), dict):
            made["additionalProperties"] = self._converted(home, made["additionalProperties"])
        if "allOf" in made:
            made["allOf"] = [self._converted(home, each) for each in made["allOf"]]
        if "enum" in made and (schema.get("x-ms-enum") or {}).get("modelAsString"):
            del made["enum"]  # clients take others, too
        if schema.get("x-nullable") and "type" in made:
            made["type"] = [made["type"], "null"]
        return made


def missing(example: Any, answer: Any, place: str = "") -> list[str]:
    """What an example has that the answer has not, or has with another type of JSON."""
    if example is None:
        return []
    if isinstance(example, dict):
        if not isinstance(answer, dict):
            return [f"{place or '/'}: {type(answer).__name__} instead of an object"]
        return [
            fault
            for key, value in example.items()
            for fault in (
                missing(value, answer[key], f"{place}/{key}") if key in answer else [f"{place}/{key}: is not there"]
            )
        ]
    if isinstance(example, list):
        if not isinstance(answer, list):
            return [f"{place or '/'}: {type(answer).__name__} instead of a list"]
        return missing(example[0], answer[0], f"{place}/0") if example and answer else []
    numbers = isinstance(example, int | float) and isinstance(answer, int | float)
    if type(example) is not type(answer) and not numbers:
        return [f"{place}: {type(answer).__name__} instead of {type(example).__name__}"]
    return []
