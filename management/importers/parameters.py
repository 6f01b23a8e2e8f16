"""Parameters of one operation, sorted into ARM's three lists: URL template, query, headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from management.importers.imported import ImportRefused
from management.importers.references import References
from management.importers.samples import type_of
from management.importers.types import Types

LONGEST_DESCRIPTION = 1000

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def described(holder: Mapping[str, Any]) -> str:
    """The description of anything, cut to what ARM allows an operation."""
    return str(holder.get("description") or "")[:LONGEST_DESCRIPTION]


class Parameters:
    """`template()` comes first: it fills `of_template` and takes from `of_query` what moves into the template."""

    def __init__(
        self,
        item: Mapping[str, Any],
        operation: Mapping[str, Any],
        references: References,
        types: Types,
        path: str,
        method: str,
        target: str,
    ) -> None:
        self._types, self._place = types, (path, method)
        self._target = target
        self._references = references
        self.of_template: list[dict[str, Any]] = []
        merged: dict[tuple[str, str], Mapping[str, Any]] = {}
        for holder in (item, operation):
            declared = holder.get("parameters") or []
            if not isinstance(declared, list):
                raise ImportRefused("Parameters are a list", f"{target}/parameters")
            for entry in declared:
                parameter = references.object(entry, f"{target}/parameters")
                place, name = str(parameter.get("in") or ""), parameter.get("name")
                if not isinstance(name, str) or not name:
                    raise ImportRefused("A parameter has no name", f"{target}/parameters")
                merged[place, name.lower() if place == "header" else name] = parameter
        self._path = self._contracts(merged, "path")
        self.of_query = self._contracts(merged, "query")
        self.of_headers = self._contracts(merged, "header")

    def template(self, path: str, required_in_template: bool) -> str:
        """The URL template of `path`, which may carry a query of its own (x-ms-paths)."""
        declared = {parameter["name"]: parameter for parameter in self._path}
        in_query = {parameter["name"]: parameter for parameter in self.of_query}
        names = [name.removeprefix("*") for name in _PLACEHOLDER.findall(path)]
        if len(set(names)) != len(names) or "" in names:
            raise ImportRefused(f'The names in the URL template "{path}" are not unique', self._target)
        for name in names:
            found = declared.pop(name, None) or declared.pop(f"*{name}", None) or in_query.pop(name, None)
            self.of_template.append({**(found or _contract(name)), "name": name, "required": True})
        if declared:
            missing = ", ".join(declared)
            raise ImportRefused(
                f'The path parameters {missing} are not part of the URL template "{path}"', self._target
            )
        self.of_query = [parameter for parameter in self.of_query if parameter["name"] in in_query]
        if not required_in_template:
            return path
        required = [parameter for parameter in self.of_query if parameter["required"]]
        for parameter in required:
            name = parameter["name"]
            if name in names:
                raise ImportRefused(
                    f'The required query parameter "{name}" has the name of a path parameter, and names must be unique '
                    "within the URL template",
                    self._target,
                )
            path += f"{'&' if '?' in path else '?'}{name}={{{name}}}"
        self.of_template += required
        self.of_query = [parameter for parameter in self.of_query if not parameter["required"]]
        return path

    def _contracts(self, merged: Mapping[tuple[str, str], Mapping[str, Any]], place: str) -> list[dict[str, Any]]:
        return [
            self.contract(str(parameter["name"]), parameter, f"{self._target}/parameters")
            for (where, _), parameter in merged.items()
            if where == place
        ]

    def contract(self, name: str, parameter: Mapping[str, Any], target: str) -> dict[str, Any]:
        """A parameter or response header as an ARM ParameterContract."""
        schema = parameter.get("schema")
        resolved = self._references.object(schema, f"{target}/schema") if isinstance(schema, Mapping) else {}
        contract = _contract(
            name, described(parameter), type_of(resolved) or "string", parameter.get("required") is True
        )
        if "default" in resolved:
            contract["defaultValue"] = text(resolved["default"])
        offered = resolved.get("enum")
        if isinstance(offered, list):
            contract["values"] = [text(value) for value in offered if value is not None]
        example = parameter.get("example", resolved.get("example"))
        if example is not None:
            contract["examples"] = {"default": {"value": example}}
        path, method = self._place
        return contract | self._types.of_parameter(schema, path, name, method, f"{target}/schema")


def _contract(name: str, description: str = "", kind: str = "string", required: bool = False) -> dict[str, Any]:
    return {"name": name, "description": description, "type": kind, "required": required, "values": []}


def text(value: Any) -> str:
    """A scalar as it would stand in a URL."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(text(item) for item in value)
    return "" if value is None else str(value)
