"""XElement.Parse, XDocument.Parse and bodies: expat into our tree.

A DOCTYPE with declarations is refused, so no entity expands.
"""

from __future__ import annotations

from typing import NoReturn
from xml.parsers import expat

from proxy.expressions.dotnet.xml_tree import (
    XML,
    XMLNS,
    XAttribute,
    XCData,
    XComment,
    XContainer,
    XDeclaration,
    XDocument,
    XDocumentType,
    XElement,
    XInstruction,
    XName,
    XNode,
    XText,
    xml_error,
)
from proxy.expressions.runtime import DotNetError, allocate, argument_null, spend, tick

# How deep elements may nest.
MAX_DEPTH = 256


class _Unlike(Exception):
    """Something that expat takes and .NET does not."""


class _Reader:
    def __init__(self, source: bytes, *, keep_space: bool) -> None:
        self.source = source
        self.document = XDocument()
        self.open: list[XContainer] = [self.document]
        self.scopes: list[dict[str, str]] = [{"xml": XML, "xmlns": XMLNS, "": ""}]
        self.text: list[str] = []
        self.in_cdata = False
        self.keep_space = keep_space
        self.preserve = [keep_space]
        parser = self.parser = expat.ParserCreate("utf-8")
        parser.ordered_attributes = True
        parser.buffer_text = True
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.text.append
        parser.StartCdataSectionHandler = self.start_cdata
        parser.EndCdataSectionHandler = self.end_cdata
        parser.CommentHandler = lambda text: self.append(XComment(text))
        parser.ProcessingInstructionHandler = lambda target, data: self.append(XInstruction(target, data))
        parser.XmlDeclHandler = self.declaration
        parser.StartDoctypeDeclHandler = self.doctype

    def declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if not version.startswith("1."):
            raise _Unlike(f"version {version}")
        self.document.declaration = XDeclaration(version, encoding, {1: "yes", 0: "no"}.get(standalone))

    def doctype(self, name: str, system: str | None, public: str | None, subset: int) -> None:
        if not subset:
            self.append(XDocumentType(name, public, system, ""))
            return
        xml_error(
            "For security reasons DTD is prohibited in this XML document. To enable DTD processing set the "
            "DtdProcessing property on XmlReaderSettings to Parse and pass the settings into XmlReader.Create method."
        )

    def append(self, node: XNode) -> None:
        self.flush()
        node.parent = self.open[-1]
        self.open[-1].nodes.append(node)

    def flush(self) -> None:
        if not self.text:
            return
        text = "".join(self.text)
        self.text.clear()
        if self.in_cdata:
            node: XNode = XCData(text)
        elif (not self.preserve[-1] and not text.strip(" \t\r\n")) or len(self.open) == 1:
            return
        else:
            node = XText(text)
        node.parent = self.open[-1]
        self.open[-1].nodes.append(node)

    def start_cdata(self) -> None:
        self.flush()
        self.in_cdata = True

    def end_cdata(self) -> None:
        if not self.text:
            self.append(XCData(""))
        self.flush()
        self.in_cdata = False

    def resolve(self, name: str, *, attribute: bool) -> XName:
        prefix, colon, local = name.partition(":")
        if not colon:
            return XName(("" if attribute else self.scope(""), name))
        if ":" in local or not prefix or not local:
            raise _Unlike(f"the name '{name}'")
        space = self.scope(prefix)
        if not space:
            raise _Unlike(f"the prefix of '{name}'")
        return XName((space, local))

    def scope(self, prefix: str) -> str:
        for scope in reversed(self.scopes):
            if prefix in scope:
                return scope[prefix]
        return ""

    def start(self, name: str, attributes: list[str]) -> None:
        tick()
        self.flush()
        if len(self.open) > MAX_DEPTH:
            xml_error(f"The elements nest deeper than {MAX_DEPTH} levels.")
        pairs = list(zip(attributes[::2], attributes[1::2], strict=True))
        scope = {}
        for key, value in pairs:
            if key == "xmlns":
                scope[""] = value
            elif key.startswith("xmlns:"):
                scope[key[6:]] = value
                if not value:
                    raise _Unlike("an empty namespace")
        self.scopes.append(scope)
        element = XElement(self.resolve(name, attribute=False))
        self.append(element)
        preserve, names = self.preserve[-1], set()
        for key, value in pairs:
            made = XAttribute(self.resolve(key, attribute=True), value)
            if ":" in key and made.name in names:
                raise _Unlike(f"the attribute '{key}', which is there twice")
            names.add(made.name)
            made.parent = element
            element.attributes.append(made)
            if key == "xml:space":
                preserve = value == "preserve" or self.keep_space
        self.preserve.append(preserve)
        self.open.append(element)

    def end(self, name: str) -> None:
        self.flush()
        element = self.open.pop()
        assert isinstance(element, XElement)
        self.scopes.pop()
        self.preserve.pop()
        # expat says of <a/> and <a></a> the same; what stands before the end tells them apart
        at = self.parser.CurrentByteIndex
        element.full = not element.nodes and self.source[at - 2 : at] != b"/>"


def _refuse(text: str, otherwise: str = "") -> NoReturn:
    """The exception with .NET's message; what explains a fault is loaded when one is there."""
    from proxy.expressions.dotnet.xml_errors import explain

    raise DotNetError("System.Xml.XmlException", explain(text) or f"The XML is not valid: {otherwise}.")


def read_document(text: str | None, *, keep_space: bool = False) -> XDocument:
    if text is None:
        argument_null("s")
    allocate(len(text) * 4)
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError:
        _refuse(text)
    if text[:1] == "\ufeff":
        _refuse(text)
    reader = _Reader(data, keep_space=keep_space)
    try:
        reader.parser.Parse(data, True)
    except (expat.ExpatError, _Unlike) as error:
        spend(len(text) >> 2)
        _refuse(text, str(error))
    finally:
        reader.open.clear()
    return reader.document


def read_element(text: str | None, *, keep_space: bool = False) -> XElement:
    root = read_document(text, keep_space=keep_space).root
    assert root is not None
    root.parent = None
    return root
