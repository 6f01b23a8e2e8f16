"""What of a flat schema makes findings expensive: choices, and circles of references."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

CHOICES = frozenset({"anyOf", "oneOf", "not", "if", "then", "else", "contains", "dependentSchemas", "propertyNames"})
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
    """Where the definitions of a flat schema lead, and which of them have choices."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        definitions = schema.get("$defs", {})
        self._leads = {name: set(_led_to(each)) for name, each in definitions.items()}
        self._choosing = {name for name, each in definitions.items() if _chooses(each)}
        top = {key: value for key, value in schema.items() if key != "$defs"}
        self._leads[""], top_chooses = set(_led_to(top)), _chooses(top)
        if top_chooses:
            self._choosing.add("")
        self.choices = bool(self._choosing)

    def tame(self, start: str = "") -> bool:
        """Whether what a definition leads to has no choices, or no circles; "" is the schema itself."""
        reached = {start}
        waiting = [start]
        while waiting:
            new = self._leads.get(waiting.pop(), set()) - reached
            reached |= new
            waiting.extend(new)
        return not (reached & self._choosing) or not self._circles(reached)

    def _circles(self, names: set[str]) -> bool:
        """Leave out what leads nowhere, again and again; what remains leads in a circle."""
        led_from: dict[str, list[str]] = {}
        for name in names:
            for target in self._leads.get(name, ()):
                led_from.setdefault(target, []).append(name)
        left = {name: len(self._leads.get(name, ())) for name in names}
        done = [name for name, count in left.items() if count == 0]
        for name in done:
            for source in led_from.get(name, ()):
                left[source] -= 1
                if left[source] == 0:
                    done.append(source)
        return len(done) < len(left)


def _led_to(schema: Any) -> Iterator[str]:
    return (str(node["$ref"]).rpartition("/")[2] for node in _nodes(schema) if "$ref" in node)


def _chooses(schema: Any) -> bool:
    return any(CHOICES & node.keys() for node in _nodes(schema))


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
