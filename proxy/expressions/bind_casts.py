"""Casts, `as`, and the casts that the grammar only imagines."""

from __future__ import annotations

from tree_sitter import Node

from proxy.expressions import operators as ops
from proxy.expressions.bind import OBJECT, Binder, binds
from proxy.expressions.bind_operators import apply_binary
from proxy.expressions.bind_types import bind_type
from proxy.expressions.conversions import NULL, explicit
from proxy.expressions.dotnet.numeric import limits
from proxy.expressions.errors import Finding, Place
from proxy.expressions.overloads import convertible
from proxy.expressions.parse import field_of, named, text_of
from proxy.expressions.runtime import DotNetError
from proxy.expressions.tree import Constant, Expr, Unbound
from proxy.expressions.types import BITS, INTEGRAL, NUMERIC, Type


@binds("cast_expression")
def bind_cast(b: Binder, node: Node) -> Expr:
    kind_node, value_node = field_of(node, "type"), field_of(node, "value")
    if holds_misread(node):
        from proxy.expressions.bind_precedence import flatten, regroup

        return regroup(b, flatten(b, node))
    target = bind_type(b, kind_node)
    return cast(b, b.expr(value_node), target, b.place(node))


def cast(b: Binder, value: Expr, target: Type, place: Place) -> Expr:
    if isinstance(value, Unbound):
        return b.convert(value, target, place)
    if convertible(value, target) is not None and not isinstance(value, Constant):
        return b.convert(value, target, place)
    found = explicit(value.type, target)
    if (
        isinstance(value, Constant)
        and value.type.name in INTEGRAL
        and target.name in (*BITS, "char")
        and not b.unchecked
    ):
        low, high = (0, 0xFFFF) if target.name == "char" else limits(target.name)
        if not low <= value.value <= high:
            text = f"Constant value '{value.value}' cannot be converted to a '{target}'"
            raise Finding(f"{text} (use 'unchecked' syntax to override)", place)
    if (
        isinstance(value, Constant)
        and value.type.name in ("double", "float")
        and target.name in BITS
        and not b.unchecked
    ):
        low, high = limits(target.name)
        if not low - 1 < value.value < high + 1:
            text = f"Constant value '{value.value}' cannot be converted to a '{target}'"
            raise Finding(f"{text} (use 'unchecked' syntax to override)", place)
    if found is None:
        raise Finding(f"Cannot convert type '{value.type}' to '{target}'", place)
    if b.checked and value.type.name in NUMERIC and target.name in (*BITS, "char"):
        return b.call(ops.checked_cast(value.type.name, target.name), [value], target, place)
    if isinstance(value, Constant) and value.type.name in NUMERIC and target.name in NUMERIC:
        function = found.native.function if found.native else None
        try:
            result = value.value if function is None else function(value.value)
        except DotNetError:
            raise Finding(f"Constant value '{value.value}' cannot be converted to a '{target}'", place) from None
        return Constant(type=target, place=place, nonnull=True, value=result)
    made = b.apply(value, target, found)
    made.place = place
    return made


def holds_misread(node: Node) -> bool:
    """Whether a cast, or one that a prefix operator or cast is applied to, is really a binary operator."""
    while node.type in ("cast_expression", "prefix_unary_expression"):
        if node.type == "cast_expression":
            if misread_cast(node) is not None:
                return True
            node = field_of(node, "value")
        else:
            node = named(node)[0]
    return False


def misread_cast(node: Node) -> tuple[Node, Node] | None:
    """`"a"+(x)+"b"` parses as a cast of `+"b"`; the node with the operator and the right operand, else None."""
    kind, value = field_of(node, "type"), field_of(node, "value")
    if value.type != "prefix_unary_expression" or value.children[0].type not in ("+", "-", "&", "*"):
        return None
    inner = kind
    while inner.type in ("array_type", "nullable_type"):
        if any(named(rank) for rank in inner.named_children if rank.type == "array_rank_specifier"):
            return value, named(value)[0]
        inner = named(inner)[0]
    if inner.type == "predefined_type":
        return None
    return value, named(value)[0]


@binds("declaration_expression")
def bind_declaration(b: Binder, node: Node) -> Expr:
    """`f(a * b)` parses as the declaration of a pointer b."""
    kind = field_of(node, "type")
    if kind.type != "pointer_type":
        raise b.error(node, "A variable can be declared here only with out")
    left = reread(b, named(kind)[0])
    return apply_binary(b, "*", left, b.value(field_of(node, "name")), b.place(node))


def reread(b: Binder, node: Node) -> Expr:
    """Type syntax read again as the expression it really is."""
    from proxy.expressions.bind_members import bind_identifier, bind_index, bind_property, bind_receiver

    if node.type == "identifier":
        return bind_identifier(b, node)
    if node.type == "qualified_name":
        before, name = named(node)
        left = bind_receiver(b, before) if before.type == "identifier" else reread(b, before)
        if isinstance(left, str):
            raise b.error(node, f"The name '{text_of(node)}' does not exist in the current context")
        return bind_property(b, left, text_of(name), b.place(name))
    if node.type == "array_type":
        element, rank = named(node)
        return bind_index(b, reread(b, element), [b.value(child) for child in named(rank)], b.place(node))
    raise b.error(node, "Syntax error")


@binds("as_expression")
def bind_as(b: Binder, node: Node) -> Expr:
    from proxy.expressions.conversions import as_caster

    value = b.value(field_of(node, "left"))
    target = bind_type(b, field_of(node, "right"))
    if target.is_value and not target.is_nullable:
        raise b.error(
            node, f"The as operator must be used with a reference type or nullable type ('{target}' is neither)"
        )
    if value.type is not NULL and explicit(value.type, target) is None and not value.type.is_interface:
        raise b.error(node, f"Cannot convert type '{value.type}' to '{target}' by the as operator")
    return b.call(as_caster(target), [b.convert(value, OBJECT)], target, b.place(node))
