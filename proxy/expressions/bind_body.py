"""The whole of a `@{ ... }`: its result type, and that its end is never reached."""

from __future__ import annotations

from tree_sitter import Node

from proxy.expressions.bind import OBJECT, Binder
from proxy.expressions.bind import STATEMENTS as STATEMENTS
from proxy.expressions.bind_statements import bind_block
from proxy.expressions.conversions import NULL
from proxy.expressions.errors import Finding
from proxy.expressions.tree import (
    Constant,
    If,
    Jump,
    Loop,
    Return,
    Statement,
    Switch,
    Throw,
    Try,
    Unbound,
)
from proxy.expressions.types import Type


def bind_body(b: Binder, node: Node) -> Type:
    """The block of `@{...}`; the static type of its result."""
    from proxy.expressions.bind_lambdas import common_type

    b.function.body = bind_block(b, node)
    if _falls_through(b.function.body):
        raise b.error(node, "Not all code paths return a value")
    kinds = [
        found.value.type for found in b.returns if found.value is not None and not isinstance(found.value, Unbound)
    ]
    result = common_type([kind for kind in kinds if kind is not NULL]) or OBJECT
    for found in b.returns:
        if found.value is None:
            raise Finding("An object of a type convertible to 'object' is required", found.place)
        found.value = b.convert(found.value, OBJECT, found.place)
    return result


def _falls_through(body: list[Statement]) -> bool:
    """Whether the end of these statements can be reached, by C#'s flow rules (simplified for `switch` and loops)."""
    for statement in body:
        if isinstance(statement, (Return, Throw)):
            return False
        if (
            isinstance(statement, If)
            and statement.no
            and not _falls_through(statement.yes)
            and not _falls_through(statement.no)
        ):
            return False
        if isinstance(statement, Try):
            if statement.final and not _falls_through(statement.final):
                return False
            if not _falls_through(statement.body) and not any(_falls_through(c.body) for c in statement.catches):
                return False
        if isinstance(statement, Loop):
            endless = statement.test is None or (isinstance(statement.test, Constant) and statement.test.value is True)
            if endless and not _breaks(statement.body):
                return False
        if isinstance(statement, Switch):
            default = any(tests is None for tests, _ in statement.sections)
            if default and not any(_falls_through(part) or _breaks(part) for _, part in statement.sections if part):
                return False
    return True


def _breaks(body: list[Statement]) -> bool:
    for statement in body:
        if isinstance(statement, Jump) and statement.kind == "break":
            return True
        if isinstance(statement, If) and (_breaks(statement.yes) or _breaks(statement.no)):
            return True
        if isinstance(statement, Try) and (_breaks(statement.body) or any(_breaks(c.body) for c in statement.catches)):
            return True
    return False
