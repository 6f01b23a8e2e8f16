"""JSON to XML, as Json.NET maps it, with the namespaces and attributes of json-to-xml.

Rules
1. An object with one property is that element; anything else stands in <Document>.
2. An array repeats its element; an empty one is an empty element. null is `xsi:nil="true"`.
3. `@name` is an attribute, `#text` and `#cdata-section` are content; so are the properties of the attribute block.
4. Properties whose names begin with the namespace prefix declare namespaces; a name with a declared prefix before the
   separator is in that namespace. Any other character that a name may not hold is written `_xHHHH_`.
5. Depth is bounded. The text is UTF-8 without a declaration, unless the JSON has one ("?xml").
"""

from __future__ import annotations

import datetime
import json
import re
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

import orjson

from proxy.expressions.dotnet.text import double_text
from proxy.pipeline.convert_xml import ConversionError

MAX_DEPTH = 128
XSI = "http://www.w3.org/2001/XMLSchema-instance"
_LONG_DIGITS = re.compile(rb"\d{19}")
_NAME_START = re.compile(r"[A-Za-z_\u00c0-\u02ff\u0370-\u1fff\u2c00-\ud7ff\uf900-\ufdcf]")
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_.\-\u00b7\u00c0-\u02ff\u0300-\u1fff\u2c00-\ud7ff\uf900-\ufdcf]")
_NOT_IN_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,7}))?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_QUOTED = {'"': "&quot;", "\n": "&#xA;", "\t": "&#x9;"}


@dataclass(slots=True, frozen=True)
class Mapping:
    """How names become namespaces and attributes; `block` is empty when there is no attribute block."""

    separator: str = "_"
    prefix: str = "xmlns"
    block: str = ""
    parse_date: bool = True


def json_to_xml(content: bytes, mapping: Mapping) -> bytes:
    """The XML text. Raises ConversionError."""
    value = _load(content)
    writer = _Writer(mapping)
    if isinstance(value, dict) and isinstance(value.get("?xml"), dict):
        given = {f"{name}".removeprefix("@"): text for name, text in value.pop("?xml").items()}
        parts = [
            f' {name}="{_attribute(given[name])}"' for name in ("version", "encoding", "standalone") if name in given
        ]
        writer.parts.append(f"<?xml{''.join(parts)}?>")
    name, root = "Document", value
    if isinstance(value, dict) and len(value) == 1:
        only = next(iter(value))
        plain = not only.startswith(("@", "#")) and not mapping_declares(mapping, only) and only != mapping.block
        if plain and not isinstance(value[only], list):
            name, root = only, value[only]
    writer.element(name, {name: root} if isinstance(root, list) else root, {"xml": ""}, 1)
    return "".join(writer.parts).encode("utf-8", "replace")


def _load(content: bytes) -> Any:
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        if not _LONG_DIGITS.search(content):
            return orjson.loads(content)
    except orjson.JSONDecodeError:
        pass  # the reader below says where, or takes what only it takes
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as problem:
        raise ConversionError(f"The body is not JSON: {problem}.") from problem


def mapping_declares(mapping: Mapping, name: str) -> bool:
    """Whether a property declares a namespace."""
    return name == mapping.prefix or name.startswith(mapping.prefix + mapping.separator)


class _Writer:
    def __init__(self, mapping: Mapping) -> None:
        self.parts: list[str] = []
        self._mapping = mapping

    def element(self, name: str, value: Any, scope: dict[str, str], depth: int) -> None:
        """One element; `scope` maps the prefixes that are declared here to their namespaces."""
        if depth > MAX_DEPTH:
            raise ConversionError(f"The body nests deeper than {MAX_DEPTH} levels.")
        parts = self.parts
        if not isinstance(value, dict):
            tag = self._name(name, scope)
            if value is None:
                parts.append(f'<{tag} xsi:nil="true" xmlns:xsi="{XSI}" />')
            elif isinstance(value, list):  # an array in an array
                inside = f"<{tag}>", f"</{tag}>"
                parts.append(inside[0])
                self.children(name, value, scope, depth)
                parts.append(inside[1])
            else:
                text = escape(self._text(value))
                parts.append(f"<{tag}>{text}</{tag}>")
            return
        declared, attributes, children = self._sort(value)
        if declared:
            scope = {**scope, **declared}
        tag = self._name(name, scope)
        parts.append(f"<{tag}")
        for prefix, namespace in declared.items():
            parts.append(f' xmlns{":" if prefix else ""}{prefix}="{_attribute(namespace)}"')
        for each, text in attributes:
            parts.append(f' {self._name(each, scope)}="{_attribute(self._text(text))}"')
        if not children:
            parts.append(" />")
            return
        parts.append(">")
        for each, child in children:
            self.children(each, child, scope, depth)
        parts.append(f"</{tag}>")

    def children(self, name: str, value: Any, scope: dict[str, str], depth: int) -> None:
        """What a property becomes: elements of its name, or text."""
        for each in value if isinstance(value, list) else (value,):
            if name == "#text":
                self.parts.append(escape(self._text(each)))
            elif name == "#cdata-section":
                self.parts.append(f"<![CDATA[{self._text(each).replace(']]>', ']]]]><![CDATA[>')}]]>")
            else:
                self.element(name, each, scope, depth + 1)
        if value == []:
            self.parts.append(f"<{self._name(name, scope)} />")

    def _sort(self, value: dict[str, Any]) -> tuple[dict[str, str], list[tuple[str, Any]], list[tuple[str, Any]]]:
        """Namespace declarations, attributes and children of an object."""
        mapping = self._mapping
        declared: dict[str, str] = {}
        attributes: list[tuple[str, Any]] = []
        children: list[tuple[str, Any]] = []
        for name, inner in value.items():
            if isinstance(inner, str) and mapping_declares(mapping, name):
                declared[_prefix(name[len(mapping.prefix) + len(mapping.separator) :])] = inner
            elif isinstance(inner, str) and (name == "@xmlns" or name.startswith("@xmlns:")):
                declared[_prefix(name[7:])] = inner
            elif name.startswith("@") and len(name) > 1 and not isinstance(inner, dict | list):
                attributes.append((name[1:], inner))
            elif mapping.block and name == mapping.block and isinstance(inner, dict):
                attributes += inner.items()
            else:
                children.append((name, inner))
        return declared, attributes, children

    def _name(self, name: str, scope: dict[str, str]) -> str:
        for separator in (self._mapping.separator, ":"):
            prefix, found, local = name.partition(separator)
            if found and local and prefix in scope:
                return f"{prefix}:{_encoded(local)}"
        return _encoded(name)

    def _text(self, value: Any) -> str:
        if isinstance(value, str):
            text = _moment(value) if self._mapping.parse_date else value
            return _NOT_IN_XML.sub("\ufffd", text)
        if value is None:
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, float):
            return double_text(value)
        if isinstance(value, int):
            return str(value)
        raise ConversionError("An attribute or a text is an object or an array; it must be a plain value.")


def _prefix(name: str) -> str:
    return _encoded(name) if name else ""


def _attribute(value: Any) -> str:
    return escape(_NOT_IN_XML.sub("\ufffd", str(value)), _QUOTED)


def _encoded(name: str) -> str:
    """XmlConvert.EncodeLocalName: what may not stand in a name as `_xHHHH_`."""
    if not name:
        return "_x0000_"
    made = _NOT_IN_NAME.sub(lambda found: f"_x{ord(found[0]):04X}_", name)
    return made if _NAME_START.match(made) else f"_x{ord(name[0]):04X}_{made[1:]}"


def _moment(text: str) -> str:
    """A moment as .NET writes it after reading: no trailing zeros, an offset taken into account. Else the text."""
    if len(text) < 19 or text[10] != "T" or not (found := _MOMENT.fullmatch(text)):
        return text
    base, fraction, zone = found[1], (found[2] or "").rstrip("0"), found[3] or ""
    if fraction:
        fraction = f".{fraction}"
    try:
        moment = datetime.datetime.fromisoformat(base + zone.replace("Z", "+00:00"))
        if zone not in ("", "Z"):
            base, zone = moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S").zfill(19), "+00:00"
    except (ValueError, OverflowError):
        return text
    return f"{base}{fraction}{zone}"
