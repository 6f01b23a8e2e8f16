"""The schemas that an API, or the service, was given: documents by name, and the validators made of them.

Rules
1. A validator is made once for each schema and way of reading it, then kept: configuration asks before requests do.
2. A schema that cannot be used has a reason instead of a validator, in `problems` too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from proxy.schemas.flatten import Reading, SchemaError, find, flatten, flatten_all

if TYPE_CHECKING:
    from proxy.schemas.json_schema import Engine, JsonValidator
    from proxy.schemas.parameters import ParameterCheck
    from proxy.schemas.xml_schema import XmlValidator

T = TypeVar("T")
LARGEST = 4 * 1024 * 1024  # characters of one document, as APIM documents it


_HOLDERS = ("/components/schemas", "/definitions", "/schemas", "/$defs", "")
_OWN = frozenset({"type", "properties", "$ref", "allOf", "anyOf", "oneOf"})  # a schema has one of them
FEW = 4  # types of a document that are not worth one engine for all


def _step(name: str) -> str:
    """A name as a step of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1").replace("%", "%25")


@dataclass(slots=True, frozen=True)
class Bundle:
    """One engine for all types of a document; `parts` by pointer: the property of its schema, the definition there."""

    engine: Engine
    names: Mapping[str, str]
    parts: Mapping[str, tuple[str, str]]


@dataclass(slots=True, frozen=True)
class Document:
    """A schema resource, read. `kind` is json, xml, odata, or empty for what no policy validates with (protobuf, WADL);
    `root` is the tree of a JSON one, `text` the text of an XML one. Of OData metadata `root` is the names that a
    service has at its root, None when it is not known."""

    kind: str
    root: Any = None
    text: str = ""

    def types(self) -> dict[str, str]:
        """Pointers of all types of the JSON document's collection, by name; nothing when it is one schema alone."""
        for holder in _HOLDERS[:2]:
            try:
                found = find(self.root, holder)
            except KeyError:
                continue
            if isinstance(found, Mapping):
                return {str(name): f"{holder}/{_step(str(name))}" for name in found}
        return {}

    def pointer(self, type_name: str) -> str | None:
        """Where a type stands in a JSON document; None when it does not have it. A document that is one schema is the
        type, whatever it is called."""
        if not type_name:
            return ""
        step = _step(type_name)
        for holder in _HOLDERS:
            try:
                find(self.root, f"{holder}/{step}")
            except KeyError:
                continue
            return f"{holder}/{step}"
        return "" if isinstance(self.root, Mapping) and _OWN & self.root.keys() else None


def read_document(body: Mapping[str, Any]) -> Document:
    """A schema resource of an API (`contentType`) or of the service (`schemaType`). Raises ValueError."""
    given = body.get("document")
    if "schemaType" in body:
        kind = str(body["schemaType"]).lower()
        value = body.get("value") if given is None else given
    else:
        content_type = str(body.get("contentType") or "").partition(";")[0].lower()
        kind = "json" if content_type.endswith("json") else "xml" if content_type.endswith("xml") else ""
        kind = "odata" if content_type.endswith("odata.schema") else kind
        kind = "" if "wadl" in content_type else kind
        value = given.get("value", given) if isinstance(given, Mapping) else given
    if kind == "odata":
        from proxy.schemas.edm import callable_names

        return Document("odata", root=callable_names(_sized(value))) if isinstance(value, str) else Document("odata")
    if kind == "xml":
        if isinstance(value, Mapping):
            value = value.get("value")
        if not isinstance(value, str) or not value.strip():
            raise ValueError("an XML schema is given as text in 'value'")
        return Document("xml", text=_sized(value))
    if kind != "json":
        return Document("")
    if isinstance(value, str):
        try:
            value = json.loads(_sized(value))
        except (ValueError, RecursionError) as problem:
            raise ValueError(f"the JSON schema cannot be read: {problem}") from None
    if not isinstance(value, (Mapping, bool)):
        raise ValueError("a JSON schema is an object")
    return Document("json", root=value)


def _sized(text: str) -> str:
    if len(text) > LARGEST:
        raise ValueError(f"the schema is larger than {LARGEST} characters")
    return text


@dataclass(slots=True)
class Library:
    """`sources` says which resources the documents came from, so that an unchanged library can be kept; `plans` are
    for whoever knows operations, by their ids."""

    documents: Mapping[str, Document] = field(default_factory=dict)
    sources: tuple[Any, ...] = ()
    problems: dict[str, str] = field(default_factory=dict)
    plans: dict[str, Any] = field(default_factory=dict, repr=False)
    _made: dict[Any, Any] = field(default_factory=dict, repr=False)

    def json(self, name: str, pointer: str, reading: Reading) -> JsonValidator | str:
        """The validator of the schema at `pointer` of document `name`, or why there is none."""
        return self._once((name, pointer, reading), lambda: self._json(name, pointer, reading))

    def xml(self, name: str) -> XmlValidator | str:
        """The validator of the XML schema `name`, or why there is none."""
        return self._once((name,), lambda: self._xml(name))

    def parameter(self, name: str, type_name: str, kind: str, values: tuple[str, ...]) -> ParameterCheck:
        """The check of a parameter: by the schema it names, or by its type and what it may be."""
        key = (name, type_name, kind, values)
        made: ParameterCheck | None = self._made.get(key)
        if made is not None:
            return made
        from proxy.schemas.parameters import ParameterCheck, plain_check, schema_check

        def make() -> ParameterCheck:
            if not name:
                return plain_check(kind, values)
            document = self._document(name)
            if document.kind != "json" or (pointer := document.pointer(type_name)) is None:
                raise SchemaError(f"API's schema does not contain definition {type_name}")
            return schema_check(document.root, pointer)

        found = self._once(key, make)
        made = self._made[key] = ParameterCheck(problem=found) if isinstance(found, str) else found
        return made

    def example(self, name: str, type_name: str, as_xml: bool) -> str:
        """Text of a value of a type, as JSON or as XML; empty when none can be made."""
        from proxy.schemas.example import example, xml_example

        def make() -> str:
            document = self.documents.get(name)
            pointer = document.pointer(type_name) if document is not None and document.kind == "json" else None
            if document is None or pointer is None:
                return ""
            made = xml_example(document.root, pointer) if as_xml else example(document.root, pointer)
            return made or ""

        return self._once(("example", name, type_name, as_xml), make)

    def _document(self, name: str) -> Document:
        document = self.documents.get(name)
        if document is None:
            raise SchemaError(f"There is no schema '{name}'.")
        return document

    def _json(self, name: str, pointer: str, reading: Reading) -> JsonValidator:
        from proxy.schemas.json_schema import JsonValidator

        document = self._document(name)
        if document.kind != "json":
            raise SchemaError(f"Schema '{name}' is not a JSON schema.")
        bundle = self._once(("bundle", name, reading), lambda: self._bundle(document, reading))
        if isinstance(bundle, Bundle) and (part := bundle.parts.get(pointer)) is not None:
            return JsonValidator(bundle.engine, reading.fold, bundle.names, part)
        flat = flatten(document.root, pointer, reading, self._others)
        return JsonValidator(flat, reading.fold, self._names({"": pointer}, document, reading))

    def _bundle(self, document: Document, reading: Reading) -> Bundle | None:
        """All types of a document in one engine: they share most of what they lead to. None where one of them cannot
        be used, so that the others are made one by one."""
        from proxy.schemas.json_schema import Engine

        pointers = document.types()
        if len(pointers) < FEW:
            return None
        try:
            flat = flatten_all(document.root, pointers, reading, self._others)
            names = self._names(pointers, document, reading)
            engine = Engine(flat)
        except SchemaError:
            return None
        leads = {name: str(top["$ref"]).rpartition("/")[2] for name, top in flat["properties"].items()}
        return Bundle(engine, names, {pointer: (name, leads[name]) for name, pointer in pointers.items()})

    def _names(self, pointers: Mapping[str, str], document: Document, reading: Reading) -> dict[str, str]:
        """Names of required properties by their folded form, where names are folded."""
        if not reading.fold:
            return {}
        return _unfolded(flatten_all(document.root, pointers, Reading(), self._others))

    @property
    def _others(self) -> dict[str, Any]:
        return {key: each.root for key, each in self.documents.items() if each.kind == "json"}

    def _xml(self, name: str) -> XmlValidator:
        from proxy.schemas.xml_schema import XmlValidator

        document = self._document(name)
        if document.kind != "xml":
            raise SchemaError(f"Schema '{name}' is not an XML schema.")
        others = {key: each.text for key, each in self.documents.items() if each.kind == "xml"}
        return XmlValidator(document.text, others, name)

    def _once(self, key: tuple[Any, ...], make: Callable[[], T]) -> T | str:
        if key not in self._made:
            try:
                self._made[key] = make()
            except SchemaError as problem:
                self._made[key] = self.problems[str(key[0])] = str(problem)
        found: T | str = self._made[key]
        return found


def _unfolded(schema: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mapping):
            listed = node.get("required")
            for name in listed if isinstance(listed, list) else ():
                found.setdefault(str(name).lower(), str(name))
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    return found
