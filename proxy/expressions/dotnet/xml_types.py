"""System.Xml.Linq's types and how they derive, names, and XmlNodeType."""

from __future__ import annotations

from typing import Any

from proxy.expressions.dotnet import primitives  # noqa: F401
from proxy.expressions.dotnet.enums import enumeration
from proxy.expressions.dotnet.text import TEXTS
from proxy.expressions.dotnet.xml_tree import (
    XML,
    XMLNS,
    XAttribute,
    XCData,
    XComment,
    XDeclaration,
    XDocument,
    XDocumentType,
    XElement,
    XInstruction,
    XName,
    XNamespace,
    XText,
    make_name,
    read_name,
)
from proxy.expressions.dotnet.xml_writer import xml_text
from proxy.expressions.runtime import argument_null
from proxy.expressions.table import constant, define, members

_SPACE = "System.Xml.Linq"


def _type(name: str, *bases: str) -> Any:
    return define(name, f"{_SPACE}.{name}", bases=bases)


NAME = _type("XName")
NAMESPACE = _type("XNamespace")
OBJECT = _type("XObject")
NODE = _type("XNode", "XObject")
CONTAINER = _type("XContainer", "XNode")
ELEMENT = _type("XElement", "XContainer")
DOCUMENT = _type("XDocument", "XContainer")
ATTRIBUTE = _type("XAttribute", "XObject")
TEXT = _type("XText", "XNode")
CDATA = _type("XCData", "XText")
COMMENT = _type("XComment", "XNode")
INSTRUCTION = _type("XProcessingInstruction", "XNode")
DOCTYPE = _type("XDocumentType", "XNode")
DECLARATION = _type("XDeclaration")
EXTENSIONS = define("XmlLinqExtensions", f"{_SPACE}.Extensions", kind="static")

enumeration("XmlNodeType", "System.Xml.XmlNodeType", {name: number for number, name in enumerate((
    "None", "Element", "Attribute", "Text", "CDATA", "EntityReference", "Entity", "ProcessingInstruction", "Comment",
    "Document", "DocumentType", "DocumentFragment", "Notation", "Whitespace", "SignificantWhitespace", "EndElement",
    "EndEntity", "XmlDeclaration",
))})  # fmt: skip
enumeration("SaveOptions", f"{_SPACE}.SaveOptions", {"None": 0, "DisableFormatting": 1, "OmitDuplicateNamespaces": 2})
enumeration(
    "LoadOptions",
    f"{_SPACE}.LoadOptions",
    {"None": 0, "PreserveWhitespace": 1, "SetBaseUri": 2, "SetLineInfo": 4},
)

for _class in (XElement, XDocument, XAttribute, XText, XCData, XComment, XInstruction, XDocumentType):
    TEXTS[_class] = xml_text
TEXTS[XName] = XName.__str__
TEXTS[XNamespace] = str
TEXTS[XDeclaration] = XDeclaration.__str__


def _namespace(text: str | None) -> XNamespace | None:
    return None if text is None else XNamespace(text)


def _join(space: XNamespace | None, local: str | None) -> XName:
    if space is None:
        argument_null("ns")
    if local is None:
        argument_null("localName")
    return make_name(str(space), local)


def _get_name(text: str | None) -> XName | None:
    return argument_null("expandedName") if text is None else read_name(text)


members(
    NAME,
    {
        "string LocalName": lambda name: name.local,
        "string NamespaceName": lambda name: name.space,
        "XNamespace Namespace": lambda name: XNamespace(name.space),
        "static XName Get(string expandedName)": _get_name,
        "static XName Get(string localName, string namespaceName)": lambda local, space: make_name(space, local),
        "implicit XName?(string expandedName)": read_name,
        "string ToString()": str,
        "bool Equals(object obj)": lambda a, b: isinstance(b, XName) and a == b,
        "static bool op_Equality(XName left, XName right)": lambda a, b: a == b,
        "static bool op_Inequality(XName left, XName right)": lambda a, b: a != b,
    },
)
members(
    NAMESPACE,
    {
        "string NamespaceName": str,
        "static XNamespace None": constant(XNamespace("")),
        "static XNamespace Xml": constant(XNamespace(XML)),
        "static XNamespace Xmlns": constant(XNamespace(XMLNS)),
        "static XNamespace Get(string namespaceName)": _namespace,
        "XName GetName(string localName)": _join,
        "implicit XNamespace?(string namespaceName)": _namespace,
        "static XName op_Addition(XNamespace ns, string localName)": _join,
        "string ToString()": str,
        "bool Equals(object obj)": lambda a, b: isinstance(b, XNamespace) and a == b,
        "static bool op_Equality(XNamespace left, XNamespace right)": lambda a, b: a == b,
        "static bool op_Inequality(XNamespace left, XNamespace right)": lambda a, b: a != b,
    },
)
