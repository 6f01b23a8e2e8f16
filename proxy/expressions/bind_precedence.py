"""Repairs two misreadings of the grammar. In `a + x?.b` it takes `a + x` for the receiver of `?.b`.

The same happens to casts and prefix operators: `(T)x?.b`, `!x?.b`. In C# `?.` binds tighter than all of them, so the
operator is taken off, the chain bound with its real receiver, and the operator applied to the result. As the misreading
also bends the tree above (`a && x?.b == 1`), binary operators are laid out flat and grouped again by precedence.
So are those around `(x) + 1`, which the grammar takes for a cast of `+1` to the type x.
"""

from __future__ import annotations

from typing import NamedTuple

from tree_sitter import Node

from proxy.expressions.bind import CHAIN, Binder
from proxy.expressions.bind_casts import cast, holds_misread, misread_cast, reread
from proxy.expressions.bind_choices import coalesce
from proxy.expressions.bind_operators import apply_binary, unary
from proxy.expressions.bind_types import bind_type
from proxy.expressions.parse import field_of, named, text_of
from proxy.expressions.tree import Expr

_LINK = {
    "member_access_expression": "expression",
    "invocation_expression": "function",
    "element_access_expression": "expression",
}
_OPERATORS = {"binary_expression": "right", "cast_expression": "value", "prefix_unary_expression": ""}


def displaced(b: Binder, node: Node) -> Node | None:
    """The operator expression that stands where the receiver of this chain's first `?.` should be."""
    cursor = node
    while True:
        if cursor.type == "conditional_access_expression":
            condition = b.receiver_of(cursor)
            if condition.type in _OPERATORS:
                return condition
            cursor = condition
        elif cursor.type in _LINK:
            cursor = field_of(cursor, _LINK[cursor.type])
        else:
            return None


class Operand(NamedTuple):
    """A leaf of a binary expression; `moved` pairs misplaced operators with the operand to read in their place."""

    node: Node
    moved: tuple[tuple[Node, Node], ...] = ()
    # the node is type syntax, to be read as an expression
    misread: bool = False
    # casts and prefix operators to apply, outermost first
    wraps: tuple[Node, ...] = ()


def flatten(b: Binder, node: Node, moved: tuple[tuple[Node, Node], ...] = ()) -> list[Operand | Node]:
    """Operands and, between them, the binary nodes whose operators join them."""
    if node.type == "binary_expression":
        return [*flatten(b, field_of(node, "left"), ()), node, *flatten(b, field_of(node, "right"), ())]
    if node.type in ("cast_expression", "prefix_unary_expression") and holds_misread(node):
        return _spread(b, node)
    swallowed = swallowed_operators(node)
    if swallowed is not None:
        first, *rest = flatten(b, swallowed)
        assert isinstance(first, Operand)
        return [Operand(node, ((swallowed, first.node),)), *rest]
    for operator, operand in moved:
        b.substitutes[operator.id] = operand
    try:
        found = displaced(b, node) if node.type in CHAIN else None
    finally:
        for operator, _ in moved:
            del b.substitutes[operator.id]
    if found is None or found.type != "binary_expression":
        return [Operand(node, moved)]
    rest = flatten(b, node, (*moved, (found, field_of(found, "right"))))
    return [*flatten(b, field_of(found, "left"), ()), found, *rest]


def swallowed_operators(node: Node) -> Node | None:
    """In `x is null && y` the grammar takes `null && y` for the pattern; that binary expression, else None."""
    if node.type != "is_pattern_expression":
        return None
    pattern = field_of(node, "pattern")
    while pattern.type == "negated_pattern":
        pattern = named(pattern)[0]
    inner = named(pattern)[0] if pattern.type == "constant_pattern" else None
    if inner is None or inner.type != "binary_expression":
        return None
    first = inner
    while True:
        left = field_of(first, "left")
        if left.type != "binary_expression":
            return inner if _LEVEL[_operator(first)] <= _LEVEL["=="] else None
        first = left


def _spread(b: Binder, node: Node) -> list[Operand | Node]:
    """A misread cast as operand, operator, operand; what is applied to it belongs to the first operand alone."""
    misread = misread_cast(node) if node.type == "cast_expression" else None
    if misread is not None:
        operand = named(misread[1])[0] if doubled(misread[0]) else misread[1]
        return [Operand(field_of(node, "type"), misread=True), misread[0], *flatten(b, operand)]
    inner = field_of(node, "value") if node.type == "cast_expression" else named(node)[0]
    first, *rest = _spread(b, inner)
    assert isinstance(first, Operand)
    return [first._replace(wraps=(node, *first.wraps)), *rest]


_LEVELS = (
    ("||",),
    ("&&",),
    ("|",),
    ("^",),
    ("&",),
    ("==", "!="),
    ("<", ">", "<=", ">="),
    ("<<", ">>"),
    ("+", "-"),
    ("*", "/", "%"),
)
_LEVEL = {op: level for level, ops in enumerate(_LEVELS, 1) for op in ops} | {"??": 0}


def doubled(node: Node) -> bool:
    """`(a) && b` parses as a cast of `& &b`."""
    inner = named(node)[0]
    return (
        node.children[0].type == "&"
        and inner.type == "prefix_unary_expression"
        and inner.children[0].type == "&"
        and node.children[0].end_byte == inner.start_byte
    )


def _operator(node: Node) -> str:
    if node.type != "prefix_unary_expression":
        return text_of(field_of(node, "operator"))
    return "&&" if doubled(node) else node.children[0].type


def regroup(b: Binder, items: list[Operand | Node]) -> Expr:
    """Bind a flat sequence by C#'s precedence; `??` groups to the right, the others to the left."""
    values: list[Expr] = []
    waiting: list[Node] = []

    def apply() -> None:
        node = waiting.pop()
        right, left = values.pop(), values.pop()
        op = _operator(node)
        place = b.place(node)
        values.append(coalesce(b, left, right, place) if op == "??" else apply_binary(b, op, left, right, place))

    for item in items:
        if isinstance(item, Operand):
            values.append(_operand(b, item))
            continue
        level = _LEVEL[_operator(item)]
        while waiting and (top := _LEVEL[_operator(waiting[-1])]) >= level and not top == level == 0:
            apply()
        waiting.append(item)
    while waiting:
        apply()
    return values[0]


def _operand(b: Binder, item: Operand) -> Expr:
    for operator, operand in item.moved:
        b.substitutes[operator.id] = operand
    try:
        value = reread(b, item.node) if item.misread else b.expr(item.node)
        for wrap in reversed(item.wraps):
            if wrap.type == "cast_expression":
                value = cast(b, value, bind_type(b, field_of(wrap, "type")), b.place(wrap))
            else:
                value = unary(b, wrap.children[0].type, value, b.place(wrap))
        return value
    finally:
        for operator, _ in item.moved:
            del b.substitutes[operator.id]


def rebind(b: Binder, node: Node, operator: Node) -> Expr:
    """The chain `node` with `operator` moved outside it."""
    if operator.type == "binary_expression":
        return regroup(b, flatten(b, node))
    place = b.place(node)
    part = _OPERATORS[operator.type]
    b.substitutes[operator.id] = field_of(operator, part) if part else named(operator)[0]
    try:
        value = b.expr(node)
    finally:
        del b.substitutes[operator.id]
    if part:
        return cast(b, value, bind_type(b, field_of(operator, "type")), place)
    return unary(b, operator.children[0].type, value, place)
