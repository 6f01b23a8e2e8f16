"""SOAP messages as examples: an envelope with a value for each element that a message may have."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape, quoteattr

from management.importers.imported import ImportRefused
from management.importers.soap_service import ENVELOPES, SoapMessage, SoapOperation, SoapPort
from management.importers.soap_types import Shape, Types

LARGEST = 64 * 1024  # characters of one example
LARGEST_WHOLE = 16 * 1024 * 1024  # of all; operations may share a large type
_VALUES = {"integer": "0", "number": "0.0", "boolean": "true", "text": "string", "any": ""}
_BY_FORMAT = {
    "date-time": "2000-01-23T04:56:07Z", "date": "2000-01-23", "byte": "c3RyaW5n", "uri": "https://example.com/",
    "duration": "PT1H",
}  # fmt: skip


class Samples:
    """Examples of the messages of one port; there are none where the types of the document cannot be read."""

    def __init__(self, types: Types | None, version: str) -> None:
        self._types, self._envelope = types, ENVELOPES[version]
        self._written = 0

    @classmethod
    def of(cls, root: Any, port: SoapPort) -> Samples:
        try:
            return cls(Types(root), port.version)
        except ImportRefused:  # what passes through needs no types
            return cls(None, port.version)

    def envelope(self, operation: SoapOperation, message: SoapMessage) -> str:
        """Empty when none can be made, or it would be larger than `LARGEST`, or all together than `LARGEST_WHOLE`."""
        if self._types is None or not message.present or self._written > LARGEST_WHOLE:
            return ""
        try:
            shapes = self._types.body(message)
            headers = [self._types.part(each) for each in message.headers]
        except ImportRefused:
            return ""
        spaces = prefixes([*headers, *shapes])
        declared = "".join(f" xmlns:{prefix}={quoteattr(space)}" for space, prefix in spaces.items())
        lines = [f'<soap:Envelope xmlns:soap="{self._envelope}"{declared}>']
        if headers:
            lines += ["  <soap:Header>", *(line for each in headers for line in _lines(each, spaces, 2))]
            lines.append("  </soap:Header>")
        lines += ["  <soap:Body>", *(line for each in shapes for line in _lines(each, spaces, 2)), "  </soap:Body>"]
        text = "\n".join([*lines, "</soap:Envelope>"])
        self._written += len(text)
        return text if len(text) <= LARGEST else ""


def prefixes(shapes: list[Shape]) -> dict[str, str]:
    """A prefix for each namespace, in order of appearance."""
    spaces = dict.fromkeys(each.namespace for shape in shapes for each in shape.all() if each.namespace)
    spaces.pop("http://www.w3.org/XML/1998/namespace", None)
    return {space: f"ns{number}" for number, space in enumerate(spaces, 1)}


def tag_of(shape: Shape, spaces: dict[str, str]) -> str:
    if shape.namespace == "http://www.w3.org/XML/1998/namespace":
        return f"xml:{shape.name}"
    return f"{spaces[shape.namespace]}:{shape.name}" if shape.namespace else shape.name


def value_of(kind: str, format: str = "") -> str:
    return _BY_FORMAT.get(format) or _VALUES.get(kind, "")


def _lines(shape: Shape, spaces: dict[str, str], depth: int) -> list[str]:
    margin, tag = "  " * depth, tag_of(shape, spaces)
    attributes = "".join(
        f" {tag_of(each, spaces)}={quoteattr(value_of(each.kind, each.format))}"
        for each in shape.members
        if each.attribute
    )
    inner = [line for each in shape.members if not each.attribute for line in _lines(each, spaces, depth + 1)]
    if inner:
        return [f"{margin}<{tag}{attributes}>", *inner, f"{margin}</{tag}>"]
    content = escape(value_of(shape.text or shape.kind, shape.format)) if shape.kind != "object" or shape.text else ""
    return [f"{margin}<{tag}{attributes}>{content}</{tag}>" if content else f"{margin}<{tag}{attributes} />"]
