"""An api-version as its swagger files say it: operations, what they take and answer, and their examples.

`Specification.read(folder)` takes any folder that has swagger files below it, with the examples where those say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

METHODS = ("get", "put", "patch", "post", "delete", "head")


@dataclass(frozen=True)
class Operation:
    """`path` has braces for what varies; `codes` are the statuses of success, with the file and schema of a body."""

    id: str
    method: str
    path: str
    parameters: tuple[dict[str, Any], ...]
    codes: dict[int, tuple[Path, Any]]
    links: dict[str, Path]

    @property
    def body(self) -> str | None:
        """The name of the parameter that is the body."""
        return next((each["name"] for each in self.parameters if each["in"] == "body"), None)

    @property
    def shape(self) -> str:
        """The path in lower case, without names."""
        return re.sub(r"\{[^}]*\}", "{}", self.path.partition("?")[0]).lower()


@dataclass(frozen=True)
class Example:
    operation: Operation
    name: str
    values: dict[str, Any]
    responses: dict[str, Any]

    @property
    def id(self) -> str:
        return f"{self.operation.id}: {self.name}"


def _paths(document: Any) -> list[tuple[str, Any]]:
    if not isinstance(document, dict):
        return []
    return [*(document.get("paths") or {}).items(), *(document.get("x-ms-paths") or {}).items()]


@dataclass
class Specification:
    operations: list[Operation] = field(default_factory=list)
    files: dict[Path, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Specification:
        self = cls()
        for path in sorted(folder.rglob("*.json")):
            if path.parent.name == "examples" or path.name == "index.json":
                continue
            document = self.load(path)
            for template, item in _paths(document):
                self.operations += [
                    self._operation(path, template, method, item[method]) for method in item if method in METHODS
                ]
        if not self.operations:
            raise ValueError(f"there are no swagger files with operations below {folder}")
        return self

    def load(self, path: Path) -> Any:
        if path not in self.files:
            self.files[path] = json.loads(path.read_text(encoding="utf-8-sig"))
        return self.files[path]

    def resolve(self, home: Path, node: Any) -> tuple[Path, Any]:
        """What `node` of file `home` means, when it is a reference."""
        while isinstance(node, dict) and "$ref" in node:
            file, _, place = node["$ref"].partition("#")
            home = (home.parent / file).resolve() if file else home
            node = self.load(home)
            for step in place.strip("/").split("/") if place.strip("/") else ():
                node = node[step.replace("~1", "/").replace("~0", "~")]
        return home, node

    def _operation(self, home: Path, path: str, method: str, found: dict[str, Any]) -> Operation:
        codes: dict[int, tuple[Path, Any]] = {}
        for code, response in found["responses"].items():
            if code.isdecimal():
                place, answer = self.resolve(home, response)
                codes[int(code)] = (place, answer.get("schema"))
        parameters = tuple(self.resolve(home, each)[1] for each in found.get("parameters", ()))
        links = {name: home.parent / each["$ref"] for name, each in (found.get("x-ms-examples") or {}).items()}
        return Operation(found["operationId"], method.upper(), path, parameters, codes, links)

    def examples(self, operation: Operation) -> Iterator[Example]:
        for name, path in operation.links.items():
            document = self.load(path)
            yield Example(operation, name, document["parameters"], document.get("responses") or {})

    def all(self) -> Iterator[Example]:
        for operation in self.operations:
            yield from self.examples(operation)
