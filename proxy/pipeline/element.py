"""`Element`: one policy element as its factory sees it. Attributes and children are asked for by name and type.

Rules
1. What a factory asks for is known; what it never asks for becomes an issue with the nearest known name.
2. A bad or missing value becomes an issue and a harmless stand-in, so that one look finds every mistake.
3. `id` is allowed on every policy element.
4. `literal*()` takes no expression; the other readers give a `Value`.
5. A value with a blank in it (see `blanks`) is not judged but reported as not filled in.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar, overload

from proxy.errors import ExpressionFailed, Site
from proxy.expressions import ExpressionError, compile_expression
from proxy.expressions.dotnet.convert import to_bool, to_float, to_int, to_text
from proxy.expressions.dotnet.values import name_of
from proxy.pipeline import blanks, findings, literals
from proxy.pipeline.issue import Issue
from proxy.pipeline.nodes import Node, Piece, original_offset
from proxy.pipeline.scan import is_expression
from proxy.pipeline.source import Source, unresolved
from proxy.pipeline.values import Value

T = TypeVar("T")


class _Required:
    """The default of an attribute that has none."""


REQUIRED = _Required()
_SPAN = re.compile(r"@[({][^@]*[)}]")
# issues that a blank explains, by the start of their codes
_JUDGED = ("invalid", "missing-element", "missing-text")
Convert = Callable[[Any], T]


class Element:
    """`path` is like "choose[1]/when[2]"; `issues` and `reads` are shared with the children that were asked for.

    `missing` is the severity of what is referred to and not there, blanks that nobody filled in among it.
    """

    def __init__(
        self,
        node: Node,
        source: Source,
        issues: list[Issue],
        *,
        path: str = "",
        reads: set[str] | None = None,
        missing: str = "error",
        document: str = "",
    ) -> None:
        self.node = node
        self.path = path
        self.name = node.name
        self.source = source
        self.issues = issues
        self.missing = missing
        self.document = document
        self.reads: set[str] = set() if reads is None else reads
        self._pieces = {each.name: each.value for each in node.attributes}
        self._known_attributes = {"id"}
        self._known_children: set[str] = set()
        self._any_child = False
        self._text_known = False
        self._asked: list[Element] = []

    @property
    def position(self) -> tuple[int, int]:
        """1-based line and column of the element's name."""
        return self.source.place(self.node.offset + 1)

    @property
    def policy_id(self) -> str:
        piece = self._pieces.get("id")
        return piece.value if piece else ""

    def issue(self, message: str, code: str = "invalid", *, offset: int | None = None, severity: str = "error") -> None:
        """Report a finding at the element's name, or at an offset of the parsed text."""
        line, column = self.position if offset is None else self.source.place(offset)
        if (
            severity == "error"
            and code.startswith(_JUDGED)
            and code != "invalid-template"
            and (blank := findings.blank_in(self.node, offset))
        ):
            if blanks.is_unresolved(blank):
                return
            code, severity = "unfilled", self.missing
            message = f"{blank} is not filled in. {message}"
        message = findings.as_written(message, self.node, self.source)
        if self.source.title:
            message = f"In {self.source.title}: {message}"
        self.issues.append(Issue(line, column, self.name, message, code, severity, self.source.fragment))

    def has(self, name: str) -> bool:
        """Whether an attribute is given; asking makes it known."""
        self._known_attributes.add(name)
        return name in self._pieces

    def take(self, other: str, name: str) -> None:
        """Take the attribute `other` for `name`, where tools write it in its place."""
        if other in self._pieces and name not in self._pieces:
            self._pieces[name] = self._pieces[other]
            self._known_attributes.add(other)

    def is_expression(self, name: str) -> bool:
        piece = self._pieces.get(name)
        return piece is not None and is_expression(piece.value)

    # attributes ------------------------------------------------------------------------------------------------

    @overload
    def literal(self, name: str, default: str | _Required = REQUIRED) -> str: ...
    @overload
    def literal(self, name: str, default: None) -> str | None: ...
    def literal(self, name: str, default: str | _Required | None = REQUIRED) -> str | None:
        """A text that may not be an expression."""
        return self._literal(name, default, literals.text, "")

    @overload
    def literal_integer(
        self, name: str, default: int | _Required = REQUIRED, minimum: int | None = None, maximum: int | None = None
    ) -> int: ...
    @overload
    def literal_integer(
        self, name: str, default: None, minimum: int | None = None, maximum: int | None = None
    ) -> int | None: ...
    def literal_integer(
        self,
        name: str,
        default: int | _Required | None = REQUIRED,
        minimum: int | None = None,
        maximum: int | None = None,
    ) -> int | None:
        return self._literal(name, default, literals.bounded(literals.integer, minimum, maximum), minimum or 0)

    def literal_seconds(self, name: str, minimum: int = 0) -> int:
        """A required time: whole seconds, or a duration such as PT1H."""
        return self._literal(name, REQUIRED, literals.bounded(literals.seconds, minimum, None), minimum) or 0

    def literal_boolean(self, name: str, default: bool | _Required = REQUIRED) -> bool:
        return bool(self._literal(name, default, literals.boolean, False))

    def literal_choice(self, name: str, *options: str, default: str | _Required = REQUIRED) -> str:
        return str(self._literal(name, default, literals.one_of(options), options[0]))

    @overload
    def string(self, name: str, default: str | _Required = REQUIRED) -> Value[str]: ...
    @overload
    def string(self, name: str, default: None) -> Value[str] | None: ...
    def string(self, name: str, default: str | _Required | None = REQUIRED) -> Value[str] | None:
        return self._value(name, default, literals.text, to_text, "")

    @overload
    def integer(
        self, name: str, default: int | _Required = REQUIRED, minimum: int | None = None, maximum: int | None = None
    ) -> Value[int]: ...
    @overload
    def integer(
        self, name: str, default: None, minimum: int | None = None, maximum: int | None = None
    ) -> Value[int] | None: ...
    def integer(
        self,
        name: str,
        default: int | _Required | None = REQUIRED,
        minimum: int | None = None,
        maximum: int | None = None,
    ) -> Value[int] | None:
        """A whole number within [minimum, maximum], also when an expression makes it."""
        literal = literals.bounded(literals.integer, minimum, maximum)
        return self._value(name, default, literal, literals.bounded(to_int, minimum, maximum), minimum or 0)

    @overload
    def number(
        self,
        name: str,
        default: float | _Required = REQUIRED,
        minimum: float | None = None,
        maximum: float | None = None,
    ) -> Value[float]: ...
    @overload
    def number(
        self, name: str, default: None, minimum: float | None = None, maximum: float | None = None
    ) -> Value[float] | None: ...
    def number(
        self,
        name: str,
        default: float | _Required | None = REQUIRED,
        minimum: float | None = None,
        maximum: float | None = None,
    ) -> Value[float] | None:
        literal = literals.bounded(literals.number, minimum, maximum)
        return self._value(name, default, literal, literals.bounded(to_float, minimum, maximum), minimum or 0.0)

    def boolean(self, name: str, default: bool | _Required = REQUIRED) -> Value[bool]:
        value = self._value(name, default, literals.boolean, to_bool, False)
        return value or Value.of(False)

    def choice(self, name: str, *options: str, default: str | _Required = REQUIRED) -> Value[str]:
        choose = literals.one_of(options)
        value = self._value(name, default, choose, lambda result: choose(to_text(result)), options[0])
        return value or Value.of(options[0])

    def binary(self, name: str) -> Value[bytes]:
        """Required bytes: what an expression makes as byte[], or a text as Base64."""
        return self._value(name, REQUIRED, literals.base64_bytes, _bytes_of, b"") or Value.of(b"")

    def any_value(self, name: str) -> Value[Any]:
        """A required value that keeps its type: a literal is a string, an expression whatever it makes."""
        value: Value[Any] | None = self._value(name, REQUIRED, literals.text, lambda result: result, "")
        return value or Value.of("")

    # content ---------------------------------------------------------------------------------------------------

    def content(self, *, required: bool = False) -> Value[str]:
        """The element's text; literal text is trimmed."""
        value, text = self._content(to_text, "")
        if required and not text.strip():
            self.issue(f"<{self.name}> needs text.", "missing-text")
        if value is None:
            return Value.of("" if unresolved(text) else text.strip())
        return value

    def body_content(self) -> Value[bytes]:
        """The element's text as UTF-8, white space and all; an expression may also make bytes."""
        value, text = self._content(_to_bytes, b"")
        return Value.of(text.encode()) if value is None else value

    def _content(self, convert: Convert[T], stand_in: T) -> tuple[Value[T] | None, str]:
        """An expression's value, or None and the literal text."""
        self._text_known = True
        pieces = [each for each in self.node.content if type(each) is Piece]
        if len(pieces) == 1 and is_expression(pieces[0].value):
            return self._expression(pieces[0], convert, stand_in), "@"
        text = "".join(piece.value for piece in pieces)
        if is_expression(text):  # a comment or CDATA stands beside the expression
            return self._expression(Piece(text, pieces[0].start, pieces[-1].end), convert, stand_in), "@"
        for piece in pieces:
            self._warn_of_spans(piece)
        return None, text

    def literal_content(self) -> str:
        """The trimmed text, which may not be an expression."""
        self._text_known = True
        text = "".join(each.value for each in self.node.content if type(each) is Piece).strip()
        if is_expression(text):
            self.issue(f"<{self.name}> does not take an expression. Write a literal.", "expression-not-allowed")
            return ""
        return text

    def template_text(self) -> tuple[str, int]:
        """The content as one text that is no expression, and its offset in the parsed text."""
        self._text_known = self._any_child = True
        pieces = [each for each in self.node.content if type(each) is Piece]
        return "".join(each.value for each in pieces), pieces[0].start if pieces else self.node.offset

    def children(self, name: str, *, required: bool = False) -> list[Element]:
        """All children of that name, in order."""
        self._known_children.add(name)
        nodes = [node for node in self.node.children if node.name == name]
        found = [self._child(node, index) for index, node in enumerate(nodes, 1)]
        if required and not found:
            self.issue(f"<{self.name}> needs at least one <{name}>.", "missing-element")
        return found

    def child(self, name: str, *, required: bool = False) -> Element | None:
        """The only child of that name."""
        found = self.children(name, required=required)
        for extra in found[1:]:
            extra.issue(f"<{name}> may stand once in <{self.name}>. Remove one.", "duplicate-element")
            self._asked.remove(extra)
        return found[0] if found else None

    def policies(self) -> tuple[Node, ...]:
        """All children, for a container whose children are policies."""
        self._any_child = True
        return self.node.children

    def finish(self) -> None:
        """Report what nobody asked for, here and in the children that were asked for."""
        for attribute in self.node.attributes:
            foreign = ":" in attribute.name or attribute.name == "xmlns"  # of no policy: xsi:schemaLocation, xml:space
            if attribute.name not in self._known_attributes and not foreign:
                hint = findings.nearest(attribute.name, self._known_attributes)
                message = f"Attribute '{attribute.name}' is not known here.{hint}"
                self.issue(message, "unknown-attribute", offset=attribute.offset)
        if not self._any_child:
            for node in self.node.children:
                if node.name not in self._known_children:
                    hint = findings.nearest(node.name, self._known_children)
                    self._child(node).issue(f"<{node.name}> is not known in <{self.name}>.{hint}", "unknown-element")
        if not self._text_known:
            for piece in self.node.content:
                if type(piece) is not Piece or not piece.value.strip():
                    continue
                if blanks.only_blanks(piece.value):
                    self.issue("What it becomes can only be checked then.", "invalid-text", offset=piece.start)
                else:
                    offset = piece.start + len(piece.value) - len(piece.value.lstrip())
                    self.issue(f"<{self.name}> takes no text. Remove it.", "unexpected-text", offset=offset)
        for child in self._asked:
            child.finish()

    # ------------------------------------------------------------------------------------------------------------

    def _child(self, node: Node, index: int = 1) -> Element:
        path = f"{self.path}/{node.name}[{index}]"
        more = {"missing": self.missing, "document": self.document}
        child = Element(node, self.source, self.issues, path=path, reads=self.reads, **more)
        if node.name in self._known_children:
            self._asked.append(child)
        return child

    def _literal(self, name: str, default: T | _Required | None, parse: Convert[T], stand_in: T) -> T | None:
        piece = self._piece(name, default)
        if piece is None:
            return stand_in if isinstance(default, _Required) else default
        if is_expression(piece.value):
            self.issue(
                f"Attribute '{name}' does not take an expression. Write a literal.",
                "expression-not-allowed",
                offset=piece.start,
            )
            return stand_in
        return self._parse(name, piece, parse, stand_in)

    def _value(
        self, name: str, default: T | _Required | None, parse: Convert[T], convert: Convert[T], stand_in: T
    ) -> Value[T] | None:
        piece = self._piece(name, default)
        if piece is None:
            if default is None:
                return None
            return Value.of(stand_in if isinstance(default, _Required) else default)
        if is_expression(piece.value):
            return self._expression(piece, convert, stand_in)
        self._warn_of_spans(piece)
        return Value.of(self._parse(name, piece, parse, stand_in))

    def _warn_of_spans(self, piece: Piece) -> None:
        if (span := _SPAN.search(piece.value)) is not None:
            message = 'An expression stands for a whole value; here it is text. Write one expression: @("..." + ...).'
            offset = original_offset(self.source.text, piece, span.start())
            self.issue(message, "literal-expression", offset=offset, severity="warning")

    def _piece(self, name: str, default: object) -> Piece | None:
        self._known_attributes.add(name)
        piece = self._pieces.get(name)
        if piece is None and default is REQUIRED:
            self.issue(f"Attribute '{name}' is required. Add {name}=\"...\".", "missing-attribute")
        return piece

    def _parse(self, name: str, piece: Piece, parse: Convert[T], stand_in: T) -> T:
        if parse is not literals.text and unresolved(piece.value):
            return stand_in
        try:
            return parse(piece.value)
        except ValueError as problem:
            remedy = " An expression is written @(...)." if piece.value.lstrip().startswith("@") else ""
            self.issue(f"Attribute '{name}' {problem}{remedy}", "invalid-attribute", offset=piece.start)
            return stand_in

    def _expression(self, piece: Piece, convert: Convert[T], stand_in: T) -> Value[T]:
        code = piece.value.strip()
        try:
            expression = compile_expression(code)
        except ExpressionError as problem:
            if blank := blanks.first_blank(code):
                return self._open_expression(piece, code, blank, stand_in)
            self._report(piece, code, problem)
            return Value.of(stand_in)
        self.reads.update(expression.reads)
        return Value.expression(expression.evaluate, convert, frozenset(expression.reads), self._site(piece, code))

    def _site(self, piece: Piece, code: str) -> Site:
        """Where an expression stands; its code as it was written, since a named value may be a secret."""
        start = len(piece.value) - len(piece.value.lstrip())
        first = original_offset(self.source.text, piece, start)
        if self.source.shifts:
            last = original_offset(self.source.text, piece, start + len(code))
            code = self.source.original[self.source.original_offset(first) : self.source.original_offset(last)]
        line, column = self.source.place(first)
        return Site(code, line, column, self.path, self.document)

    def _open_expression(self, piece: Piece, code: str, blank: str, stand_in: T) -> Value[T]:
        """An expression that does not compile as it stands, though it may once its blanks are filled in."""
        problems = []
        for attempt in blanks.filled(code):
            try:
                compile_expression(attempt)
            except ExpressionError as problem:
                problems.append(problem)
            else:
                if not blanks.is_unresolved(blank):
                    self.issue(f"{blank} is not filled in.", "unfilled", offset=piece.start, severity=self.missing)
                return Value.computed(lambda exchange: _unfilled(blank), lambda result: stand_in)
        self._report(piece, code, problems[0])
        return Value.of(stand_in)

    def _report(self, piece: Piece, code: str, problem: ExpressionError) -> None:
        for message, offset in findings.of_expression(piece, code, problem, self.source):
            self.issue(message, "expression-syntax", offset=offset)


def _unfilled(blank: str) -> Any:
    raise ExpressionFailed(f"{blank} is not filled in.")


def _bytes_of(value: Any) -> bytes:
    """A byte[] as it is, a text as Base64."""
    if isinstance(value, list) and name_of(value) == "System.Byte[]":
        return bytes(value)
    return literals.base64_bytes(to_text(value))


def _to_bytes(value: Any) -> bytes:
    """A byte[] as it is, anything else as its text in UTF-8."""
    return bytes(value) if isinstance(value, list) and name_of(value) == "System.Byte[]" else to_text(value).encode()
