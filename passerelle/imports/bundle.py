"""An OpenAPI document that refers to others, as one document: a plane follows no reference out of a document.

Rules
1. Schemas of other documents become schemas of this one, under the last word of where they stood; everything else
   (parameters, responses, path items ...) is put in place.
2. A document on disk refers to files on disk, one behind an address to addresses of the same host.
3. At most 200 documents of 32 MiB together.
4. A document without such references is left as it stands, so that an error has its line and column.
"""

from __future__ import annotations

import copy
import json
import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from management.importers import ImportRefused
from management.importers.document import DEEPEST, parse
from management.importers.references import find
from passerelle.imports.fetch import is_address

MOST_DOCUMENTS = 200
MOST_CHARACTERS = 32 * 1024 * 1024
MOST_STEPS = 64  # references in a row
# keys whose value, items or entries are schemas
_ONE = frozenset({"schema", "items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"})
_LIST = frozenset({"allOf", "anyOf", "oneOf", "prefixItems", "items"})
_NAMED = frozenset({"properties", "patternProperties", "definitions", "schemas", "$defs", "dependentSchemas"})
# below these stand data, or what no plane reads
_DATA = frozenset({"example", "default", "enum", "const", "value"})
_UNREAD = re.compile(r"x-(?!ms-paths$|servers$)", re.IGNORECASE)
_OTHER = re.compile(r"[^A-Za-z0-9._-]+")

Keys = tuple[str | int, ...]


def bundle(source: str, text: str, load: Callable[[str], str]) -> str:
    """`text`, which was read from `source`, with what it refers to inside. `load` reads a source.

    Raises ImportRefused; what `load` raises passes through. A text that cannot be parsed is left to the plane.
    """
    if "$ref" not in text:
        return text
    try:
        root = parse(text, "yaml")
    except ImportRefused:
        return text
    if not isinstance(root, dict):
        return text
    work = _Bundle(source, root, load)
    work.all()
    return json.dumps(root, ensure_ascii=False) if work.used else text


class _Bundle:
    def __init__(self, source: str, root: dict[str, Any], load: Callable[[str], str]) -> None:
        self._source = source if is_address(source) else posixpath.normpath(source)
        self._root = root
        self._load = load
        self._documents: dict[str, Any] = {}
        self._characters = 0
        self._names: dict[tuple[str, str], str] = {}  # (source, pointer) of a schema -> its name here
        self._older = "swagger" in root
        self._prefix = "#/definitions/" if self._older else "#/components/schemas/"
        self.used = False

    def all(self) -> None:
        self.place(self._root, self._source, (), 0)

    def place(self, value: Any, source: str, keys: Keys, steps: int) -> Any:
        """`value`, which stood in `source`, changed for this document; the same object unless it is a reference."""
        if len(keys) > DEEPEST:
            raise ImportRefused(f"{source} is nested deeper than {DEEPEST} levels")
        if isinstance(value, list):
            value[:] = [self.place(each, source, (*keys, n), steps) for n, each in enumerate(value)]
            return value
        if not isinstance(value, dict):
            return value
        reference = value.get("$ref")
        if isinstance(reference, str):
            return self._followed(value, reference, source, keys, steps)
        for key in list(value):
            if key in _DATA and not (keys and keys[-1] in _NAMED):
                continue
            if _UNREAD.match(key) and not (keys and keys[-1] in _NAMED):
                continue
            value[key] = self.place(value[key], source, (*keys, key), steps)
        return value

    def _followed(self, value: dict[str, Any], reference: str, source: str, keys: Keys, steps: int) -> Any:
        file, _, pointer = reference.partition("#")
        target = _join(source, file) if file else source
        if target == self._source:
            if file:
                self.used = True
            return {**value, "$ref": f"#{pointer}"} if file or source != self._source else value
        self.used = True
        if _is_schema(keys):
            return {"$ref": self._schema(target, pointer, reference, source)}
        if steps >= MOST_STEPS:
            raise ImportRefused(f'{source}: the reference "{reference}" leads in a circle')
        found = copy.deepcopy(self._find(target, pointer, reference, source))
        return self.place(found, target, keys, steps + 1)

    def _schema(self, target: str, pointer: str, reference: str, source: str) -> str:
        """The reference to what is a schema of this document from now on."""
        if (target, pointer) not in self._names:
            found = copy.deepcopy(self._find(target, pointer, reference, source))
            word = unquote(pointer.rpartition("/")[2]) or posixpath.basename(urlsplit(target).path).partition(".")[0]
            schemas = self._schemas()
            wanted = _OTHER.sub("-", word).strip("-") or "schema"
            name, twin = wanted, 1
            while name in schemas:
                twin += 1
                name = f"{wanted}-{twin}"
            self._names[target, pointer] = name
            schemas[name] = {}  # a schema may hold itself
            schemas[name] = self.place(found, target, ("schemas", name), 0)
        return self._prefix + self._names[target, pointer]

    def _schemas(self) -> dict[str, Any]:
        holder = self._root if self._older else _object(self._root, "components")
        return _object(holder, "definitions" if self._older else "schemas")

    def _find(self, target: str, pointer: str, reference: str, source: str) -> Any:
        document = self._document(target)
        if pointer in ("", "/"):
            return document
        if not isinstance(document, Mapping):
            raise ImportRefused(f'{source}: the reference "{reference}" points at nothing')
        try:
            return find(document, f"#{pointer}", "value")
        except ImportRefused:
            raise ImportRefused(f'{source}: the reference "{reference}" points at nothing') from None

    def _document(self, target: str) -> Any:
        if target not in self._documents:
            if len(self._documents) >= MOST_DOCUMENTS:
                raise ImportRefused(f"{self._source} refers to more than {MOST_DOCUMENTS} documents")
            text = self._load(target)
            self._characters += len(text)
            if self._characters > MOST_CHARACTERS:
                raise ImportRefused(f"{self._source} refers to more than {MOST_CHARACTERS} characters")
            try:
                self._documents[target] = parse(text, "yaml")
            except ImportRefused as refused:
                raise ImportRefused(f"{target}: {refused.message.rstrip('.')}") from None
        return self._documents[target]


def _object(holder: dict[str, Any], key: str) -> dict[str, Any]:
    found = holder.setdefault(key, {})
    if not isinstance(found, dict):
        raise ImportRefused("An object was expected here", f"#/{key}")
    return found


def _is_schema(keys: Keys) -> bool:
    last, before = (keys[-1] if keys else ""), (keys[-2] if len(keys) > 1 else "")
    return last in _ONE or (isinstance(last, int) and before in _LIST) or before in _NAMED


def _join(source: str, file: str) -> str:
    """The source that `file` means in the document `source`. ImportRefused for what may not be read."""
    if is_address(source):
        target = urljoin(source, file)
        if urlsplit(target)[:2] != urlsplit(source)[:2]:
            raise ImportRefused(f'{source}: the reference "{file}" leads to another host; save the documents together')
        return target
    if "://" in file or file.startswith(("/", "~", "\\")):
        raise ImportRefused(
            f'{source}: the reference "{file}" leads away from the folder; save that document beside this one'
        )
    if not file.lower().endswith((".json", ".yaml", ".yml")):
        raise ImportRefused(f'{source}: the reference "{file}" is no .json, .yaml or .yml file')
    return posixpath.normpath(posixpath.join(posixpath.dirname(source.replace("\\", "/")), unquote(file)))
