"""The whole of a `@{ ... }`: its result type, and that its end is never reached."""

from __future__ import annotations

from tree_sitter import Node

from proxy.expressions.bind import OBJECT, Binder
from proxy.expressions.bind import STATEMENTS as STATEMENTS
from proxy.expressions.bind_assigned import check_assigned
from proxy.expressions.bind_flow import falls_through, has_goto, has_yield
from proxy.expressions.bind_statements import bind_block
from proxy.expressions.conversions import NULL
from proxy.expressions.errors import Finding
from proxy.expressions.tree import Unbound
from proxy.expressions.types import Type


def bind_body(b: Binder, node: Node) -> Type:
    """The block of `@{...}`; the static type of its result."""
    from proxy.expressions.bind_lambdas import common_type

    if has_yield(node):
        raise b.error(node, "The body of an expression cannot be an iterator: yield belongs into a local function")
    b.loops = 1 if has_goto(node) else 0
    b.function.body = bind_block(b, node)
    check_assigned(b.function, b.unassigned)
    if falls_through(b.function.body):
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
