"""A WSDL description in several files -> one document, as an import needs it. Pure: whoever has the files gives them.

    while found := missing(files, first): files |= {name: ... for name in found}
    text = merged(files, first)

Rules
- Files are named by address or path; a relative name in one of them is relative to it. What is missing is asked for
  only where it lies beside the first file: on its host, or in relative paths. Other imports stay as they are.
- One file counts once for each namespace that takes it in: `MOST_READ` of them, `LARGEST` characters together.
- Imported and included schemas stand in the types of the result, each once; imports lose their location. A schema
  without a namespace takes that of the one that includes it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from lxml import etree

from management.importers.imported import ImportRefused
from management.importers.xml_text import LARGEST, children, name_of, read_xml, space_of

XSD = "http://www.w3.org/2001/XMLSchema"
MOST_READ = 250
# what every reader knows by itself
KNOWN = frozenset(
    {XSD, "http://schemas.xmlsoap.org/soap/encoding/", "http://www.w3.org/XML/1998/namespace",
     "http://schemas.xmlsoap.org/wsdl/"}
)  # fmt: skip


def missing(files: Mapping[str, str], first: str) -> list[str]:
    """The names of files that are referred to and not there. Raises ImportRefused."""
    return _Merger(files, first).missing


def merged(files: Mapping[str, str], first: str) -> str:
    """One document of all; the first file itself when there is nothing to merge. Raises ImportRefused."""
    merger = _Merger(files, first)
    return merger.text() if len(merger.seen) > 1 else files[first]


class _Merger:
    def __init__(self, files: Mapping[str, str], first: str) -> None:
        self._files, self._first = files, first
        self.missing: list[str] = []
        self.seen: set[tuple[str, str]] = {(first, "")}
        self._schemas: list[str] = []
        self._pieces: list[str] = []
        self._size = 0
        self._root = self._read(first)
        if name_of(self._root) == "definitions":
            self._definitions(self._root, first)

    def text(self) -> str:
        root = self._root
        for child in list(root):
            root.remove(child)
        root.text = "HERE"
        head, tail = _written(root).rsplit("HERE", 1)
        prefix = f"{root.prefix}:" if root.prefix else ""
        return "".join([head, f"<{prefix}types>", *self._schemas, f"</{prefix}types>", *self._pieces, tail])

    def _read(self, name: str) -> Any:
        try:
            return read_xml(self._files[name])
        except ImportRefused as refused:
            if name == self._first:
                raise
            raise ImportRefused(f"{name[:200]}: {refused.message}") from None

    def _definitions(self, root: Any, name: str) -> None:
        for child in root:
            kind = name_of(child)
            if kind == "import" and space_of(child) == space_of(root):
                if not self._follow(child.get("location"), name, ""):
                    self._pieces.append(_written(child))
            elif kind == "types":
                for schema in children(child, "schema"):
                    self._schema(schema, name, "")
            else:
                self._pieces.append(_written(child))

    def _follow(self, location: str | None, base: str, space: str) -> bool:
        """Take in the file at `location`; False for one that lies elsewhere."""
        if not location:
            return False
        name = _joined(base, location)
        if not _beside(name, self._first):
            return False
        if (name, space) in self.seen:
            return True
        if name not in self._files:
            if name not in self.missing:
                self.missing.append(name)
            return True
        self.seen.add((name, space))
        if len(self.seen) > MOST_READ:
            raise ImportRefused(f"{self._first[:200]} takes in more than {MOST_READ} files; write it in fewer")
        root = self._read(name)
        if name_of(root) == "definitions":
            self._definitions(root, name)
        elif name_of(root) == "schema":
            self._schema(root, name, space)
        else:
            raise ImportRefused(f"{name[:200]} is neither WSDL nor an XML schema: its root is <{name_of(root)}>")
        return True

    def _schema(self, schema: Any, name: str, space: str) -> None:
        """`space` is the namespace of the schema that includes this one."""
        own = schema.get("targetNamespace") or ""
        if space and not own:
            own = space
            schema = _moved(schema, space)
        for child in list(schema):
            kind = name_of(child)
            if space_of(child) != XSD:
                continue
            if kind == "import":
                if child.get("namespace") in KNOWN or self._follow(child.get("schemaLocation"), name, ""):
                    child.attrib.pop("schemaLocation", None)
            elif kind == "include" and self._follow(child.get("schemaLocation"), name, own):
                schema.remove(child)
        self._schemas.append(_written(schema))
        self._size += len(self._schemas[-1])
        if self._size > LARGEST:
            raise ImportRefused(f"{self._first[:200]} has more than {LARGEST} characters with all that it takes in")


def _joined(base: str, location: str) -> str:
    """What `location` in the file `base` means: addresses join as such, paths as paths."""
    location = urldefrag(location)[0]
    if urlsplit(base).scheme in ("http", "https"):
        return urljoin(base, location)
    if urlsplit(location).scheme:
        return location
    return posixpath.normpath(posixpath.join(posixpath.dirname(base), unquote(location)))


def _beside(name: str, first: str) -> bool:
    one, other = urlsplit(name), urlsplit(first)
    return (one.scheme, one.netloc.lower()) == (other.scheme, other.netloc.lower())


def _written(element: Any) -> str:
    """With all prefixes that hold where it stands."""
    text: str = etree.tostring(element, encoding="unicode", with_tail=False)
    return text


def _moved(schema: Any, space: str) -> Any:
    """A schema without a namespace in this one: its names without prefix mean this namespace then."""
    prefixes: Any = {None: space} | dict(schema.nsmap)
    made = etree.Element(schema.tag, dict(schema.attrib), nsmap=prefixes)
    made.set("targetNamespace", space)
    for child in list(schema):
        made.append(child)
    return made
