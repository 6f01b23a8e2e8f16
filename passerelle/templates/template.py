"""One template with its parameters: what its expressions may name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from passerelle.templates.expressions import Scope, evaluate
from passerelle.templates.wrong import TemplateWrong

Properties = dict[str, Any]
MOST_TURNS = 10_000  # of one `copy` loop
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "securestring": (str,),
    "int": (int,),
    "bool": (bool,),
    "object": (dict,),
    "secureobject": (dict,),
    "array": (list,),
}


class Later(Mapping[str, Any]):
    """Values that are found when they are asked for, once; keys without case."""

    def __init__(self, names: Mapping[str, Any] | list[str], find: Callable[[str], Any], what: str) -> None:
        self._names = {name.lower(): name for name in names}
        self._find, self._what = find, what
        self._known: dict[str, Any] = {}
        self._open: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        key = str(name).lower()
        if key not in self._names:
            raise TemplateWrong(f"there is no {self._what} {name}")
        if key not in self._known:
            if key in self._open:
                raise TemplateWrong(f"the {self._what} {name} is made of itself")
            self._open.add(key)
            try:
                self._known[key] = self._find(self._names[key])
            finally:
                self._open.discard(key)
        return self._known[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names.values())

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return str(name).lower() in self._names


def parameters(template: Properties, given: Mapping[str, Any], scope: Callable[[], Scope]) -> Later:
    """The values of a template's parameters: those given, else their defaults. Raises TemplateWrong for all missing."""
    declared = section(template, "parameters")
    held = {name.lower(): name for name in given}
    unknown = [name for name in given if name.lower() not in {each.lower() for each in declared}]
    if unknown:
        raise TemplateWrong(f"the template has no parameter {', '.join(sorted(unknown))}")
    missing = [
        name
        for name, each in declared.items()
        if name.lower() not in held and "defaultValue" not in each and not each.get("nullable")
    ]
    if missing:
        raise TemplateWrong(f"no value for {', '.join(missing)}: give it in a --parameters file or by --set NAME=VALUE")

    def find(name: str) -> Any:
        declaration = declared[name]
        if name.lower() in held:
            value = given[held[name.lower()]]
        else:
            value = expanded(declaration.get("defaultValue"), scope())
        _check(name, declaration, value)
        return value

    return Later(declared, find, "parameter")


def _check(name: str, declaration: Properties, value: Any) -> None:
    wanted = _TYPES.get(str(declaration.get("type", "")).lower())
    if value is None and (declaration.get("nullable") or "defaultValue" in declaration):
        return
    if wanted and (not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted)):
        raise TemplateWrong(f"the parameter {name} must be of type {declaration['type']}")
    allowed = declaration.get("allowedValues")
    if isinstance(allowed, list) and value not in allowed and not isinstance(value, list):
        shown = ", ".join(str(each) for each in allowed[:20])
        raise TemplateWrong(f"the parameter {name} must be one of {shown}")


def as_type(declaration: Properties, text: str) -> Any:
    """What somebody wrote on the command line for a parameter. Raises ValueError."""
    if str(declaration.get("type", "string")).lower() in ("string", "securestring"):
        return text
    return json.loads(text)


def variables(template: Properties, scope: Callable[[], Scope]) -> Later:
    declared = dict(section(template, "variables"))
    for loop in declared.pop("copy", None) or []:
        if isinstance(loop, dict) and isinstance(loop.get("name"), str):
            declared[loop["name"]] = {"copy": [loop]}

    def find(name: str) -> Any:
        value = expanded(declared[name], scope(), f"variables/{name}")
        looped = isinstance(value, dict) and list(value) == [name] and isinstance(declared[name].get("copy"), list)
        return value[name] if looped else value

    return Later(declared, find, "variable")


def functions(template: Properties) -> dict[str, Callable[[list[Any]], Any]]:
    """The template's own functions, which see only their arguments."""
    found: dict[str, Callable[[list[Any]], Any]] = {}

    def make(declaration: Properties) -> Callable[[list[Any]], Any]:
        names = [str(each.get("name", "")).lower() for each in declaration.get("parameters") or []]

        def call(arguments: list[Any]) -> Any:
            known = dict(zip(names, arguments, strict=False))
            scope = Scope({"parameters": lambda name: known[str(name).lower()]}, found)
            return evaluate((declaration.get("output") or {}).get("value"), scope)

        return call

    for space in template.get("functions") or []:
        for name, declaration in (space.get("members") or {}).items():
            found[f"{space.get('namespace', '')}.{name}".lower()] = make(declaration)
    return found


def expanded(value: Any, scope: Scope, place: str = "") -> Any:
    """`value` evaluated, with its loops: {"copy": [{"name", "count", "input"}]} becomes {name: [...]}."""
    try:
        if isinstance(value, list):
            return [expanded(each, scope, str(n)) for n, each in enumerate(value)]
        if not isinstance(value, dict):
            return evaluate(value, scope)
        found: Properties = {}
        for key, each in value.items():
            if key == "copy" and _is_loops(each):
                for loop in each:
                    name, count = str(loop["name"]), turns(loop, scope)
                    found[name] = [expanded(loop["input"], scope.within(name, n), f"{name}/{n}") for n in range(count)]
            else:
                found[evaluate(key, scope) if key.startswith("[") else key] = expanded(each, scope, key)
        return found
    except TemplateWrong as error:
        raise (error.at(place) if place else error) from None


def _is_loops(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, dict) and {"name", "count", "input"} <= set(each) for each in value
    )


def turns(loop: Properties, scope: Scope) -> int:
    count = evaluate(loop.get("count"), scope)
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= MOST_TURNS:
        raise TemplateWrong(f"the count of a copy loop must be a number up to {MOST_TURNS}", "copy/count")
    return count


def section(template: Properties, name: str) -> dict[str, Any]:
    found = template.get(name) or {}
    if not isinstance(found, dict):
        raise TemplateWrong("an object was expected", name)
    return found
