"""XNode.ToString(): two spaces of indentation, none from the first text of an element on."""

from __future__ import annotations

from typing import Any

from proxy.expressions.dotnet.xml_tree import (
    XML,
    XMLNS,
    XAttribute,
    XCData,
    XComment,
    XDocument,
    XDocumentType,
    XElement,
    XInstruction,
    XNode,
    XObject,
    XText,
    xml_error,
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


def doctype(node: XDocumentType) -> str:
    subset = "" if node.subset is None else f"[{node.subset}]"
    if node.public is not None:
        return f'<!DOCTYPE {node.name} PUBLIC "{node.public}" "{node.system or ""}"{subset}>'
    return f"<!DOCTYPE {node.name} " + (f'SYSTEM "{node.system}"' if node.system is not None else "") + f"{subset}>"


_IMPLIED, _NEEDED, _WRITTEN = range(3)


def comment_text(text: str) -> str:
    """Two hyphens come apart, and the last is no hyphen."""
    while "--" in text:
        text = text.replace("--", "- -")
    return f"{text} " if text.endswith("-") else text


class Writer:
    """Writes one tree. `indent` False is SaveOptions.DisableFormatting."""

    def __init__(self, *, indent: bool) -> None:
        self.parts: list[str] = []
        self.indent = indent
        self.level = 0
        # text has been met in the open element, or in one above
        self.mixed = False
        # prefixes in force as they are written, nearest last: [prefix, namespace, whether it has a declaration]
        self.stack: list[list[Any]] = [["xmlns", XMLNS, _WRITTEN], ["xml", XML, _WRITTEN], ["", "", _IMPLIED]]
        self.scope = 3  # where those of the open element begin
        self.plain = 0  # open elements that need no entry there
        # declarations of the tree, also of elements above the one that is written, nearest last
        self.known: list[tuple[str, str]] = []

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
            self.parts.append(f"<!--{comment_text(node.value)}-->")
        elif isinstance(node, XDocumentType):
            self.line()
            self.parts.append(doctype(node))
        elif isinstance(node, XInstruction):
            self.line()
            value = node.value.replace("?>", "? >")
            self.parts.append(f"<?{node.target}{' ' if value else ''}{value}?>")

    def resolve(self, space: str, *, default: bool) -> str | None:
        """The prefix that the tree declares for a namespace; "" only where a default one will do."""
        if not space:
            return ""
        for prefix, name in reversed(self.known):
            if name == space and (prefix or default) and self.latest(prefix) == space:
                return prefix
        return {XML: "xml", XMLNS: "xmlns"}.get(space)

    def latest(self, prefix: str) -> str | None:
        return next((name for declared, name in reversed(self.known) if declared == prefix), None)

    def place(self, prefix: str) -> int:
        return next((at for at in range(len(self.stack) - 1, -1, -1) if self.stack[at][0] == prefix), -1)

    def prefix_of(self, space: str) -> str:
        """The prefix that is in force for a namespace as it is written, or ""."""
        for prefix, name, _ in reversed(self.stack):
            if name == space:
                return str(prefix) if self.stack[self.place(prefix)][1] == space else ""
        return ""

    def redefined(self, at: int, space: str) -> None:
        prefix, name, _ = self.stack[at]
        if name != space:
            xml_error(
                f"The prefix '{prefix}' cannot be redefined from '{name}' to '{space}' within the same start element "
                "tag."
            )

    def use(self, prefix: str, space: str) -> None:
        """A name with this prefix is written."""
        at = self.place(prefix)
        if at >= self.scope:
            self.redefined(at, space)
            return
        self.stack.append([prefix, space, _IMPLIED if at >= 0 and self.stack[at][1] == space else _NEEDED])

    def declare(self, prefix: str, space: str) -> None:
        """A declaration is written as an attribute."""
        at = self.place(prefix)
        if at >= self.scope:
            self.redefined(at, space)
            self.stack[at][2] = _WRITTEN
        else:
            self.stack.append([prefix, space, _WRITTEN])

    def element(self, element: XElement) -> None:
        self.line()
        depth, before, plain = len(self.known), self.scope, self.plain
        self.scope = len(self.stack)
        if element.attributes:
            self.known += [(one.declares, one.value) for one in element.attributes if one.declares is not None]
        prefix: str | None = ""
        if element.name.space or len(self.stack) > 3 or self.known:
            prefix = self.resolve(element.name.space, default=True)
            if prefix is None:
                prefix = self.prefix_of(element.name.space)
            self.use(prefix, element.name.space)
        else:
            self.plain += 1
        start = f"{prefix}:{element.name.local}" if prefix else element.name.local
        written = [f"<{start}"]
        for attribute in element.attributes:
            written.append(f' {self.attribute_name(attribute)}="{escape_value(attribute.value)}"')
        if len(self.stack) > self.scope:
            for declared, space, kind in reversed(self.stack[self.scope :]):
                if kind == _NEEDED:
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
        self.plain = plain
        del self.stack[self.scope :]
        self.scope = before
        del self.known[depth:]

    def attribute_name(self, attribute: XAttribute) -> str:
        declares = attribute.declares
        if declares is not None:
            self.declare(declares, attribute.value)
            return f"xmlns:{declares}" if declares else "xmlns"
        space, local = attribute.name
        prefix = self.resolve(space, default=False)
        if space and not prefix:
            prefix = self.prefix_of(space) or self.generate()
        if not prefix:
            return local
        if prefix != "xml":
            self.use(prefix, space)
        return f"{prefix}:{local}"

    def generate(self) -> str:
        made = f"p{len(self.stack) - 3 + self.plain}"
        number = 0
        found = made
        while self.place(found) >= 0:
            found = f"{made}{number}"
            number += 1
        return found


def xml_text(item: XObject, *, indent: bool = True) -> str:
    """item.ToString()."""
    writer = Writer(indent=indent)
    if isinstance(item, XAttribute):
        if item.parent is not None:
            _know(writer, item.parent)
        return f'{writer.attribute_name(item)}="{escape_value(item.value)}"'
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
