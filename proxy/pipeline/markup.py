"""Policy text to a tree: an expression-aware reader of what authors really write.

Most real policy documents with expressions are not well-formed XML: quotes, `<` and `&&` stand raw inside `@(...)`.

Rules
1. An attribute value or text run that, trimmed, starts with `@(` or `@{` holds an expression; its span is found by
   `scan` and nothing in it is markup. Everywhere else XML's rules hold.
2. The five predefined and the numeric entities are decoded everywhere but in CDATA, whichever style the author mixed.
   A raw `&` that does not look like an entity stands for itself.
3. Attribute text keeps its line breaks (a `//` comment must not swallow the rest).
4. DOCTYPE and processing instructions are refused; an XML declaration may come first.
5. The content of a Liquid template (`<set-body template="liquid">`) is one text up to its end tag: as written when
   elements stand in it, else decoded like other text.
6. Size and depth are bounded. The first malformation ends the reading, with its place and remedy.

Nodes carry offsets; `Source.place` turns one into line and column when somebody asks.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from proxy.pipeline.scan import UnbalancedError, scan_expression

MAX_CHARACTERS = 512 * 1024
MAX_DEPTH = 100

_NAME = r"[A-Za-z_][\w.\-:]*"
_OPEN = re.compile(rf"<({_NAME})")
_CLOSE = re.compile(rf"</({_NAME})\s*>")
_ATTRIBUTE = re.compile(rf"\s*(?:(?P<name>{_NAME})\s*=\s*(?P<quote>[\"'])|(?P<end>/?>))")
_PLAIN = {'"': re.compile(r'([^"<]*)"'), "'": re.compile(r"([^'<]*)'")}
_EXPRESSION = re.compile(r"\s*(?=@[({])")
_SPACE = re.compile(r"\s*")
_DECLARATION = re.compile(r"\s*<\?xml\s[^?]*\?>")
_ENTITY = re.compile(r"&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([A-Za-z][A-Za-z0-9]*));")
_TEMPLATE_END = re.compile(r"</(?:set-body|publish-to-da(?:pr|rp))\s*>")
_CDATA_OR_COMMENT = re.compile(r"<!\[CDATA\[(?P<cdata>.*?)\]\]>|<!--.*?-->", re.DOTALL)
_PREDEFINED = {"quot": '"', "apos": "'", "lt": "<", "gt": ">", "amp": "&"}


class MarkupError(ValueError):
    """The text is not a policy document. `offset` into the parsed text; `element` is what was being read."""

    def __init__(self, message: str, offset: int, element: str = "") -> None:
        super().__init__(message)
        self.offset = offset
        self.element = element


class Piece(NamedTuple):
    """An attribute value or a run of text: decoded `value`, raw span [start, end) in the text."""

    value: str
    start: int
    end: int


class Attribute(NamedTuple):
    name: str
    offset: int
    value: Piece


class Node(NamedTuple):
    """One element. `content` holds child nodes and text pieces in order; comments are gone."""

    name: str
    offset: int
    attributes: tuple[Attribute, ...]
    content: tuple[Node | Piece, ...]

    @property
    def children(self) -> tuple[Node, ...]:
        return tuple(each for each in self.content if type(each) is Node)


@lru_cache(maxsize=256)
def read(text: str) -> Node:
    """The root element of a document. Raises MarkupError."""
    if len(text) > MAX_CHARACTERS:
        raise MarkupError(f"The document is longer than {MAX_CHARACTERS} characters. Move parts into fragments.", 0)
    return _Reader(text).document()


def original_offset(text: str, piece: Piece, index: int) -> int:
    """The offset in the text of the character `index` of a piece's decoded value."""
    decoded, position = 0, piece.start
    for found in _ENTITY.finditer(text, piece.start, piece.end):
        plain = found.start() - position
        if decoded + plain >= index:
            break
        decoded += plain + 1
        position = found.end()
    return min(position + index - decoded, piece.end)


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text

    def document(self) -> Node:
        text = self.text
        declaration = _DECLARATION.match(text)
        position = self._skip_outside(declaration.end() if declaration else 0)
        if position >= len(text):
            raise MarkupError("The document is empty. It needs a <policies> or <fragment> element.", 0)
        root, position = self._element_tree(position)
        position = self._skip_outside(position)
        if position < len(text):
            raise MarkupError("There is text after the root element. A document has one root.", position, root.name)
        return root

    def _skip_outside(self, position: int) -> int:
        """Skip white space and comments around the root; returns the offset of what comes next."""
        text = self.text
        while True:
            position = _space_end(text, position)
            if not text.startswith("<!--", position):
                break
            position = self._comment(position, "")
        if position < len(text) and text[position] != "<":
            raise MarkupError("A policy document starts with an element, and this is text.", position)
        return position

    def _element_tree(self, position: int) -> tuple[Node, int]:
        """Read one element and all inside it, with a stack of our own (depth is an author's to choose)."""
        text = self.text
        # (name, offset, attributes, content) of the elements that are open
        stack: list[tuple[str, int, tuple[Attribute, ...], list[Node | Piece]]] = []
        content: list[Node | Piece] = []
        while True:
            if stack and text.startswith("</", position):
                name, offset, attributes, _ = stack[-1]
                closing = _CLOSE.match(text, position)
                if closing is None or closing.group(1) != name:
                    line_of = closing.group(1) if closing else text[position + 2 : position + 30].split(">")[0]
                    raise MarkupError(
                        f"</{line_of}> closes nothing; <{name}> is open. Write </{name}>.", position, name
                    )
                position = closing.end()
                node = Node(name, offset, attributes, tuple(content))
                stack.pop()
            elif opening := _OPEN.match(text, position):
                name = opening.group(1)
                attributes, end, empty = self._attributes(name, opening.end())
                if not empty:
                    if len(stack) >= MAX_DEPTH:
                        raise MarkupError(f"Elements are nested more than {MAX_DEPTH} deep.", position, name)
                    content = []
                    stack.append((name, position, attributes, content))
                    read_on = self._template if name in _TEMPLATED and _is_liquid(attributes) else self._text
                    position = read_on(end, name, content)
                    continue
                node = Node(name, position, attributes, ())
                position = end
            else:
                position = self._other(position, stack[-1][0] if stack else "", content)
                if stack:
                    position = self._text(position, stack[-1][0], content)
                continue
            if not stack:
                return node, position
            content = stack[-1][3]
            content.append(node)
            position = self._text(position, stack[-1][0], content)

    def _attributes(self, element: str, position: int) -> tuple[tuple[Attribute, ...], int, bool]:
        """The attributes of a tag; the offset behind the tag; whether it was `<empty/>`."""
        text = self.text
        attributes: list[Attribute] = []
        while True:
            found = _ATTRIBUTE.match(text, position)
            if found is None:
                raise self._bad_attribute(element, position)
            if end := found.group("end"):
                return tuple(attributes), found.end(), end == "/>"
            name, quote, start = found["name"], found["quote"], found.end()
            if attributes and any(each.name == name for each in attributes):
                raise MarkupError(f"Attribute '{name}' is given twice. Remove one.", found.start("name"), element)
            value_end = self._value_end(element, name, quote, start)
            raw = text[start:value_end]
            value = decode(raw, start, element) if "&" in raw else raw
            attributes.append(Attribute(name, found.start("name"), Piece(value, start, value_end)))
            position = value_end + 1

    def _value_end(self, element: str, name: str, quote: str, start: int) -> int:
        text = self.text
        if expression := _EXPRESSION.match(text, start):
            try:
                after = scan_expression(text, expression.end())
            except UnbalancedError as problem:
                raise MarkupError(
                    f"The expression in attribute '{name}' does not end: {problem}.", problem.offset, element
                ) from problem
            closing = _space_end(text, after)
            if not text.startswith(quote, closing):  # more text behind it: the value ends at the next quote
                closing = text.find(quote, after)
            if closing >= 0:
                return closing
        elif plain := _PLAIN[quote].match(text, start):
            return plain.end() - 1
        lesser = text.find("<", start)
        if lesser >= 0 and lesser < (text.find(quote, start) % (len(text) + 1)):
            raise MarkupError(
                f"'<' stands in attribute '{name}' outside an expression. Write &lt; for it, or close the quote.",
                lesser,
                element,
            )
        raise MarkupError(f"The value of attribute '{name}' has no closing {quote}.", start, element)

    def _bad_attribute(self, element: str, position: int) -> MarkupError:
        text = self.text
        at = _space_end(text, position)
        if at >= len(text):
            return MarkupError(f"<{element}> is not finished: '>' is missing.", at, element)
        return MarkupError(
            f"An attribute (name=\"value\") or '>' is expected here, and this is {text[at : at + 10].split()[0]!r}. "
            "Quote the value; write &quot; for a quote inside it.",
            at,
            element,
        )

    def _text(self, position: int, element: str, content: list[Node | Piece]) -> int:
        """Text up to the next markup, appended to `content` if it is more than white space."""
        text = self.text
        start = position
        if expression := _EXPRESSION.match(text, position):
            try:
                position = scan_expression(text, expression.end())
            except UnbalancedError as problem:
                raise MarkupError(f"The expression does not end: {problem}.", problem.offset, element) from problem
        end = text.find("<", position)
        if end < 0:
            raise MarkupError(f"<{element}> is never closed. Write </{element}>.", len(text), element)
        raw = text[start:end]
        if raw and not raw.isspace():
            value = decode(raw, start, element) if "&" in raw else raw
            content.append(Piece(value, start, end))
        return end

    def _template(self, position: int, element: str, content: list[Node | Piece]) -> int:
        """A Liquid template up to the end tag, one piece; comments and CDATA marks go unless elements stand in it."""
        text = self.text
        closing = _TEMPLATE_END.search(text, position)
        if closing is None:
            raise MarkupError(f"<{element}> is never closed. Write </{element}>.", len(text), element)
        raw = text[position : closing.start()]
        bare = _CDATA_OR_COMMENT.sub("", raw)
        if not _OPEN.search(bare):
            parts, done = [], 0
            for found in _CDATA_OR_COMMENT.finditer(raw):
                parts += [decode(raw[done : found.start()], position + done, element), found["cdata"] or ""]
                done = found.end()
            raw = "".join([*parts, decode(raw[done:], position + done, element)])
        content.append(Piece(raw, position, closing.start()))
        return closing.start()

    def _other(self, position: int, element: str, content: list[Node | Piece]) -> int:
        """Comment, CDATA or what is refused."""
        text = self.text
        if text.startswith("<!--", position):
            return self._comment(position, element)
        if text.startswith("<![CDATA[", position) and element:
            end = text.find("]]>", position)
            if end < 0:
                raise MarkupError("The CDATA section does not end. Write ]]>.", position, element)
            content.append(Piece(text[position + 9 : end], position + 9, end))
            return end + 3
        if text.startswith("<!DOCTYPE", position):
            raise MarkupError("A DOCTYPE is not allowed in a policy document. Remove it.", position, element)
        if text.startswith("<?", position):
            raise MarkupError("A processing instruction is not allowed here. Remove it.", position, element)
        raise MarkupError("'<' starts no element here. Write &lt; for a literal one.", position, element)

    def _comment(self, position: int, element: str) -> int:
        end = self.text.find("-->", position + 4)
        if end < 0:
            raise MarkupError("The comment does not end. Write -->.", position, element)
        return end + 3


# elements whose own text may be a Liquid template
_TEMPLATED = frozenset({"set-body", "publish-to-dapr", "publish-to-darp"})


def _is_liquid(attributes: tuple[Attribute, ...]) -> bool:
    return any(each.name == "template" and each.value.value.lower() == "liquid" for each in attributes)


def _space_end(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def decode(raw: str, offset: int = 0, element: str = "") -> str:
    """Replace the predefined and numeric entities of `raw`, which stands at `offset`. Raises MarkupError."""

    def character(found: re.Match[str]) -> str:
        decimal, hexadecimal, name = found.groups()
        if name:
            if name not in _PREDEFINED:
                raise MarkupError(
                    f"&{name}; is not defined. Write the character itself, or its number as &#...;.",
                    offset + found.start(),
                    element,
                )
            return _PREDEFINED[name]
        code = int(decimal) if decimal else int(hexadecimal, 16)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF or (code < 32 and code not in (9, 10, 13)):
            raise MarkupError(f"{found.group()} is not a character of XML.", offset + found.start(), element)
        return chr(code)

    return _ENTITY.sub(character, raw)
