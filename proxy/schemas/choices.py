"""What of a flat schema makes findings expensive: choices, and circles of references."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

CHOICES = frozenset({"anyOf", "oneOf", "not", "if", "then", "else", "contains", "dependentSchemas", "propertyNames"})
MOST_LEVELS = 2
_UNEVALUATED = frozenset({"unevaluatedProperties", "unevaluatedItems"})
_DATA = frozenset({"enum", "const", "required", "dependentRequired", "type"})
_BY_NAME = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs"})


def without_choices(schema: Any) -> Any:
    """The schema with its choices left out: it takes all that the schema takes, and more."""
    if isinstance(schema, list):
        return [without_choices(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    dropped = CHOICES | _UNEVALUATED if CHOICES & schema.keys() else CHOICES
    return {
        key: value
        if key in _DATA
        else {name: without_choices(each) for name, each in value.items()}
        if key in _BY_NAME
        else without_choices(value)
        for key, value in schema.items()
        if key not in dropped
    }


class Shape:
    """Where the definitions of a flat schema lead, and how deep choices lie in choices there."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        definitions = {**schema.get("$defs", {}), "": {key: each for key, each in schema.items() if key != "$defs"}}
        self._leads = {name: set(_led_to(each)) for name, each in definitions.items()}
        self._levels = {name: _levels(each) for name, each in definitions.items()}
        self.choices = any(self._levels.values())

    def tame(self, start: str = "") -> bool:
        """Whether there are at most MOST_LEVELS of choices in what a definition leads to; "" is the schema itself. In a
        circle there is no end of them."""
        reached = {start}
        waiting = [start]
        while waiting:
            new = self._leads.get(waiting.pop(), set()) - reached
            reached |= new
            waiting.extend(new)
        if not any(self._levels.get(name) for name in reached):
            return True
        led_from: dict[str, list[str]] = {}
        for name in reached:
            for target in self._leads.get(name, ()):
                led_from.setdefault(target, []).append(name)
        left = {name: len(self._leads.get(name, ())) for name in reached}
        deep = {name: self._levels.get(name, 0) for name in reached}
        done = [name for name, count in left.items() if count == 0]
        for name in done:  # what leads nowhere, then what leads there, and so on; circles are never done
            for source in led_from.get(name, ()):
                deep[source] = max(deep[source], self._levels.get(source, 0) + deep[name])
                left[source] -= 1
                if left[source] == 0:
                    done.append(source)
        return len(done) == len(left) and deep[start] <= MOST_LEVELS


def _led_to(schema: Any) -> Iterator[str]:
    return (str(node["$ref"]).rpartition("/")[2] for node in _nodes(schema) if "$ref" in node)


def _levels(schema: Any) -> int:
    """How deep choices lie in choices, references aside."""
    if isinstance(schema, list):
        return max(map(_levels, schema), default=0)
    if not isinstance(schema, Mapping):
        return 0
    deepest = 0
    for key, value in schema.items():
        if key not in _DATA:
            inner = value.values() if key in _BY_NAME and isinstance(value, Mapping) else [value]
            deepest = max(deepest, max(map(_levels, inner), default=0) + (key in CHOICES))
    return deepest


def _nodes(schema: Any) -> Iterator[Mapping[str, Any]]:
    """All schemas within a flat schema, itself first; no names of properties, no data."""
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, Mapping):
            yield node
            for key, value in node.items():
                if key in _BY_NAME and isinstance(value, Mapping):
                    waiting.extend(value.values())
                elif key not in _DATA:
                    waiting.append(value)
