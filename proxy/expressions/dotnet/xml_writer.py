"""XNode.ToString(): two spaces of indentation, none from the first text of an element on."""

from __future__ import annotations

from proxy.expressions.dotnet.xml_tree import (
    XML,
    XMLNS,
    XAttribute,
    XCData,
    XComment,
    XDocument,
    XElement,
    XInstruction,
    XNode,
    XObject,
    XText,
)
from proxy.expressions.runtime import allocate, tick


def escape_text(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def escape_value(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    for char in "\t\n\r":
        if char in text:
            text = text.replace(char, f"&#x{ord(char):X};")
    return text


class Writer:
    """Writes one tree. `indent` False is SaveOptions.DisableFormatting."""

    def __init__(self, *, indent: bool) -> None:
        self.parts: list[str] = []
        self.indent = indent
        self.level = 0
        # text has been met in the open element, or in one above
        self.mixed = False
        self.scopes: list[dict[str, str]] = [{"": "", "xml": XML, "xmlns": XMLNS}]
        # declarations of elements above the one that is written, nearest last
        self.known: list[tuple[str, str]] = []
        self.generated = 0

    def line(self) -> None:
        if self.indent and not self.mixed and self.parts:
            self.parts.append("\n" + "  " * self.level)

    def node(self, node: XNode) -> None:
        tick()
        if isinstance(node, XElement):
            self.element(node)
        elif isinstance(node, XCData):
            self.mixed = True
            inner = node.value.replace("]]>", "]]]]><![CDATA[>")
            self.parts.append(f"<![CDATA[{inner}]]>")
        elif isinstance(node, XText):
            self.mixed = True
            self.parts.append(escape_text(node.value))
        elif isinstance(node, XComment):
            self.line()
            self.parts.append(f"<!--{node.value}-->")
        elif isinstance(node, XInstruction):
            self.line()
            self.parts.append(f"<?{node.target}{' ' if node.value else ''}{node.value}?>")

    def prefix(self, space: str, *, attribute: bool) -> str | None:
        """The prefix in force for a namespace; None when there is none."""
        if not space:
            return "" if attribute or not self.lookup("") else None
        if space == XML:
            return "xml"
        if space == XMLNS:
            return "xmlns"
        for prefix, name in reversed(self.known):
            if name == space and (prefix or not attribute) and self.lookup_known(prefix) == space:
                return prefix
        return None

    def lookup(self, prefix: str) -> str:
        for scope in reversed(self.scopes):
            if prefix in scope:
                return scope[prefix]
        return ""

    def lookup_known(self, prefix: str) -> str | None:
        return next((name for declared, name in reversed(self.known) if declared == prefix), None)

    def element(self, element: XElement) -> None:
        self.line()
        depth = len(self.known)
        scope: dict[str, str] = {}
        for attribute in element.attributes:
            declares = attribute.declares
            if declares is not None:
                self.known.append((declares, attribute.value))
                scope[declares] = attribute.value
        self.scopes.append(scope)
        implied: list[tuple[str, str]] = []
        prefix = self.prefix(element.name.space, attribute=False)
        if prefix is None:
            prefix = ""
        if self.lookup(prefix) != element.name.space:
            implied.append((prefix, element.name.space))
            scope[prefix] = element.name.space
        start = f"{prefix}:{element.name.local}" if prefix else element.name.local
        written = [f"<{start}"]
        for attribute in element.attributes:
            written.append(f' {self.attribute_name(attribute, scope, implied)}="{escape_value(attribute.value)}"')
        for declared, space in implied:
            written.append(f' xmlns{":" if declared else ""}{declared}="{escape_value(space)}"')
        self.parts.append("".join(written))
        allocate(len(self.parts[-1]))
        if not element.nodes:
            self.parts.append(f"></{start}>" if element.full else " />")
        else:
            self.parts.append(">")
            outer, self.level = self.mixed, self.level + 1
            for node in element.nodes:
                self.node(node)
            self.level -= 1
            self.line()
            self.mixed = outer
            self.parts.append(f"</{start}>")
        self.scopes.pop()
        del self.known[depth:]

    def attribute_name(self, attribute: XAttribute, scope: dict[str, str], implied: list[tuple[str, str]]) -> str:
        if attribute.name == ("", "xmlns"):
            return "xmlns"
        prefix = self.prefix(attribute.name.space, attribute=True)
        if prefix is None:
            prefix = next((p for p, name in scope.items() if p and name == attribute.name.space), None)
        if prefix is None:
            self.generated += 1
            prefix = f"p{len(self.scopes) - 1}" if self.generated == 1 else f"p{len(self.scopes) - 1}p{self.generated}"
            scope[prefix] = attribute.name.space
            implied.append((prefix, attribute.name.space))
        elif prefix not in ("", "xml", "xmlns") and self.lookup(prefix) != attribute.name.space:
            scope[prefix] = attribute.name.space
            implied.append((prefix, attribute.name.space))
        return f"{prefix}:{attribute.name.local}" if prefix else attribute.name.local


def xml_text(item: XObject, *, indent: bool = True) -> str:
    """item.ToString()."""
    writer = Writer(indent=indent)
    if isinstance(item, XAttribute):
        if item.parent is not None:
            _know(writer, item.parent)
        name = writer.attribute_name(item, {}, [])
        return f'{name}="{escape_value(item.value)}"'
    if isinstance(item, XDocument):
        for node in item.nodes:
            writer.node(node)
    elif isinstance(item, XNode):
        if item.parent is not None:
            _know(writer, item.parent)
        writer.node(item)
    return "".join(writer.parts)


def _know(writer: Writer, above: XObject | None) -> None:
    chain = []
    while above is not None:
        chain.append(above)
        above = above.parent
    for element in reversed(chain):
        if isinstance(element, XElement):
            for attribute in element.attributes:
                if attribute.declares is not None:
                    writer.known.append((attribute.declares, attribute.value))
