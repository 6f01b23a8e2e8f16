"""Phase 1: text to a syntax tree. tree-sitter parses; we refuse what it could not make sense of.

Rules
1. At most 64 KiB and 200 open brackets; a longer or deeper text is refused before it is parsed.
2. An ERROR or MISSING node is an error at its place: tree-sitter repairs, C# does not.
3. `@(x)` is parsed as `return (x);`, `@{x}` as a method body, so positions only shift on the first line.
"""

from __future__ import annotations

from dataclasses import dataclass

import tree_sitter_c_sharp
from tree_sitter import Language, Node, Parser

from proxy.expressions.errors import Finding, Place
from proxy.expressions.parse_generics import parse_chains

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
    tree, added = parse_chains(_PARSER, before + data[1:] + after)
    shift = len(before) - 1
    syntax = Syntax(tree.root_node, is_body, shift, tuple(added))
    if tree.root_node.has_error:
        raise _first_error(tree.root_node, syntax)
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
    if syntax.root.end_byte != len(before) + len(data) - 1 + len(added):
        raise Finding("The parentheses of the expression do not match", start)
    return syntax


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


def _first_error(root: Node, syntax: Syntax) -> Finding:
    cursor = root
    while True:
        if cursor.is_missing:
            return Finding(f"{cursor.type} expected", syntax.place(cursor))
        if cursor.type == "ERROR":
            begins = max(cursor.start_byte, syntax.shift + 1)
            data = (cursor.text or b"")[begins - cursor.start_byte :]
            text = data.decode(errors="replace").strip().split("\n")[0][:40]
            return Finding(f"Syntax error near '{text}'" if text else "Syntax error", syntax.place(cursor))
        below = [child for child in cursor.children if child.has_error or child.is_missing or child.type == "ERROR"]
        if not below:
            return Finding("Syntax error", syntax.place(cursor))
        cursor = below[0]


def text_of(node: Node) -> str:
    return (node.text or b"").decode()


def named(node: Node) -> list[Node]:
    """The named children without comments."""
    return [child for child in node.named_children if child.type != "comment"]


def field_of(node: Node, name: str) -> Node:
    found = node.child_by_field_name(name)
    if found is None:
        raise ValueError(f"{node.type} has no {name}")
    return found
