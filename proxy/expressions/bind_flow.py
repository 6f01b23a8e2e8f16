"""What can be reached: whether the end of statements is, and which of them never are."""

from __future__ import annotations

from tree_sitter import Node

from proxy.expressions.parse import named
from proxy.expressions.tree import (
    Constant,
    Expr,
    Goto,
    If,
    Jump,
    Labels,
    Let,
    Loop,
    Return,
    Statement,
    Switch,
    Throw,
    Try,
)

_FUNCTIONS = ("local_function_statement", "lambda_expression", "anonymous_method_expression")


def _has(node: Node, kind: str) -> bool:
    """Whether such a statement stands in the body `node`, functions inside it aside."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        if current.type == kind:
            return True
        waiting += [child for child in named(current) if child.type not in _FUNCTIONS]
    return False


def has_goto(node: Node) -> bool:
    return _has(node, "goto_statement")


def has_yield(node: Node) -> bool:
    return _has(node, "yield_statement")


def is_true(test: Expr | None) -> bool:
    return test is None or (isinstance(test, Constant) and test.value is True)


def falls_through(body: list[Statement]) -> bool:
    """Whether the end of these statements can be reached, by C#'s rules."""
    return all(_ends(statement) for statement in body)


def _ends(statement: Statement) -> bool:
    """Whether what follows the statement can be reached."""
    match statement:
        case Return() | Throw() | Goto() | Jump():
            return False
        case If():
            if isinstance(statement.test, Constant):
                return falls_through(statement.yes if statement.test.value else statement.no)
            return falls_through(statement.yes) or falls_through(statement.no)
        case Try():
            if statement.final and not falls_through(statement.final):
                return False
            return falls_through(statement.body) or any(falls_through(clause.body) for clause in statement.catches)
        case Loop():
            return not is_true(statement.test) or breaks(statement.body)
        case Labels():
            return _labels_end(statement)
        case Switch():
            default = any(section.default or any(map(_always, section.tests)) for section in statement.sections)
            return not default or any(breaks(section.body) for section in statement.sections)
    return True


def _always(test: Expr) -> bool:
    """Whether a pattern takes everything: `case var x`."""
    while isinstance(test, Let):
        test = test.value
    return isinstance(test, Constant) and test.value is True


def _labels_end(statement: Labels) -> bool:
    """The last piece decides, if it is reached from above or by a `goto`."""
    reached = True
    for label, body in statement.pieces:
        reached = (reached or (label is not None and label.aimed)) and falls_through(body)
    return reached


def breaks(body: list[Statement]) -> bool:
    """Whether a `break` of the loop or switch around `body` can be reached."""
    for statement in body:
        match statement:
            case Jump(kind="break"):
                return True
            case If() if breaks(statement.yes) or breaks(statement.no):
                return True
            case Try() if breaks(statement.body) or any(breaks(clause.body) for clause in statement.catches):
                return True
            case Labels() if any(breaks(part) for _, part in statement.pieces):
                return True
        if not _ends(statement):
            return False
    return False
