"""Policy text to a tree: an expression-aware reader of what authors really write.

Most real policy documents with expressions are not well-formed XML: quotes, `<` and `&&` stand raw inside `@(...)`.

Rules
1. An attribute value or text run that, trimmed, starts with `@(` or `@{` holds an expression; its span is found by
   `scan` and nothing in it is markup. The same holds for a span further on in a value or text, if it ends there.
2. The five predefined and the numeric entities are decoded everywhere but in CDATA, whichever style the author mixed.
   A raw `&` that does not start one of them stands for itself.
3. Attribute text keeps its line breaks (a `//` comment must not swallow the rest).
4. DOCTYPE is refused. The XML declaration and processing instructions say nothing here and are passed over.
5. The content of a Liquid template (`<set-body template="liquid">`), and of a <set-body> that starts with an element,
   is one text up to its end tag: as written when elements stand in it, else decoded like other text.
6. What has one sensible reading is read, with a warning: a raw quote inside a plain value, a value without quotes,
   comments within comments. After an error the reader goes on where that is sensible, so that one look finds most.
7. Size and depth are bounded.

Nodes carry offsets; `Source.place` turns one into line and column when somebody asks.
"""

from __future__ import annotations

import re
from functools import lru_cache

from proxy.pipeline.nodes import (
    ENTITY,
    Attribute,
    Document,
    MarkupError,
    Node,
    Piece,
    Problem,
    character,
    decode,
    set_apart,
)
from proxy.pipeline.scan import UnbalancedError, scan_expression

MAX_CHARACTERS = 512 * 1024
MAX_DEPTH = 100
MAX_PROBLEMS = 50  # of one document; more would not help anybody
MAX_GUESSES = 100  # that turned out wrong; each may have looked through the whole text

_NAME = r"[A-Za-z_][\w.\-:]*"
_OPEN = re.compile(rf"<({_NAME})")
_CLOSE = re.compile(rf"</({_NAME})\s*>")
_ATTRIBUTE = re.compile(rf"\s*(?:(?P<name>{_NAME})\s*=\s*(?P<quote>[\"'])|(?P<end>/?>))")
_UNQUOTED = re.compile(
    rf"\s*(?P<name>{_NAME})\s*=\s*(?P<value>(?=@[({{])|[^\s\"'<>=/](?:[^\s\"'<>/]|/(?!>))*(?=[\s/>]))"
)
_UNVALUED = re.compile(rf"\s*(?P<name>{_NAME})(?![\w.\-:])(?=\s*(?:/?>|{_NAME}\s*=))")
_LITTER = re.compile(r"(?:[^\s<>/]|/(?!>))+")
_PLAIN = {'"': re.compile(r'[^"<@]*"(?=[\s/>])'), "'": re.compile(r"[^'<@]*'(?=[\s/>])")}
# A quote that a tag can go on behind; the first that does is taken for the end of a value with quotes inside.
_LAST = {quote: re.compile(rf"{quote}(?=\s*/?>|\s*{_NAME}\s*=\s*[\"'])") for quote in ('"', "'")}
_STOP = {quote: re.compile(rf"{quote}|<|@[({{]") for quote in ('"', "'")}
_CLOSED_SOON = {quote: re.compile(rf"[^{quote}\n]*{quote}(?=[\s/>])") for quote in ('"', "'")}
_BEHIND_A_VALUE = ("", " ", "\t", "\n", "\r", "/", ">")
_EXPRESSION = re.compile(r"\s*(?=@[({])")
_SPAN = re.compile(r"@[({]")
_SPACE = re.compile(r"\s*")
_COMMENT_MARK = re.compile(r"<!--|-->")
_DOCTYPE = re.compile(r"<!DOCTYPE[^<>\[]*(?:\[[^\]]*\])?[^<>]*>")
_INSTRUCTION = re.compile(r"<\?.*?\?>", re.DOTALL)
_BODY_OF_ELEMENTS = re.compile(rf"\s*<(?!value[\s/>]){_NAME}")
_TEMPLATE_END = re.compile(r"</(?:set-body|publish-to-da(?:pr|rp))\s*>")
# Stands for an expression that does not end; it compiles to nothing, so that its error is reported once.
_STAND_IN = "@(null)"


@lru_cache(maxsize=64)  # a change after the other fills it: few, so that memory is flat soon
def read_document(text: str) -> Document:
    """Read a document with all that is wrong with it. Never raises."""
    reader = _Reader(text)
    root = None
    try:
        if len(text) > MAX_CHARACTERS:
            raise MarkupError(f"The document is longer than {MAX_CHARACTERS} characters. Move parts into fragments.", 0)
        root = reader.document()
    except MarkupError as problem:
        reader.problems.append(Problem(str(problem), problem.offset, problem.element))
    return Document(root, tuple(sorted(reader.problems, key=lambda each: each.offset)))


def read(text: str) -> Node:
    """The root element of a document. Raises MarkupError with the first error."""
    document = read_document(text)
    error = next((problem for problem in document.problems if problem.error), None)
    if error is not None or document.root is None:
        raise MarkupError(*error[:3]) if error else MarkupError("The document is empty.", 0)
    return document.root


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.problems: list[Problem] = []
        self.guesses = 0
        self.truncated = False

    def document(self) -> Node:
        text = self.text
        position = self._skip_outside(0)
        if position >= len(text):
            raise MarkupError("The document is empty. It needs a <policies> or <fragment> element.", 0)
        if text[position] != "<":
            raise MarkupError("A policy document starts with an element, and this is text.", position)
        root, position = self._element_tree(position)
        position = self._skip_outside(position)
        if position < len(text):
            self._error(
                f"More stands behind the root element <{root.name}>. A document has one root.", position, root.name
            )
        return root

    def _error(self, message: str, offset: int, element: str) -> None:
        """Note an error that reading can go on behind."""
        if len(self.problems) >= MAX_PROBLEMS:
            raise MarkupError(message, offset, element)
        self.problems.append(Problem(message, offset, element))

    def _warn(self, message: str, offset: int, element: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(message, offset, element, error=False))

    def _skip_outside(self, position: int) -> int:
        """Skip what may surround the root; returns the offset of what comes next."""
        text = self.text
        while True:
            position = _space_end(text, position)
            if text.startswith("<!--", position):
                position = self._comment(position, "")
            elif text.startswith("<?", position) or text.startswith("<!DOCTYPE", position):
                position = self._other(position, "", [])
            else:
                break
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
                if closing is None:
                    raise MarkupError(f"An end tag is not finished; <{name}> is open. Write </{name}>.", position, name)
                if closing.group(1) != name:
                    message = f"{closing.group()} closes nothing; <{name}> is open. Write </{name}>."
                    self._error(message, position, name)
                # an end tag of an outer element ends this one too; any other is taken for this one's, misspelt
                if closing.group(1) == name or all(each[0] != closing.group(1) for each in stack):
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
                    template = name in _TEMPLATED and _is_liquid(attributes)
                    if template or (name == "set-body" and _BODY_OF_ELEMENTS.match(text, end)):
                        position = self._template(end, name, content)
                    else:
                        position = self._text(end, name, content)
                    continue
                node = Node(name, position, attributes, ())
                position = end
            elif position >= len(text) and stack:
                name, offset, attributes, _ = stack[-1]
                if not self.truncated:
                    self._error(f"<{name}> is never closed. Write </{name}>.", position, name)
                self.truncated = True
                node = Node(name, offset, attributes, tuple(content))
                stack.pop()
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
        names: set[str] = set()
        while True:
            found = _ATTRIBUTE.match(text, position)
            if found is None:
                attribute, position = self._odd_attribute(element, position)
            elif end := found.group("end"):
                return tuple(attributes), found.end(), end == "/>"
            else:
                name, start = found["name"], found.end()
                value_end, sound = self._value_end(element, name, found["quote"], start)
                attribute = Attribute(name, found.start("name"), self._piece(start, value_end, element, sound))
                position = value_end + 1
            if attribute is None:
                continue
            if attribute.name in names:
                message = f"Attribute '{attribute.name}' is given twice. Remove one."
                self._error(message, attribute.offset, element)
                continue
            names.add(attribute.name)
            attributes.append(attribute)

    def _piece(self, start: int, end: int, element: str, sound: bool = True) -> Piece:
        raw = self.text[start:end] if sound else _STAND_IN
        if "&" not in raw:
            return Piece(raw, start, end)
        for found in ENTITY.finditer(raw):
            if character(found) is None:
                self._error(f"{found.group()} is not a character of XML.", start + found.start(), element)
        return Piece(decode(raw), start, end)

    def _odd_attribute(self, element: str, position: int) -> tuple[Attribute | None, int]:
        """What is not written as an attribute should be: one without quotes, or without a value, or none at all."""
        text = self.text
        at = _space_end(text, position)
        if at >= len(text):
            raise MarkupError(f"<{element}> is not finished: '>' is missing.", at, element)
        if found := _UNQUOTED.match(text, position):
            name, start = found["name"], found.start("value")
            end = found.end()
            if _SPAN.match(text, start):
                try:
                    end = scan_expression(text, start)
                except UnbalancedError as problem:
                    raise self._unbalanced(f"attribute '{name}'", start, text.find(">", start), element) from problem
            message = f"The value of attribute '{name}' stands without quotes. Write {name}=\"...\"."
            self._warn(message, start, element)
            return Attribute(name, found.start("name"), self._piece(start, end, element)), end
        if found := _UNVALUED.match(text, position):
            message = f"Attribute '{found['name']}' has no value. Write {found['name']}=\"...\"."
            self._error(message, found.start("name"), element)
            return None, found.end()
        litter = _LITTER.match(text, at)
        if litter is None:
            raise MarkupError(f"<{element}> is not finished: '>' is missing.", at, element)
        self._error(
            f"An attribute (name=\"value\") or '>' is expected here, and this is {litter.group()[:10]!r}. "
            "Quote the value; write &quot; for a quote inside it.",
            at,
            element,
        )
        return None, litter.end()

    def _value_end(self, element: str, name: str, quote: str, start: int) -> tuple[int, bool]:
        """Where the value that starts here ends, at its closing quote; False if its expression is not a whole one."""
        text = self.text
        if plain := _PLAIN[quote].match(text, start):
            return plain.end() - 1, True
        position = start
        if expression := _EXPRESSION.match(text, start):
            try:
                position = scan_expression(text, expression.end())
            except UnbalancedError:
                last = _LAST[quote].search(text, start)
                problem = self._unbalanced(
                    f"attribute '{name}'", expression.end(), last.start() if last else -1, element
                )
                if last is None:
                    raise problem from None
                self._error(str(problem), problem.offset, element)
                return last.start(), False
        lesser = False
        while found := _STOP[quote].search(text, position):
            position = found.end()
            if found.group() == quote:
                return self._last_quote(element, name, quote, found.start()), True
            if found.group() != "<":
                position = self._span_end(found.start()) or position
            elif not lesser:
                message = (
                    f"'<' stands in attribute '{name}' outside an expression. Write &lt; for it, or close the quote."
                )
                if not _CLOSED_SOON[quote].match(text, position):
                    raise MarkupError(message, found.start(), element)
                self._error(message, found.start(), element)
                lesser = True
        raise MarkupError(f"The value of attribute '{name}' has no closing {quote}.", start, element)

    def _last_quote(self, element: str, name: str, quote: str, position: int) -> int:
        """The quote that closes a value whose first quote stands here: the first that the tag can go on behind."""
        text = self.text
        if text[position + 1 : position + 2] in _BEHIND_A_VALUE:
            return position
        lesser = text.find("<", position)
        last = _LAST[quote].search(text, position, lesser if lesser >= 0 else len(text))
        if last is None:
            return position
        if last.start() == position:
            self._warn(f"A space is missing behind attribute '{name}'.", position + 1, element)
        else:
            self._warn(f"A quote stands inside attribute '{name}'. Write &quot; for it.", position, element)
        return last.start()

    def _span_end(self, start: int) -> int:
        """Where the expression that starts inside a text ends; 0 if it is none."""
        if self.guesses >= MAX_GUESSES:
            return 0
        try:
            return scan_expression(self.text, start)
        except UnbalancedError:
            self.guesses += 1
            return 0

    def _unbalanced(self, what: str, start: int, end: int, element: str) -> MarkupError:
        """The error of an expression that does not end, though what it stands in ends at `end` (-1: nobody knows)."""
        text = self.text if end < 0 else self.text[:end]
        try:
            scan_expression(text, start)
        except UnbalancedError as problem:
            message = f"The expression in {what} does not end: {problem}."
            return MarkupError(message, min(problem.offset, len(text)), element)
        return MarkupError(f"The expression in {what} does not end where it should.", start, element)

    def _text(self, position: int, element: str, content: list[Node | Piece]) -> int:
        """Text up to the next markup, appended to `content` if it is more than white space."""
        text = self.text
        start = position
        if expression := _EXPRESSION.match(text, position):
            try:
                position = scan_expression(text, expression.end())
            except UnbalancedError:
                close = text.find(f"</{element}", position)
                problem = self._unbalanced(f"<{element}>", expression.end(), close, element)
                if close < 0:
                    raise problem from None
                self._error(str(problem), problem.offset, element)
                content.append(Piece(_STAND_IN, start, close))
                return close
        end = text.find("<", position)
        end = len(text) if end < 0 else end
        while found := _SPAN.search(text, position, end):
            position = self._span_end(found.start())
            if not position or (position > end and f"</{element}" in text[end:position]):
                position = found.end()
            elif position > end:
                end = text.find("<", position)
                end = len(text) if end < 0 else end
        raw = text[start:end]
        if raw and not raw.isspace():
            if raw.strip() == "-->":
                self._warn("This ends no comment; a comment ends at the first '-->'. Remove it.", start, element)
            else:
                content.append(self._piece(start, end, element))
        return end

    def _template(self, position: int, element: str, content: list[Node | Piece]) -> int:
        """A Liquid template up to the end tag, one piece; comments and CDATA marks go unless elements stand in it."""
        text = self.text
        closing = _TEMPLATE_END.search(text, position)
        if closing is None:
            raise MarkupError(f"<{element}> is never closed. Write </{element}>.", len(text), element)
        raw = text[position : closing.start()]
        texts, cdata, done = [], [], 0
        for start, end, inner in set_apart(raw):
            texts.append(raw[done:start])
            cdata.append(inner)
            done = end
        texts.append(raw[done:])
        if not any(map(_OPEN.search, texts)):
            raw = "".join(decode(text) + inner for text, inner in zip(texts, [*cdata, ""], strict=True))
        content.append(Piece(raw, position, closing.start()))
        return closing.start()

    def _other(self, position: int, element: str, content: list[Node | Piece]) -> int:
        """Comment, CDATA or what is passed over; the offset behind it."""
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
            self._error("A DOCTYPE is not allowed in a policy document. Remove it.", position, element)
            return _ended(_DOCTYPE, text, position)
        if text.startswith("<?", position):
            return _ended(_INSTRUCTION, text, position)
        if not element:
            raise MarkupError("'<' starts no element here.", position, element)
        self._error("'<' starts no element here. Write &lt; for a literal one.", position, element)
        return position + 1

    def _comment(self, position: int, element: str) -> int:
        """The end of a comment. One that comments stand in ends where they all end, if they do."""
        text = self.text
        end = text.find("-->", position + 4)
        if end < 0:
            raise MarkupError("The comment does not end. Write -->.", position, element)
        if text.find("<!--", position + 4, end) < 0 or self.guesses >= MAX_GUESSES:
            return end + 3
        self._warn("A comment stands inside a comment. Remove the inner '<!--'.", position, element)
        depth = 0
        for mark in _COMMENT_MARK.finditer(text, position):
            depth += 1 if mark.group() == "<!--" else -1
            if depth == 0:
                return mark.end()
        self.guesses += 1
        return end + 3


# elements whose own text may be a Liquid template
_TEMPLATED = frozenset({"set-body", "publish-to-dapr", "publish-to-darp"})


def _is_liquid(attributes: tuple[Attribute, ...]) -> bool:
    return any(each.name == "template" and each.value.value.strip().lower() == "liquid" for each in attributes)


def _space_end(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def _ended(pattern: re.Pattern[str], text: str, position: int) -> int:
    found = pattern.match(text, position)
    if found is None:
        raise MarkupError("This does not end: '>' is missing.", position)
    return found.end()
