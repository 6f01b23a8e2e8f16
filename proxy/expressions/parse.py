"""Phase 1: text to a syntax tree. tree-sitter parses; we refuse what it could not make sense of.

Rules
1. At most 64 KiB and 200 open brackets; a longer or deeper text is refused before it is parsed.
2. An ERROR or MISSING node is an error at its place: tree-sitter repairs, C# does not.
3. `@(x)` is parsed as `return (x);`, `@{x}` as a method body, so positions only shift on the first line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import tree_sitter_c_sharp
from tree_sitter import Language, Node, Parser

from proxy.expressions.errors import Finding, Place
from proxy.expressions.interpolation import masked
from proxy.expressions.lexing import mistake
from proxy.expressions.parse_generics import parse_chains, point

MAX_BYTES = 64 * 1024
MAX_NESTING = 200

_PARSER = Parser(Language(tree_sitter_c_sharp.language()))
_EXPRESSION = (b"class C{object M(){return ", b";}}")
_BODY = (b"class C{object M()", b"}")


@dataclass(slots=True)
class Syntax:
    """The parsed source. `root` is an expression node, or the block of a `@{...}`; `shift` undoes the wrapping, `added`
    are the (row, column) of parentheses that are not in the source."""

    root: Node
    is_body: bool
    shift: int
    # one character was put in before parsing at each of these rows and columns of the parsed text
    added: tuple[tuple[int, int], ...] = ()

    def place(self, node: Node) -> Place:
        start, end = node.start_point, node.end_point
        return Place(start.row + 1, self._column(*start), end.row + 1, self._column(*end))

    def _column(self, row: int, column: int) -> int:
        own = sum(1 for at, before in self.added if at == row and before < column)
        return max(column - own - (self.shift if row == 0 else 0), 0)


def parse(source: str) -> Syntax:
    """The tree of `@(...)` or `@{...}`; raises Finding."""
    start = Place(1, 0, 1, 1)
    try:
        data = source.encode()
    except UnicodeEncodeError:
        raise Finding("The expression is not valid Unicode text", start) from None
    if len(data) > MAX_BYTES:
        raise Finding(f"The expression is longer than {MAX_BYTES} bytes", start)
    if not (data.startswith(b"@(") and data.endswith(b")")) and not (data.startswith(b"@{") and data.endswith(b"}")):
        raise Finding("An expression starts with @( and ends with ), or starts with @{ and ends with }", start)
    _refuse_deep(data)
    is_body = data[1:2] == b"{"
    before, after = _BODY if is_body else _EXPRESSION
    tree, whole, added = parse_chains(_PARSER, before + masked(data[1:]) + after)
    if b"> {" in whole or b">{" in whole:
        whole, added = _with_parentheses(tree.root_node, whole, added)
        tree = _PARSER.parse(whole)
    end = len(whole) - len(after)
    shift = len(before) - 1
    syntax = Syntax(tree.root_node, is_body, shift, tuple(point(whole, at) for at in sorted(added)))
    if tree.root_node.has_error:
        raise mistake(source) or _first_error(tree.root_node, syntax, end)
    declared = tree.root_node.named_children[0].child_by_field_name("body")
    if tree.root_node.named_child_count != 1 or declared is None or declared.named_child_count != 1:
        raise Finding("Unexpected text after the end of the expression", start)
    block = declared.named_children[0].child_by_field_name("body")
    if block is None:
        raise Finding("Syntax error", start)
    if is_body:
        syntax.root = block
        return syntax
    statements = [child for child in block.named_children if child.type != "comment"]
    if len(statements) != 1 or statements[0].type != "return_statement":
        raise Finding("An expression in @( ) must be a single expression", start)
    syntax.root = next(child for child in statements[0].named_children if child.type != "comment")
    if syntax.root.end_byte != end:
        raise Finding("The parentheses of the expression do not match", start)
    return syntax


def _with_parentheses(root: Node, text: bytes, added: list[int]) -> tuple[bytes, list[int]]:
    """`new List<(int a, int b)> { ... }` parses as comparisons; with `()` before the brace it does not."""
    found: list[int] = []
    waiting = [root]
    while waiting:
        node = waiting.pop()
        waiting += node.named_children
        right = node.child_by_field_name("right") if node.type == "binary_expression" else None
        if right is not None and right.type == "initializer_expression":
            found.append(right.start_byte)
    for at in sorted(found, reverse=True):
        text = text[:at] + b"()" + text[at:]
        added = [each + 2 * (each >= at) for each in added] + [at, at + 1]
    return text, added


def _refuse_deep(data: bytes) -> None:
    """Count open brackets without looking at strings: an upper bound is enough for a limit."""
    depth = 0
    line = 1
    for byte in data:
        if byte in b"([{":
            depth += 1
            if depth > MAX_NESTING + 1:
                raise Finding(f"The expression nests deeper than {MAX_NESTING} levels", Place(line, 0, line, 0))
        elif byte in b")]}":
            depth -= 1
        elif byte == 10:
            line += 1


def _first_error(root: Node, syntax: Syntax, end: int) -> Finding:
    """The first place that the parser could make no sense of; `end` is where our own wrapping begins again."""
    cursor = root
    whole = root.text or b""
    while True:
        if cursor.is_missing:
            if cursor.type != "identifier":
                return Finding(f"Syntax error: {cursor.type} expected", syntax.place(cursor))
            return _invalid_term(whole, cursor, syntax, end)
        if cursor.type == "ERROR":
            begins = max(cursor.start_byte, syntax.shift + 1)
            data = whole[begins : min(cursor.end_byte, end)]
            text = data.decode(errors="replace").strip().split("\n")[0][:40]
            if text:
                return Finding(f"Syntax error near '{text}'", syntax.place(cursor))
            return _invalid_term(whole, cursor, syntax, end)
        below = [child for child in cursor.children if child.has_error or child.is_missing or child.type == "ERROR"]
        if not below:
            return _invalid_term(whole, cursor, syntax, end)
        cursor = below[0]


def _invalid_term(whole: bytes, node: Node, syntax: Syntax, end: int) -> Finding:
    """What stands where the expression should be that is missing at `node`."""
    after = _TOKEN.match(whole, node.end_byte, end)
    return Finding(f"Invalid expression term '{after[1].decode() if after else ')'}'", syntax.place(node))


_TOKEN = re.compile(rb"\s*([A-Za-z_]\w{0,30}|[!-~])")
_UNICODE = re.compile(r"\\u([0-9A-Fa-f]{4})|\\U([0-9A-Fa-f]{8})")


def text_of(node: Node) -> str:
    """The source text; of an identifier its name: `@class` is class, `\\u0061` is a."""
    text = (node.text or b"").decode()
    if node.type == "identifier" and (text[:1] == "@" or "\\" in text):
        return _UNICODE.sub(lambda found: chr(int(found[1] or found[2], 16)), text.removeprefix("@"))
    return text


def named(node: Node) -> list[Node]:
    """The named children without comments."""
    return [child for child in node.named_children if child.type != "comment"]


def field_of(node: Node, name: str) -> Node:
    found = node.child_by_field_name(name)
    if found is None:
        raise ValueError(f"{node.type} has no {name}")
    return found
