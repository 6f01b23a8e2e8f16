"""Repairs one misreading of the grammar: in `a + x?.b` it takes `a + x` for the receiver of `?.b`.

The same happens to casts and prefix operators: `(T)x?.b`, `!x?.b`. In C# `?.` binds tighter than all of them, so the
operator is taken off, the chain bound with its real receiver, and the operator applied to the result.
"""

from __future__ import annotations

from tree_sitter import Node

from proxy.expressions.bind import Binder
from proxy.expressions.bind_operators import apply_binary, cast, coalesce, unary
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


def rebind(b: Binder, node: Node, operator: Node) -> Expr:
    """The chain `node` with `operator` moved outside it."""
    part = _OPERATORS[operator.type]
    operand = field_of(operator, part) if part else named(operator)[0]
    place = b.place(node)
    left = b.expr(field_of(operator, "left")) if part == "right" else None
    b.substitutes[operator.id] = operand
    try:
        value = b.expr(node)
    finally:
        del b.substitutes[operator.id]
    if left is not None:
        op = text_of(field_of(operator, "operator"))
        return coalesce(b, left, value, place) if op == "??" else apply_binary(b, op, left, value, place)
    if part == "value":
        return cast(b, value, bind_type(b, field_of(operator, "type")), place)
    return unary(b, operator.children[0].type, value, place)
