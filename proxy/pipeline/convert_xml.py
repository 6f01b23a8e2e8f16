"""XML to JSON, as Json.NET maps it: attributes `@name`, text `#text`, repeated elements an array, `<a/>` null.

Rules
1. An element with text alone is that text; white space between elements is nothing; comments and processing
   instructions are left out.
2. `direct` keeps prefixes ("soap:Body") and the declaration ("?xml"). `javascript-friendly` makes names that a script
   can write: "soap$Body", and the declaration's parts as "version" and "encoding" beside the root.
3. Expat reads, since names, declarations and CDATA must be seen as they were written. DOCTYPE is refused before
   anything of it is read; depth is bounded.
"""

from __future__ import annotations

import re
from typing import Any
from xml.parsers import expat

import orjson

MAX_DEPTH = 128
_ENCODED = re.compile(r"_x([0-9A-Fa-f]{4})_")


class ConversionError(ValueError):
    """The body cannot be converted; the message says why and where."""


def xml_to_json(content: bytes, friendly: bool, arrays: bool) -> bytes:
    """Compact JSON. `arrays`: every element below the root becomes an array. Raises ConversionError."""
    reader = _Reader(content, friendly, arrays)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.ordered_attributes = True
    reader.parser = parser
    parser.XmlDeclHandler = reader.declaration
    parser.StartDoctypeDeclHandler = reader.doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartCdataSectionHandler = reader.start_cdata
    parser.EndCdataSectionHandler = reader.end_cdata
    try:
        parser.Parse(content, True)
    except expat.ExpatError as problem:
        place = f"line {problem.lineno}, column {problem.offset + 1}"
        raise ConversionError(f"The body is not XML: {expat.ErrorString(problem.code)} at {place}.") from problem
    except (LookupError, ValueError) as problem:
        if isinstance(problem, ConversionError):
            raise
        raise ConversionError(f"The body is not XML: {problem}.") from problem
    return orjson.dumps(reader.document)


class _Element:
    """An open element: `object` is what it has, `grouped` the names that are arrays."""

    __slots__ = ("grouped", "object", "text")

    def __init__(self) -> None:
        self.object: dict[str, Any] = {}
        self.grouped: set[str] = set()
        self.text: str | None = None  # the only content so far

    def add(self, name: str, value: Any) -> None:
        """A child; the second of a name makes an array."""
        if name not in self.object:
            self.object[name] = value
        elif name in self.grouped:
            self.object[name].append(value)
        else:
            self.object[name] = [self.object[name], value]
            self.grouped.add(name)


class _Reader:
    parser: expat.XMLParserType

    def __init__(self, content: bytes, friendly: bool, arrays: bool) -> None:
        self.document: dict[str, Any] = {}
        self._content = content
        self._friendly = friendly
        self._arrays = arrays
        self._open: list[_Element] = []
        self._cdata = False
        self._pieces: list[str] = []

    def declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        given = {"version": version}
        if encoding:
            given["encoding"] = encoding
        if standalone >= 0:
            given["standalone"] = "yes" if standalone else "no"
        if self._friendly:
            self.document.update(given)
        else:
            self.document["?xml"] = {f"@{name}": value for name, value in given.items()}

    def doctype(self, *_: Any) -> None:
        raise ConversionError("The body has a DOCTYPE, which is refused.")

    def start(self, name: str, attributes: list[str]) -> None:
        self._flush()
        if len(self._open) >= MAX_DEPTH:
            raise ConversionError(f"The body nests deeper than {MAX_DEPTH} elements.")
        if self._open:
            self._settle(self._open[-1])
        element = _Element()
        for index in range(0, len(attributes), 2):
            element.object[f"@{self._name(attributes[index])}"] = attributes[index + 1]
        self._open.append(element)

    def end(self, name: str) -> None:
        self._flush()
        element = self._open.pop()
        value: Any
        if element.text is not None and not element.object:
            value = element.text
        else:
            self._settle(element)
            value = element.object or (None if self._closed_itself() else "")
        name = self._name(name)
        if not self._open:
            self.document[name] = value
            return
        above = self._open[-1]
        if self._arrays and name not in above.object:
            above.object[name] = [value]
            above.grouped.add(name)
        else:
            above.add(name, value)

    def _closed_itself(self) -> bool:
        """Whether the element that ends here, and had nothing in it, was written `<a/>`; also in UTF-16."""
        end = self.parser.CurrentByteIndex
        return self._content[max(0, end - 4) : end].replace(b"\0", b"").endswith(b"/>")

    def text(self, data: str) -> None:
        self._pieces.append(data)

    def start_cdata(self) -> None:
        self._flush()
        self._cdata = True

    def end_cdata(self) -> None:
        element = self._open[-1]
        self._settle(element)
        element.add("#cdata-section", "".join(self._pieces))
        self._pieces.clear()
        self._cdata = False

    def _flush(self) -> None:
        """The text read so far becomes content of the open element."""
        text = "".join(self._pieces)
        self._pieces.clear()
        if not self._open or not text.strip(" \t\r\n"):
            return
        element = self._open[-1]
        if element.text is None and all(each.startswith("@") for each in element.object):
            element.text = text
        else:
            self._settle(element)
            element.add("#text", text)

    def _settle(self, element: _Element) -> None:
        """Text that is not alone stands under its own name."""
        if element.text is not None:
            element.add("#text", element.text)
            element.text = None

    def _name(self, name: str) -> str:
        if "_x" in name:
            name = _ENCODED.sub(lambda found: chr(int(found[1], 16)), name)
        return name.replace(":", "$") if self._friendly else name
