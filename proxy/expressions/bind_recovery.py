"""A second look at a body that does not compile: what else is wrong in it, statement by statement.

Rules
1. It only tells more of a body that is refused anyway; nothing that it binds is ever run.
2. What follows from an error that is told already is not told: a variable whose declaration failed is not missing.
3. Lambdas and local functions are bound whole, as overloads are chosen by what fails in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from proxy.expressions.bind import STATEMENTS, Binder, BindStatement
from proxy.expressions.errors import Finding
from proxy.expressions.parse import Syntax, named, text_of
from proxy.expressions.tree import Statement

MOST = 20
STATEMENTS_LOOKED_AT = 2000
_NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")
_DECLARING = frozenset(
    ("variable_declarator", "tuple_pattern", "declaration_expression", "declaration_pattern", "var_pattern",
     "recursive_pattern", "catch_declaration", "local_function_statement", "foreach_statement")
)  # fmt: skip
_CLAUSES = frozenset(("catch_clause", "finally_clause", "else_clause"))


class Enough(Exception):
    """So much was looked at that looking on would take long."""


class Recovery:
    """What was found so far, and the names that are not there because of it."""

    def __init__(self, source: str) -> None:
        self.lines = source.encode().split(b"\n")
        self.left = STATEMENTS_LOOKED_AT
        self.found: list[Finding] = []
        self.lost: set[str] = set()
        self.headless = 0  # statements around whose heads failed: their loops are not known

    def statement(self, b: Binder, node: Node, into: list[Statement], bind: BindStatement) -> None:
        """Bind a statement; where its head fails, what it holds."""
        if b.function.parent is not None:
            return bind(b, node, into)
        self.left -= 1
        if not self.left:
            raise Enough
        function, loops, jumps = b.function, b.loops, list(b.jumps)
        switches, labels = len(b.switches), len(b.labels)
        try:
            bind(b, node, into)
        except Finding as finding:
            b.function, b.loops, b.jumps[:] = function, loops, jumps
            del b.switches[switches:], b.labels[labels:]
            self.note(finding)
            self.lost.update(_declared(node))
            self.headless += 1
            for part in _parts(node):
                with b.scope():
                    self.statement(b, part, [], bind)
            self.headless -= 1

    def note(self, finding: Finding) -> None:
        """Keep a finding, unless it is about a name that is lost or a loop that is not known."""
        line, column, *_ = finding.place
        name = _NAME.match(self.lines[line - 1], column)
        follows = name is not None and name[0].decode() in self.lost
        if not follows and not (self.headless and finding.message.startswith("No enclosing")):
            self.found.append(finding)


def all_findings(syntax: Syntax, source: str, first: Finding) -> list[Finding]:
    """Everything wrong in a body whose first error is known, in the order of the text."""
    from proxy.expressions.bind_statements import bind_block

    binder = Binder(syntax)
    recovery = binder.recovery = Recovery(source)
    try:
        bind_block(binder, syntax.root)
    except Finding as finding:
        recovery.note(finding)
    except Enough:
        pass
    except Exception:  # forms that only the first look knows how to name
        return [first]
    found = {(each.place, each.message): each for each in (first, *recovery.found)}
    return sorted(found.values(), key=lambda each: each.place)[:MOST]


def _declared(node: Node) -> Iterator[str]:
    if node.type in _DECLARING:
        for field in ("name", "left"):
            for name in node.children_by_field_name(field):
                yield text_of(name)
    for child in named(node):
        yield from _declared(child)


def _parts(node: Node) -> Iterator[Node]:
    """The statements that a statement holds."""
    for child in named(node):
        if child.type in STATEMENTS:
            yield child
        elif child.type in _CLAUSES:
            yield from _parts(child)
