"""System.Xml.Linq's tree: names, nodes and attributes. Writing is in xml_writer, reading in xml_reader.

Rules
1. A node has one parent; adding a node that has one adds a copy.
2. Adjacent strings that are added become one text.
3. `full` says that an element without nodes is written <a></a> and not <a />.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, ClassVar

from proxy.expressions.dotnet.text import to_text
from proxy.expressions.dotnet.values import EnumValue, runtime_type, stands_for
from proxy.expressions.runtime import (
    DotNetError,
    allocate,
    argument,
    argument_null,
    invalid_operation,
    null_reference,
    spend,
    tick,
)

XMLNS = "http://www.w3.org/2000/xmlns/"
XML = "http://www.w3.org/XML/1998/namespace"
_START = r"A-Za-z_\u00b7-\uffff\U00010000-\U000effff"
NC_NAME = re.compile(f"[{_START}][{_START}0-9.\\-]*")


def xml_error(message: str) -> Any:
    raise DotNetError("System.Xml.XmlException", message)


class XNamespace(str):
    """A namespace name; "" is no namespace."""

    __slots__ = ()


class XName(tuple[str, str]):
    """(namespace, local name)."""

    __slots__ = ()

    @property
    def space(self) -> str:
        return self[0]

    @property
    def local(self) -> str:
        return self[1]

    def __str__(self) -> str:
        return f"{{{self[0]}}}{self[1]}" if self[0] else self[1]


def make_name(space: str, local: str) -> XName:
    if local == "":
        argument("The value cannot be an empty string.", "localName")
    found = NC_NAME.match(local)
    if found is None or found.end() != len(local):
        at = 0 if found is None else found.end()
        code = f"0x{ord(local[at]):02X}"
        if at == 0:
            xml_error(f"Name cannot begin with the '{local[at]}' character, hexadecimal value {code}.")
        xml_error(f"The '{local[at]}' character, hexadecimal value {code}, cannot be included in a name.")
    return XName((space, local))


def read_name(text: str | None) -> XName | None:
    """ "name" or "{namespace}name"."""
    if text is None:
        return None
    if text == "":
        argument("'' is an invalid expanded name.")
    if text[0] == "{":
        space, brace, local = text[1:].rpartition("}")
        if not brace or not space or not local:
            argument(f"'{text}' is an invalid expanded name.")
        return make_name(space, local)
    return make_name("", text)


class XObject:
    __slots__ = ("parent",)
    kind: ClassVar[str] = ""
    node_type: ClassVar[str] = ""

    def __init__(self) -> None:
        self.parent: XContainer | None = None

    def copy(self) -> XObject:
        raise NotImplementedError


class XNode(XObject):
    __slots__ = ()

    def copy(self) -> XNode:
        raise NotImplementedError


class XText(XNode):
    __slots__ = ("value",)
    node_type = "Text"

    def __init__(self, value: str) -> None:
        super().__init__()
        self.value = value

    def copy(self) -> XNode:
        return type(self)(self.value)


class XCData(XText):
    __slots__ = ()
    node_type = "CDATA"


class XComment(XNode):
    __slots__ = ("value",)
    node_type = "Comment"

    def __init__(self, value: str) -> None:
        super().__init__()
        self.value = value

    def copy(self) -> XNode:
        return XComment(self.value)


class XInstruction(XNode):
    __slots__ = ("target", "value")
    node_type = "ProcessingInstruction"

    def __init__(self, target: str, value: str) -> None:
        super().__init__()
        self.target = target
        self.value = value

    def copy(self) -> XNode:
        return XInstruction(self.target, self.value)


class XDocumentType(XNode):
    __slots__ = ("name", "public", "subset", "system")
    node_type = "DocumentType"

    def __init__(self, name: str, public: str | None, system: str | None, subset: str | None) -> None:
        super().__init__()
        self.name = name
        self.public = public
        self.system = system
        self.subset = subset

    def copy(self) -> XNode:
        return XDocumentType(self.name, self.public, self.system, self.subset)


class XAttribute(XObject):
    __slots__ = ("name", "value")
    node_type = "Attribute"

    def __init__(self, name: XName | None, value: str) -> None:
        super().__init__()
        self.name = argument_null("name") if name is None else name
        self.value = value

    @property
    def declares(self) -> str | None:
        """The prefix that this attribute declares ("" for xmlns="..."), else None."""
        if self.name.space == XMLNS:
            return self.name.local
        return "" if self.name == ("", "xmlns") else None

    def copy(self) -> XAttribute:
        return XAttribute(self.name, self.value)


class XContainer(XNode):
    __slots__ = ("nodes",)

    def __init__(self) -> None:
        super().__init__()
        self.nodes: list[XNode] = []


class XElement(XContainer):
    __slots__ = ("attributes", "full", "name")
    node_type = "Element"

    def __init__(self, name: XName) -> None:
        super().__init__()
        self.name = name
        self.attributes: list[XAttribute] = []
        self.full = False

    def copy(self) -> XElement:
        made = XElement(self.name)
        made.full = self.full
        for attribute in self.attributes:
            adopt_attribute(made, attribute.copy())
        for node in self.nodes:
            adopt(made, node.copy())
        return made

    @property
    def value(self) -> str:
        return "".join(node.value for node in descendant_nodes(self) if isinstance(node, XText))


class XDeclaration:
    __slots__ = ("encoding", "standalone", "version")

    def __init__(self, version: str | None, encoding: str | None, standalone: str | None) -> None:
        self.version = version
        self.encoding = encoding
        self.standalone = standalone

    def __str__(self) -> str:
        text = "<?xml" if self.version is None else f'<?xml version="{self.version}"'
        if self.encoding is not None:
            text += f' encoding="{self.encoding}"'
        if self.standalone is not None:
            text += f' standalone="{self.standalone}"'
        return text + "?>"


class XDocument(XContainer):
    __slots__ = ("declaration",)
    node_type = "Document"

    def __init__(self) -> None:
        super().__init__()
        self.declaration: XDeclaration | None = None

    @property
    def root(self) -> XElement | None:
        return next((node for node in self.nodes if isinstance(node, XElement)), None)

    def copy(self) -> XDocument:
        made = XDocument()
        made.declaration = self.declaration
        for node in self.nodes:
            adopt(made, node.copy())
        return made


for _python, _name in (
    (XNamespace, "XNamespace"), (XName, "XName"), (XText, "XText"), (XCData, "XCData"), (XComment, "XComment"),
    (XInstruction, "XProcessingInstruction"), (XAttribute, "XAttribute"), (XElement, "XElement"),
    (XDeclaration, "XDeclaration"), (XDocument, "XDocument"), (XDocumentType, "XDocumentType"),
):  # fmt: skip
    stands_for(_python, _name)


def child_nodes(parent: XContainer) -> Iterator[XNode]:
    """The children as they are now; a child that is taken out meanwhile is the last."""
    nodes = parent.nodes
    at = 0
    while at < len(nodes):
        node = nodes[at]
        tick()
        yield node
        if node.parent is not parent:
            return
        if at >= len(nodes) or nodes[at] is not node:
            at = next(place for place, other in enumerate(nodes) if other is node)
        at += 1


def descendant_nodes(start: XContainer) -> Iterator[XNode]:
    """Every node below, in document order; one that is taken out meanwhile has nothing after it, as in .NET."""
    stack: list[Iterator[XNode]] = [iter(list(start.nodes))]
    while stack:
        node = next(stack[-1], None)
        if node is None:
            stack.pop()
            continue
        tick()
        yield node
        if node.parent is None:
            null_reference()
        if isinstance(node, XContainer):
            stack.append(iter(list(node.nodes)))


def adopt(parent: XContainer, node: XNode, index: int | None = None) -> None:
    """Put a node without parent into `parent`."""
    allocate(64)
    if isinstance(parent, XDocument):
        if isinstance(node, XElement) and parent.root is not None:
            invalid_operation("This operation would create an incorrectly structured document.")
        if isinstance(node, XText) and (isinstance(node, XCData) or node.value.strip(" \t\r\n")):
            argument("Non-whitespace characters cannot be added to content.")
    node.parent = parent
    if index is None:
        parent.nodes.append(node)
    else:
        parent.nodes.insert(index, node)


def adopt_attribute(parent: XElement, attribute: XAttribute) -> None:
    if any(other.name == attribute.name for other in parent.attributes):
        invalid_operation("Duplicate attribute.")
    attribute.parent = parent
    parent.attributes.append(attribute)


def content_text(value: Any) -> str:
    """The text of a value as XLinq writes it: XmlConvert's forms."""
    if value is None:
        argument_null("value")
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, EnumValue):
        return {"Infinity": "INF", "-Infinity": "-INF"}.get(to_text(value), to_text(value))
    name = runtime_type(value).name
    if name in ("DateTime", "DateTimeOffset", "TimeSpan"):
        from proxy.expressions.dotnet.xml_values import time_text

        return time_text(value)
    if isinstance(value, XObject):
        argument("An XObject cannot be used as a value.")
    return to_text(value)


def pieces(content: Any) -> Iterator[Any]:
    """Nodes, attributes and texts of what an XElement or Add is given."""
    from proxy.expressions.dotnet.collections import iterate

    if content is None:
        return
    if isinstance(content, (str, XObject, XName)):
        yield str(content) if not isinstance(content, XObject) else content
    elif runtime_type(content).name in ("[]", "List", "IEnumerable", "HashSet", "Queue", "Stack", "Dictionary") or (
        hasattr(content, "start")
    ):
        for inner in iterate(content):
            tick()
            yield from pieces(inner)
    else:
        yield content_text(content)


def add(parent: XContainer, content: Any, index: int | None = None) -> None:
    """parent.Add(content); `index` is where the first node goes."""
    add_pieces(parent, list(pieces(content)), index)


def add_pieces(parent: XContainer, found: list[Any], index: int | None = None) -> None:
    for piece in found:
        if isinstance(piece, XAttribute):
            if not isinstance(parent, XElement):
                argument("An attribute cannot be added to content.")
            adopt_attribute(parent, piece if piece.parent is None else piece.copy())
            continue
        if isinstance(piece, XDocument):
            argument("A node of type Document cannot be added to content.")
        if isinstance(piece, str):
            at = len(parent.nodes) if index is None else index
            before = parent.nodes[at - 1] if at else None
            if isinstance(parent, XElement) and not parent.nodes and not piece:
                parent.full = True
                continue
            if type(before) is XText and index is None:
                before.value += piece
                continue
            if not piece:
                continue
            node: XNode = XText(piece)
        else:
            node = piece if piece.parent is None and not _inside(parent, piece) else piece.copy()
        adopt(parent, node, index)
        if index is not None:
            index += 1


def _inside(parent: XContainer, node: XNode) -> bool:
    """Whether `node` is `parent` or above it."""
    above: XContainer | None = parent
    while above is not None:
        if above is node:
            return True
        above = above.parent
    return False


def remove(item: XObject) -> None:
    parent = item.parent
    if parent is None:
        invalid_operation("The parent is missing.")
    if isinstance(item, XAttribute):
        assert isinstance(parent, XElement)
        parent.attributes = [other for other in parent.attributes if other is not item]
    else:
        assert isinstance(item, XNode)
        spend(len(parent.nodes) >> 4)
        parent.nodes[:] = [other for other in parent.nodes if other is not item]
        if isinstance(parent, XElement) and not parent.nodes:
            parent.full = False
    item.parent = None
