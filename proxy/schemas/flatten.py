"""A schema somewhere in a document -> one JSON Schema of draft 2020-12 that stands alone.

Drafts 04 to 2019-09, OpenAPI 3.0 and 3.1 and Swagger 2.0 are read as one language; where they differ, what only one of
them has is put in today's words: `nullable`, boolean `exclusiveMinimum`, `items` as a list, `dependencies`, int32.

Rules
1. Only what the schema reaches is taken, each part once; a reference goes to the document itself or to one that it
   names as `/schemas/NAME`, never anywhere else.
2. At most MOST_NODES schemas, nested DEEPEST levels; a circle of references is no depth.
3. `readOnly` properties are not required of requests, `writeOnly` ones not of responses.
4. A `discriminator` says how to read a value, not which values there are: it decides nothing here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

MOST_NODES = 50_000
DEEPEST = 100
SHARED = "/schemas/"

_PLAIN = (
    *("enum", "const", "multipleOf", "maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum", "maxLength"),
    *("minLength", "pattern", "maxItems", "minItems", "uniqueItems", "maxContains", "minContains", "maxProperties"),
    *("minProperties", "required", "dependentRequired", "format", "type"),
)
_SINGLE = ("items", "contains", "not", "if", "then", "else", "propertyNames", "additionalProperties")
_UNEVALUATED = ("unevaluatedItems", "unevaluatedProperties")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAPS = ("properties", "patternProperties", "dependentSchemas")
_MOVING = ("$dynamicRef", "$recursiveRef")
_TYPES = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
_BOUNDS = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}


class SchemaError(ValueError):
    """A schema that cannot be used; the message is a sentence that names the place."""


@dataclass(slots=True, frozen=True)
class Reading:
    """How a policy wants a schema read. `additional`: allow or refuse properties that it does not name, whatever it
    says itself; `fold`: names of properties compare without case."""

    request: bool = True
    additional: bool | None = None
    fold: bool = False


@dataclass(slots=True, frozen=True)
class _Part:
    """A schema to be taken: where it stands, and whether it refuses properties that it does not name."""

    document: str
    pointer: str
    closed: bool


def flatten(root: Any, pointer: str, reading: Reading, others: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The schema at `pointer` ("" or "/components/schemas/Pet") of `root`; `others` are documents by name.

    Raises SchemaError.
    """
    return _Flattener(root, reading, others or {}).take(_Part("", pointer, reading.additional is False))


def flatten_all(
    root: Any, pointers: Mapping[str, str], reading: Reading, others: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The schemas at several pointers as properties of one schema, by their keys. Raises SchemaError."""
    flattener = _Flattener(root, reading, others or {})
    return flattener.take_all({name: _Part("", each, reading.additional is False) for name, each in pointers.items()})


def find(root: Any, pointer: str) -> Any:
    """What stands at a JSON pointer. Raises KeyError."""
    value = root
    for step in pointer.split("/")[1:]:
        key = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(value, Mapping):
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            raise KeyError(pointer)
    return value


@dataclass(slots=True)
class _Flattener:
    root: Any
    reading: Reading
    others: Mapping[str, Any]
    parts: dict[_Part, str] = field(default_factory=dict)
    waiting: list[_Part] = field(default_factory=list)
    anchors: dict[str, dict[str, str]] = field(default_factory=dict)
    nodes: int = 0

    def take(self, first: _Part) -> dict[str, Any]:
        top = self._refer(first)
        return {"$ref": top, "$defs": self._definitions()}

    def take_all(self, parts: Mapping[str, _Part]) -> dict[str, Any]:
        tops = {name: {"$ref": self._refer(part)} for name, part in parts.items()}
        return {"properties": tops, "$defs": self._definitions()}

    def _definitions(self) -> dict[str, Any]:
        try:
            return self._taken()
        except (TypeError, AttributeError) as problem:  # a list where a text belongs, and all that people write
            raise SchemaError(f"The schema is not sound: {problem}.") from None

    def _taken(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        while self.waiting:
            part = self.waiting.pop()
            try:
                node = find(self._document(part.document), part.pointer)
            except KeyError:
                raise SchemaError(f"There is nothing at '#{part.pointer}'.") from None
            made[self.parts[part]] = self._schema(node, part.document, part.closed, 0)
        return made

    def _refer(self, part: _Part) -> str:
        name = self.parts.get(part)
        if name is None:
            name = self.parts[part] = str(len(self.parts))
            self.waiting.append(part)
        return f"#/$defs/{name}"

    def _document(self, name: str) -> Any:
        return self.others[name] if name else self.root

    def _schema(self, node: Any, document: str, closed: bool, depth: int) -> Any:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise SchemaError(f"The schema has more than {MOST_NODES} parts.")
        if depth > DEEPEST:
            raise SchemaError(f"The schema is nested deeper than {DEEPEST} levels.")
        if isinstance(node, bool):
            return node
        if not isinstance(node, Mapping):
            raise SchemaError(f"A schema must be an object or a boolean, and {str(node)[:40]!r} is neither.")
        for moving in _MOVING:
            if moving in node:
                raise SchemaError(f"'{moving}' is not supported. Use '$ref'.")
        made = {key: node[key] for key in _PLAIN if key in node}
        _translate(node, made)
        own = isinstance(node.get("properties"), Mapping) or "allOf" in node
        inside = depth + 1

        def child(value: Any, shut: bool) -> Any:
            return self._schema(value, document, shut, inside)

        closing = self.reading.additional is False
        for key in _SINGLE:
            if key in node and not isinstance(node[key], list):
                made[key] = child(node[key], closing and key not in ("not", "if", "then", "else"))
        if self.reading.additional is None:
            made |= {key: child(node[key], False) for key in _UNEVALUATED if key in node}
        for key in _LISTS:
            if isinstance(node.get(key), list):
                shut = closing if key == "prefixItems" else closed and not own
                made[key] = [child(each, shut) for each in node[key]]
        for key in _MAPS:
            if isinstance(node.get(key), Mapping):
                made[key] = {name: child(each, closing) for name, each in node[key].items()}
        self._older(node, made, child, closing)
        if isinstance(reference := node.get("$ref"), str):
            made["$ref"] = self._refer(self._target(reference, document, closed and not own))
        self._required(node, made, document)
        self._override(node, made, closed, own)
        if self.reading.fold:
            _fold(made)
        return _nullable(node, made)

    def _older(self, node: Mapping[str, Any], made: dict[str, Any], child: Any, closing: bool) -> None:
        """What earlier drafts wrote in other words."""
        if isinstance(node.get("items"), list):
            made["prefixItems"] = [child(each, closing) for each in node["items"]]
            if "additionalItems" in node:
                made["items"] = child(node["additionalItems"], closing)
        if isinstance(node.get("dependencies"), Mapping):
            lists = {name: each for name, each in node["dependencies"].items() if isinstance(each, list)}
            rest = {name: child(each, False) for name, each in node["dependencies"].items() if name not in lists}
            made["dependentRequired"] = {**made.get("dependentRequired", {}), **lists}
            made["dependentSchemas"] = {**made.get("dependentSchemas", {}), **rest}

    def _required(self, node: Mapping[str, Any], made: dict[str, Any], document: str) -> None:
        names = node.get("required")
        if not isinstance(names, list):  # a boolean in draft 03, which says it of the property itself
            made.pop("required", None)
            return
        properties = node.get("properties")
        hidden = "readOnly" if self.reading.request else "writeOnly"
        if isinstance(properties, Mapping):
            made["required"] = [each for each in names if not self._marked(properties.get(each), hidden, document)]

    def _marked(self, node: Any, mark: str, document: str) -> bool:
        if isinstance(node, Mapping) and mark not in node and isinstance(reference := node.get("$ref"), str):
            part = self._target(reference, document, False)
            try:
                node = find(self._document(part.document), part.pointer)
            except KeyError:
                return False
        return isinstance(node, Mapping) and node.get(mark) is True

    def _override(self, node: Mapping[str, Any], made: dict[str, Any], closed: bool, own: bool) -> None:
        """Additional properties as the policy wants them. A closed schema is closed around what its parts name, since
        parts of an allOf that are closed each on its own would refuse one another's properties."""
        if self.reading.additional is True:
            if node.get("additionalProperties") is False:
                made["additionalProperties"] = True
        elif closed and own:
            if not isinstance(node.get("additionalProperties"), Mapping):
                made.pop("additionalProperties", None)
                made["unevaluatedProperties"] = False
        elif self.reading.additional is False and own and made.get("additionalProperties") is False:
            made.pop("additionalProperties")  # what this is a part of is closed around it

    def _target(self, reference: str, document: str, closed: bool) -> _Part:
        """Where a reference leads."""
        base, _, fragment = reference.partition("#")
        if base.startswith(SHARED):
            document, base = base.removeprefix(SHARED), ""
            if document not in self.others:
                raise SchemaError(f"The reference '{reference[:200]}' names a schema that does not exist.")
        anchors = self.anchors.get(document)
        if anchors is None:
            anchors = self.anchors[document] = dict(_anchors(self._document(document)))
        start = ""
        if base:
            if base not in anchors:
                raise SchemaError(f"The reference '{reference[:200]}' leaves the document; nothing is fetched.")
            start = anchors[base]
        if fragment and not fragment.startswith("/"):
            if fragment not in anchors:
                raise SchemaError(f"The reference '{reference[:200]}' points at nothing.")
            return _Part(document, anchors[fragment], closed)
        for pointer in (start + fragment, *_alternatives(fragment)):
            try:
                find(self._document(document), pointer)
            except KeyError:
                continue
            return _Part(document, pointer, closed)
        raise SchemaError(f"The reference '{reference[:200]}' points at nothing.")


def _alternatives(pointer: str) -> Iterator[str]:
    """Documents keep their references when their schemas move from `definitions` to `components` and back."""
    name = pointer.rsplit("/", 1)[-1]
    if pointer.startswith(("/definitions/", "/components/schemas/", "/$defs/")):
        yield f"/components/schemas/{name}"
        yield f"/definitions/{name}"


def _anchors(root: Any) -> Iterator[tuple[str, str]]:
    """(name, pointer) of all that has a name of its own."""
    waiting = [(root, "", 0)]
    seen = 0
    while waiting and seen < MOST_NODES * 20:
        node, pointer, depth = waiting.pop()
        seen += 1
        if isinstance(node, Mapping):
            for key in ("$anchor", "$id", "id"):
                if isinstance(name := node.get(key), str):
                    yield name.removeprefix("#").removesuffix("#"), pointer
            children: Any = node.items()
        elif isinstance(node, list):
            children = enumerate(node)
        else:
            continue
        if depth <= DEEPEST * 2:
            for key, value in children:
                if isinstance(value, Mapping | list):
                    step = str(key).replace("~", "~0").replace("/", "~1")
                    waiting.append((value, f"{pointer}/{step}", depth + 1))


def _translate(node: Mapping[str, Any], made: dict[str, Any]) -> None:
    """Types, bounds and formats in today's words."""
    kind = made.get("type")
    kinds = [kind] if isinstance(kind, str) else kind if isinstance(kind, list) else []
    known = [each for each in kinds if each in _TYPES]
    if known:
        made["type"] = known if len(known) > 1 else known[0]
    else:
        made.pop("type", None)  # "file", "any"
    for bound in ("Minimum", "Maximum"):
        exclusive, plain = f"exclusive{bound}", bound.lower()
        if isinstance(made.get(exclusive), bool) and made.pop(exclusive) and plain in made:
            made[exclusive] = made.pop(plain)
    span = _BOUNDS.get(str(node.get("format")))
    if span and ("integer" in kinds or "number" in kinds):
        made["minimum"] = max(span[0], made.get("minimum", span[0]))
        made["maximum"] = min(span[1], made.get("maximum", span[1]))


def _nullable(node: Mapping[str, Any], made: dict[str, Any]) -> dict[str, Any]:
    if node.get("nullable") is not True and node.get("x-nullable") is not True:
        return made
    if "type" in made and not made.keys() & {"$ref", "allOf", "anyOf", "oneOf", "not", "const"}:
        kinds = made["type"] if isinstance(made["type"], list) else [made["type"]]
        made["type"] = [*kinds, "null"] if "null" not in kinds else kinds
        if isinstance(made.get("enum"), list) and None not in made["enum"]:
            made["enum"] = [*made["enum"], None]
        return made
    return {"anyOf": [{"type": "null"}, made]} if made else {}


def _fold(made: dict[str, Any]) -> None:
    for key in ("properties", "dependentSchemas", "dependentRequired"):
        if isinstance(made.get(key), Mapping):
            made[key] = {name.lower(): each for name, each in made[key].items()}
    if isinstance(made.get("required"), list):
        made["required"] = list(dict.fromkeys(str(name).lower() for name in made["required"]))
    if isinstance(made.get("dependentRequired"), Mapping):
        made["dependentRequired"] = {
            name: [str(each).lower() for each in listed] for name, listed in made["dependentRequired"].items()
        }
    if isinstance(made.get("patternProperties"), Mapping):
        made["patternProperties"] = {f"(?i){name}": each for name, each in made["patternProperties"].items()}
