"""XML as JSON, as JsonConvert.SerializeObject writes an XElement or XDocument: attributes as @name, text beside other
content as #text, siblings of one name as an array. Comments are left out."""

from __future__ import annotations

from typing import Any

from proxy.expressions.dotnet.xml_tree import (
    XML,
    XMLNS,
    XCData,
    XContainer,
    XDocument,
    XElement,
    XInstruction,
    XName,
    XNode,
    XText,
)
from proxy.expressions.runtime import tick


def entries(node: XElement | XDocument) -> list[tuple[str, Any]]:
    """The names and values of the JSON object that stands for it."""
    if isinstance(node, XElement):
        return [(_qualified(node, node.name, attribute=False), _value(node))]
    found = _grouped(node)
    if node.declaration is not None:
        parts = ("version", "encoding", "standalone")
        told = {f"@{part}": getattr(node.declaration, part) for part in parts}
        found.insert(0, ("?xml", {name: text for name, text in told.items() if text is not None}))
    return found


def _qualified(scope: XElement, name: XName, *, attribute: bool) -> str:
    """prefix:local with the prefix that is declared nearest."""
    if name.space in ("", XML, XMLNS):
        prefix = {XML: "xml", XMLNS: "xmlns"}.get(name.space, "")
        return f"{prefix}:{name.local}" if prefix else name.local
    level: XContainer | None = scope
    while isinstance(level, XElement):
        for one in level.attributes:
            if one.declares is not None and one.value == name.space and (one.declares or not attribute):
                return f"{one.declares}:{name.local}" if one.declares else name.local
        level = level.parent
    return name.local


def _value(element: XElement) -> Any:
    tick()
    nodes = element.nodes
    if not element.attributes:
        if not nodes:
            return "" if element.full else None
        if len(nodes) == 1 and type(nodes[0]) is XText:
            return nodes[0].value
    made: dict[str, Any] = {
        f"@{_qualified(element, one.name, attribute=True)}": one.value for one in element.attributes
    }
    made.update(_grouped(element))
    return made


def _grouped(parent: XContainer) -> list[tuple[str, Any]]:
    groups: dict[str, list[Any]] = {}
    for node in parent.nodes:
        named = _named(node)
        if named is not None:
            groups.setdefault(named[0], []).append(named[1])
    return [(name, values[0] if len(values) == 1 else values) for name, values in groups.items()]


def _named(node: XNode) -> tuple[str, Any] | None:
    if isinstance(node, XElement):
        return _qualified(node, node.name, attribute=False), _value(node)
    if isinstance(node, XText):
        return ("#cdata-section" if isinstance(node, XCData) else "#text"), node.value
    return (f"?{node.target}", node.value) if isinstance(node, XInstruction) else None
