"""The members of XElement, XDocument, XAttribute and the other nodes, and the extension methods of their sequences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from proxy.expressions.dotnet import xml_types as t
from proxy.expressions.dotnet.collections import iterate
from proxy.expressions.dotnet.enums import enum_value
from proxy.expressions.dotnet.values import Sequence
from proxy.expressions.dotnet.xml_reader import read_document, read_element
from proxy.expressions.dotnet.xml_tree import (
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
    XNamespace,
    XNode,
    XObject,
    XText,
    add,
    add_pieces,
    adopt_attribute,
    child_nodes,
    content_text,
    descendant_nodes,
    pieces,
    remove,
)
from proxy.expressions.dotnet.xml_values import READERS, cast
from proxy.expressions.dotnet.xml_writer import Writer, xml_text
from proxy.expressions.runtime import argument_null, invalid_operation, spend
from proxy.expressions.table import attribute, members, setters
from proxy.expressions.types import type_of_name

_TYPES = type_of_name("XmlNodeType")
_NUMBERS = {"Element": 1, "Attribute": 2, "Text": 3, "CDATA": 4, "ProcessingInstruction": 7, "Comment": 8,
            "Document": 9, "DocumentType": 10}  # fmt: skip


def _sequence(kind: str, make: Callable[..., Iterator[Any]]) -> Callable[..., Sequence]:
    """A member that gives a deferred IEnumerable of `kind`."""

    def start(*given: Any) -> Sequence:
        return Sequence(lambda: make(*given), type_of_name(kind))

    return start


def _elements(parent: XContainer, name: XName | None = None) -> Iterator[XElement]:
    return (n for n in child_nodes(parent) if isinstance(n, XElement) and (name is None or n.name == name))


def _below(parent: XContainer, name: XName | None = None) -> Iterator[XElement]:
    return (n for n in descendant_nodes(parent) if isinstance(n, XElement) and (name is None or n.name == name))


def _with_self(element: XElement, name: XName | None = None) -> Iterator[XElement]:
    if name is None or element.name == name:
        yield element
    yield from _below(element, name)


def _above(node: XNode, name: XName | None = None) -> Iterator[XElement]:
    parent = node.parent
    while isinstance(parent, XElement):
        if name is None or parent.name == name:
            yield parent
        parent = parent.parent


def _above_with_self(element: XElement, name: XName | None = None) -> Iterator[XElement]:
    if name is None or element.name == name:
        yield element
    yield from _above(element, name)


def _siblings(node: XNode, step: int) -> list[XNode]:
    if node.parent is None:
        return []
    all_nodes = node.parent.nodes
    spend(len(all_nodes) >> 4)
    at = next(index for index, other in enumerate(all_nodes) if other is node)
    return all_nodes[at + 1 :] if step > 0 else all_nodes[:at]


def _sibling_elements(step: int) -> Callable[..., Iterator[XElement]]:
    def find(node: XNode, name: XName | None = None) -> Iterator[XElement]:
        return (n for n in _siblings(node, step) if isinstance(n, XElement) and (name is None or n.name == name))

    return find


def _attributes(element: XElement, name: XName | None = None) -> Iterator[XAttribute]:
    for one in list(element.attributes):
        if name is None or one.name == name:
            yield one
        if one.parent is not element:
            return


def _first(items: Iterator[Any]) -> Any:
    return next(items, None)


def _document(item: XObject) -> XDocument | None:
    top: Any = item
    while top.parent is not None:
        top = top.parent
    return top if isinstance(top, XDocument) else None


def _show(node: XObject, options: int) -> str:
    return xml_text(node, indent=not int(options) & 1)


def _save(node: XDocument | XElement, writer: Any, options: int = 0) -> None:
    """The text behind a declaration; a writer of .NET's strings writes UTF-16."""
    held = node.declaration if isinstance(node, XDocument) else None
    alone = held.standalone if held is not None else None
    line = "" if int(options) & 1 else "\n"
    writer.write(f"{XDeclaration('1.0', 'utf-16', alone)}{line}{_show(node, options)}")


def _place(node: XNode, content: Any, after: int) -> None:
    parent = node.parent
    if parent is None:
        invalid_operation("The parent is missing.")
    spend(len(parent.nodes) >> 6)
    at = next(index for index, other in enumerate(parent.nodes) if other is node)
    add(parent, content, at + after)


def _replace(node: XNode, content: Any) -> None:
    parent = node.parent
    if parent is None:
        invalid_operation("The parent is missing.")
    spend(len(parent.nodes) >> 6)
    at = next(index for index, other in enumerate(parent.nodes) if other is node)
    remove(node)
    add(parent, content, at)


def _empty(parent: XContainer) -> None:
    for node in parent.nodes:
        node.parent = None
    parent.nodes.clear()


def _replace_nodes(parent: XContainer, content: Any) -> None:
    found = list(pieces(content))
    _empty(parent)
    add_pieces(parent, found)


def _same(left: Any, right: Any) -> bool:
    """XNode.DeepEquals."""
    if left is None or right is None:
        return left is right
    if type(left) is not type(right):
        return False
    return bool(xml_text(left, indent=False) == xml_text(right, indent=False))


def _trail(node: XNode) -> list[int]:
    """Where a node is, from the top of its tree down."""
    places: list[int] = []
    while node.parent is not None:
        spend(1 + (len(node.parent.nodes) >> 6))
        places.append(next(index for index, other in enumerate(node.parent.nodes) if other is node))
        node = node.parent
    return places[::-1]


def _compare_order(left: XNode | None, right: XNode | None) -> int:
    if left is None or right is None:
        return int(left is not None) - int(right is not None)
    if _top(left) is not _top(right):
        invalid_operation("A common ancestor is missing.")
    one, two = _trail(left), _trail(right)
    return int(one > two) - int(one < two)


def _top(node: XNode) -> XNode:
    while node.parent is not None:
        node = node.parent
    return node


members(
    t.OBJECT,
    {
        "XElement? Parent": lambda item: item.parent if isinstance(item.parent, XElement) else None,
        "XDocument? Document": _document,
        "XmlNodeType NodeType": lambda item: enum_value(_TYPES, _NUMBERS[item.node_type]),
        "string ToString()": xml_text,
    },
)
members(
    t.NODE,
    {
        "string ToString(SaveOptions options)": _show,
        "void Remove()": remove,
        "void AddAfterSelf(object content)": lambda node, content: _place(node, content, 1),
        "void AddAfterSelf(params object[] content)": lambda node, content: _place(node, content, 1),
        "void AddBeforeSelf(object content)": lambda node, content: _place(node, content, 0),
        "void AddBeforeSelf(params object[] content)": lambda node, content: _place(node, content, 0),
        "void ReplaceWith(object content)": _replace,
        "void ReplaceWith(params object[] content)": _replace,
        "XNode? NextNode": lambda node: _first(iter(_siblings(node, 1))),
        "XNode? PreviousNode": lambda node: _first(reversed(_siblings(node, -1))),
        "static bool DeepEquals(XNode n1, XNode n2)": _same,
        "static int CompareDocumentOrder(XNode n1, XNode n2)": _compare_order,
        "bool IsAfter(XNode node)": lambda node, other: _compare_order(node, other) > 0,
        "bool IsBefore(XNode node)": lambda node, other: _compare_order(node, other) < 0,
        "IEnumerable<XNode> NodesAfterSelf()": _sequence("XNode", lambda node: iter(_siblings(node, 1))),
        "IEnumerable<XNode> NodesBeforeSelf()": _sequence("XNode", lambda node: iter(_siblings(node, -1))),
    },
)
for _head, _run in (
    ("Ancestors", _above), ("ElementsAfterSelf", _sibling_elements(1)), ("ElementsBeforeSelf", _sibling_elements(-1)),
):  # fmt: skip
    members(t.NODE, {f"IEnumerable<XElement> {_head}()": _sequence("XElement", _run)})
    members(t.NODE, {f"IEnumerable<XElement> {_head}(XName name)": _sequence("XElement", _run)})
members(
    t.CONTAINER,
    {
        "XNode? FirstNode": lambda parent: parent.nodes[0] if parent.nodes else None,
        "XNode? LastNode": lambda parent: parent.nodes[-1] if parent.nodes else None,
        "void Add(object content)": add,
        "void Add(params object[] content)": add,
        "void AddFirst(object content)": lambda parent, content: add(parent, content, 0),
        "void AddFirst(params object[] content)": lambda parent, content: add(parent, content, 0),
        "XElement? Element(XName name)": lambda parent, name: _first(_elements(parent, name)),
        "IEnumerable<XElement> Elements()": _sequence("XElement", _elements),
        "IEnumerable<XElement> Elements(XName name)": _sequence("XElement", _elements),
        "IEnumerable<XElement> Descendants()": _sequence("XElement", _below),
        "IEnumerable<XElement> Descendants(XName name)": _sequence("XElement", _below),
        "IEnumerable<XNode> Nodes()": _sequence("XNode", child_nodes),
        "IEnumerable<XNode> DescendantNodes()": _sequence("XNode", descendant_nodes),
        "void RemoveNodes()": _empty,
        "void ReplaceNodes(object content)": _replace_nodes,
        "void ReplaceNodes(params object[] content)": _replace_nodes,
    },
)


def _element(name: XName | None, content: Any = None) -> XElement:
    if name is None:
        argument_null("name")
    made = XElement(name)
    add(made, content)
    return made


def _set_value(element: XElement, value: Any) -> None:
    text = content_text(value)
    _empty(element)
    element.full = False
    add(element, text)


def _set_attribute(element: XElement, name: XName, value: Any) -> None:
    found = _first(_attributes(element, name))
    if value is None:
        if found is not None:
            remove(found)
    elif found is not None:
        found.value = content_text(value)
    else:
        adopt_attribute(element, XAttribute(name, content_text(value)))


def _set_child(element: XElement, name: XName, value: Any) -> None:
    found = _first(_elements(element, name))
    if value is None:
        if found is not None:
            remove(found)
    elif found is not None:
        _set_value(found, value)
    else:
        add(element, _element(name, content_text(value)))


def _no_attributes(element: XElement) -> None:
    for one in list(element.attributes):
        remove(one)


def _clear(element: XElement) -> None:
    _no_attributes(element)
    _empty(element)


def _replace_all(element: XElement, content: Any) -> None:
    found = list(pieces(content))
    _clear(element)
    add_pieces(element, found)


def _replace_attributes(element: XElement, content: Any) -> None:
    found = list(pieces(content))
    _no_attributes(element)
    add_pieces(element, found)


def _nodes_with_self(element: XElement) -> Iterator[XNode]:
    yield element
    yield from descendant_nodes(element)


def _default_namespace(element: XElement) -> XNamespace:
    for level in _above_with_self(element):
        for one in level.attributes:
            if one.declares == "":
                return XNamespace(one.value)
    return XNamespace("")


def _namespace_of(element: XElement, prefix: str) -> XNamespace | None:
    for level in _above_with_self(element):
        for one in level.attributes:
            if one.declares == prefix:
                return XNamespace(one.value)
    return None


def _prefix_of(element: XElement, space: XNamespace) -> str | None:
    writer = Writer(indent=False)
    for level in reversed(list(_above_with_self(element))):
        writer.known += [(one.declares, one.value) for one in level.attributes if one.declares]
    return writer.resolve(str(space), default=False) if space else None


def _set_name(element: XElement, name: XName) -> None:
    element.name = name


def _set(item: Any, value: str | None) -> None:
    item.value = argument_null("value") if value is None else value


members(
    t.ELEMENT,
    {
        "new(XName name)": _element,
        "new(XName name, object content)": _element,
        "new(XName name, params object[] content)": _element,
        "new(XElement other)": lambda other: other.copy(),
        "static XElement Parse(string text)": read_element,
        "static XElement Parse(string text, LoadOptions options)": lambda text, options: read_element(
            text, keep_space=bool(options & 1)
        ),
        "static XElement Load(TextReader textReader)": lambda reader: read_element(reader.rest()),
        "static XElement Load(TextReader textReader, LoadOptions options)": lambda reader, options: read_element(
            reader.rest(), keep_space=bool(options & 1)
        ),
        "void Save(TextWriter textWriter)": _save,
        "void Save(TextWriter textWriter, SaveOptions options)": _save,
        "XName Name": attribute("name"),
        "string Value": attribute("value"),
        "bool HasAttributes": lambda element: bool(element.attributes),
        "bool HasElements": lambda element: any(isinstance(node, XElement) for node in element.nodes),
        "bool IsEmpty": lambda element: not element.nodes and not element.full,
        "XAttribute? FirstAttribute": lambda element: _first(iter(element.attributes)),
        "XAttribute? LastAttribute": lambda element: element.attributes[-1] if element.attributes else None,
        "XAttribute? Attribute(XName name)": lambda element, name: _first(_attributes(element, name)),
        "IEnumerable<XAttribute> Attributes()": _sequence("XAttribute", _attributes),
        "IEnumerable<XAttribute> Attributes(XName name)": _sequence("XAttribute", _attributes),
        "IEnumerable<XElement> DescendantsAndSelf()": _sequence("XElement", _with_self),
        "IEnumerable<XElement> DescendantsAndSelf(XName name)": _sequence("XElement", _with_self),
        "IEnumerable<XElement> AncestorsAndSelf()": _sequence("XElement", _above_with_self),
        "IEnumerable<XElement> AncestorsAndSelf(XName name)": _sequence("XElement", _above_with_self),
        "void SetValue(object value)": _set_value,
        "void SetAttributeValue(XName name, object value)": _set_attribute,
        "void SetElementValue(XName name, object value)": _set_child,
        "void RemoveAll()": _clear,
        "void ReplaceAll(object content)": _replace_all,
        "void ReplaceAll(params object[] content)": _replace_all,
        "void ReplaceAttributes(object content)": _replace_attributes,
        "void ReplaceAttributes(params object[] content)": _replace_attributes,
        "IEnumerable<XNode> DescendantNodesAndSelf()": _sequence("XNode", _nodes_with_self),
        "static IEnumerable<XElement> EmptySequence": lambda: Sequence(lambda: iter(()), type_of_name("XElement")),
        "void RemoveAttributes()": _no_attributes,
        "XNamespace GetDefaultNamespace()": _default_namespace,
        "XNamespace? GetNamespaceOfPrefix(string prefix)": _namespace_of,
        "string? GetPrefixOfNamespace(XNamespace ns)": _prefix_of,
        "explicit string?(XElement element)": lambda element: None if element is None else element.value,
    },
)
setters(t.ELEMENT, {"Name": _set_name, "Value": _set_value})
members(
    t.ATTRIBUTE,
    {
        "new(XName name, object value)": lambda name, value: XAttribute(name, content_text(value)),
        "new(XAttribute other)": lambda other: other.copy(),
        "XName Name": attribute("name"),
        "string Value": attribute("value"),
        "bool IsNamespaceDeclaration": lambda item: item.declares is not None,
        "void SetValue(object value)": lambda item, value: _set(item, content_text(value)),
        "void Remove()": remove,
        "XAttribute? NextAttribute": lambda item: _beside(item, 1),
        "XAttribute? PreviousAttribute": lambda item: _beside(item, -1),
        "explicit string?(XAttribute attribute)": lambda item: None if item is None else item.value,
    },
)
setters(t.ATTRIBUTE, {"Value": _set})


def _beside(item: XAttribute, step: int) -> XAttribute | None:
    if not isinstance(item.parent, XElement):
        return None
    every = item.parent.attributes
    at = every.index(item) + step
    return every[at] if 0 <= at < len(every) else None


for _kind in READERS:
    for _definition, _owner, _parameter in (
        (t.ELEMENT, "XElement", "element"),
        (t.ATTRIBUTE, "XAttribute", "attribute"),
    ):
        for _mark in ("", "?"):
            _read = cast(_kind, _parameter, nullable=bool(_mark))
            members(_definition, {f"explicit {_kind}{_mark}({_owner} {_parameter})": _read})


def _new_document(*content: Any) -> XDocument:
    made = XDocument()
    for piece in content:
        if isinstance(piece, XDeclaration):
            made.declaration = piece
        else:
            add(made, piece)
    return made


def _set_declaration(document: XDocument, value: XDeclaration | None) -> None:
    document.declaration = value


members(
    t.DOCUMENT,
    {
        "new()": _new_document,
        "new(params object[] content)": _new_document,
        "new(XDeclaration declaration, params object[] content)": _new_document,
        "new(XDocument other)": lambda other: other.copy(),
        "static XDocument Parse(string text)": read_document,
        "static XDocument Parse(string text, LoadOptions options)": lambda text, options: read_document(
            text, keep_space=bool(options & 1)
        ),
        "void Save(TextWriter textWriter)": _save,
        "void Save(TextWriter textWriter, SaveOptions options)": _save,
        "XElement? Root": attribute("root"),
        "XDeclaration? Declaration": attribute("declaration"),
        "XDocumentType? DocumentType": lambda document: _first(
            node for node in document.nodes if isinstance(node, XDocumentType)
        ),
    },
)
setters(t.DOCUMENT, {"Declaration": _set_declaration})
members(
    t.DECLARATION,
    {
        "new(string version, string encoding, string standalone)": XDeclaration,
        "string? Version": attribute("version"),
        "string? Encoding": attribute("encoding"),
        "string? Standalone": attribute("standalone"),
        "new(XDeclaration other)": lambda other: XDeclaration(other.version, other.encoding, other.standalone),
        "string ToString()": str,
    },
)
for _label in ("Version", "Encoding", "Standalone"):
    setters(t.DECLARATION, {_label: lambda item, value, name=_label.lower(): setattr(item, name, value)})
for _definition, _class in ((t.TEXT, XText), (t.CDATA, XCData), (t.COMMENT, XComment)):
    members(
        _definition,
        {
            "new(string value)": _class,
            f"new({_class.__name__} other)": lambda other: other.copy(),
            "string Value": attribute("value"),
        },
    )
    setters(_definition, {"Value": _set})
members(
    t.INSTRUCTION,
    {
        "new(string target, string data)": XInstruction,
        "new(XProcessingInstruction other)": lambda other: other.copy(),
        "string Target": attribute("target"),
        "string Data": attribute("value"),
    },
)
members(
    t.DOCTYPE,
    {
        "new(string name, string publicId, string systemId, string internalSubset)": XDocumentType,
        "new(XDocumentType other)": lambda other: other.copy(),
        "string Name": attribute("name"),
        "string? PublicId": attribute("public"),
        "string? SystemId": attribute("system"),
        "string? InternalSubset": attribute("subset"),
    },
)


def _many(run: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    return lambda source, name=None: (found for item in iterate(source) for found in run(item, name))


def _remove_each(source: Any) -> None:
    for item in list(iterate(source)):
        remove(item)


def _in_order(source: Any) -> Sequence:
    return Sequence(lambda: iter(sorted(iterate(source), key=_trail)), type_of_name("XNode"))


_PLURAL: tuple[tuple[str, str, str, Callable[..., Iterator[Any]]], ...] = (
    ("Elements", "XContainer", "XElement", _elements),
    ("Descendants", "XContainer", "XElement", _below),
    ("DescendantsAndSelf", "XElement", "XElement", _with_self),
    ("Ancestors", "XNode", "XElement", _above),
    ("AncestorsAndSelf", "XElement", "XElement", _above_with_self),
    ("Attributes", "XElement", "XAttribute", _attributes),
)
for _name, _from, _kind, _find in _PLURAL:
    _plain = _sequence(_kind, _many(_find))
    members(
        t.EXTENSIONS,
        {
            f"static IEnumerable<{_kind}> {_name}(this IEnumerable<{_from}> source)": _plain,
            f"static IEnumerable<{_kind}> {_name}(this IEnumerable<{_from}> source, XName name)": _plain,
        },
    )
members(
    t.EXTENSIONS,
    {
        "static IEnumerable<XNode> Nodes(this IEnumerable<XContainer> source)": _sequence(
            "XNode", lambda source: (node for item in iterate(source) for node in list(item.nodes))
        ),
        "static IEnumerable<XNode> DescendantNodes(this IEnumerable<XContainer> source)": _sequence(
            "XNode", lambda source: (node for item in iterate(source) for node in descendant_nodes(item))
        ),
        "static IEnumerable<XNode> DescendantNodesAndSelf(this IEnumerable<XElement> source)": _sequence(
            "XNode", lambda source: (node for item in iterate(source) for node in _nodes_with_self(item))
        ),
        "static IEnumerable<T> InDocumentOrder<T>(this IEnumerable<T> source)": _in_order,
        "static void Remove(this IEnumerable<XNode> source)": _remove_each,
        "static void Remove(this IEnumerable<XAttribute> source)": _remove_each,
    },
)
