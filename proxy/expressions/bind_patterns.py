"""`is` and the patterns of `is`, `case` and switch expressions.

C# 7 has constants, `T x`, `var x` and `_`; the later `not`, `and`, `or`, `> 5` and `{ Length: 3 }` mean what they mean
there.
"""

from __future__ import annotations

from tree_sitter import Node

from proxy.expressions.bind import BOOL, OBJECT, Binder, binds
from proxy.expressions.bind_members import bind_property, bind_receiver
from proxy.expressions.bind_operators import apply_binary
from proxy.expressions.bind_precedence import flatten, regroup, swallowed_operators
from proxy.expressions.bind_types import bind_type
from proxy.expressions.conversions import NULL, explicit
from proxy.expressions.dotnet.values import instance_of
from proxy.expressions.errors import Finding, Place
from proxy.expressions.overloads import convertible
from proxy.expressions.parse import field_of, named, text_of
from proxy.expressions.tree import Assign, Conditional, Constant, Expr, Let, Local, Operator
from proxy.expressions.types import Type


def type_test(b: Binder, value: Expr, target: Type) -> Expr:
    """Whether the value is not null and of that type."""
    if value.type.underlying.plain is target.plain and value.type.is_value:
        return value_test(value) if value.type.is_nullable else _always(value.place, True)
    return b.call(lambda item: instance_of(item, target), [b.convert(value, OBJECT)], BOOL, value.place)


def value_test(value: Expr) -> Expr:
    return Operator(type=BOOL, place=value.place, nonnull=True, op="is not null", operands=[value])


def _always(place: Place, truth: bool) -> Expr:
    return Constant(type=BOOL, place=place, nonnull=True, value=truth)


@binds("is_expression")
def bind_is(b: Binder, node: Node) -> Expr:
    return type_test(b, b.value(field_of(node, "left")), bind_type(b, field_of(node, "right")))


@binds("is_pattern_expression")
def bind_is_pattern(b: Binder, node: Node) -> Expr:
    swallowed = swallowed_operators(node)
    if swallowed is not None and swallowed.id not in b.substitutes:
        return regroup(b, flatten(b, node))
    value = b.value(field_of(node, "expression"))
    held = b.symbol("", value.type, nonnull=value.nonnull)
    test = bind_pattern(b, field_of(node, "pattern"), b.local(held, b.place(node)))
    return Let(type=BOOL, place=b.place(node), nonnull=True, bindings=[(held, value)], effects=[], value=test)


def bind_pattern(b: Binder, node: Node, value: Expr) -> Expr:
    """The pattern as a test on `value`, which may be evaluated more than once."""
    place = b.place(node)
    kind = node.type
    if kind == "declaration_pattern":
        return _declaration(b, field_of(node, "type"), field_of(node, "name"), value, place)
    if kind == "var_pattern":
        return _store(b, named(node)[-1], value, value.type, place)
    if kind == "discard":
        return _always(place, True)
    if kind == "negated_pattern":
        inner = bind_pattern(b, named(node)[0], value)
        return Operator(type=BOOL, place=place, nonnull=True, op="not", operands=[inner])
    if kind in ("and_pattern", "or_pattern"):
        parts = [bind_pattern(b, child, value) for child in named(node)]
        return Operator(type=BOOL, place=place, nonnull=True, op=kind.removesuffix("_pattern"), operands=parts)
    if kind == "parenthesized_pattern":
        return bind_pattern(b, named(node)[0], value)
    if kind == "relational_pattern":
        return _relational(b, node, value, place)
    if kind == "recursive_pattern":
        return _recursive(b, node, value, place)
    if kind == "constant_pattern":
        inner_node = named(node)[0]
        inner_node = b.substitutes.get(inner_node.id, inner_node)
        found = _type_named(b, inner_node)
        return constant_test(b, value, b.expr(inner_node)) if found is None else _checked_type(b, value, found, place)
    if kind in ("type_pattern", "identifier", "predefined_type", "array_type", "nullable_type", "generic_name"):
        return _checked_type(b, value, bind_type(b, named(node)[0] if kind == "type_pattern" else node), place)
    raise b.error(node, f"A {kind.replace('_', ' ')} is not supported within expressions")


def _declaration(b: Binder, kind_node: Node, name: Node, value: Expr, place: Place) -> Expr:
    if kind_node.type == "implicit_type":
        return _store(b, name, value, value.type, place)
    target = bind_type(b, kind_node)
    if target.is_nullable:
        raise b.error(kind_node, f"It is not legal to use nullable type '{target}' in a pattern")
    test = _checked_type(b, value, target, place)
    if value.type.underlying.plain is target.plain:
        unboxed = _seen_as(value, target)
    else:
        unboxed = b.call(lambda item: item, [b.convert(value, OBJECT)], target, place)
    unboxed.nonnull = True
    bound = _store(b, name, unboxed, target, place)
    if isinstance(test, Constant):
        return bound
    return Conditional(type=BOOL, place=place, nonnull=True, test=test, yes=bound, no=_always(place, False))


def _seen_as(value: Expr, target: Type) -> Expr:
    import copy

    made = copy.copy(value)
    made.type = target
    return made


def _store(b: Binder, name: Node, value: Expr, kind: Type, place: Place) -> Expr:
    """Put the value into a new variable; true."""
    if name.type == "discard" or text_of(name) == "_":
        return _always(place, True)
    symbol = b.declare(name, text_of(name), kind, inline=True)
    b.assigned(symbol)
    store = Assign(type=kind, place=place, symbol=symbol, value=value)
    return Let(type=BOOL, place=place, nonnull=True, bindings=[], effects=[store], value=_always(place, True))


def _checked_type(b: Binder, value: Expr, target: Type, place: Place) -> Expr:
    if value.type is not OBJECT and value.type is not NULL and explicit(value.type, target) is None:
        raise Finding(f"An expression of type '{value.type}' cannot be handled by a pattern of type '{target}'", place)
    return type_test(b, value, target)


def _relational(b: Binder, node: Node, value: Expr, place: Place) -> Expr:
    wanted = b.expr(named(node)[0])
    op = node.children[0].type
    if value.type is OBJECT:
        test = type_test(b, value, wanted.type)
        unboxed = b.call(lambda item: item, [value], wanted.type, place)
        compared = apply_binary(b, op, unboxed, wanted, place)
        return Operator(type=BOOL, place=place, nonnull=True, op="and", operands=[test, compared])
    return apply_binary(b, op, value, wanted, place)


def _recursive(b: Binder, node: Node, value: Expr, place: Place) -> Expr:
    """`T { Name: pattern, ... } x`, each part optional."""
    kind_node, name = node.child_by_field_name("type"), node.child_by_field_name("name")
    kind = bind_type(b, kind_node) if kind_node is not None else value.type.underlying
    test = _checked_type(b, value, kind, place) if kind_node is not None else value_test(value)
    if value.type.is_value and not value.type.is_nullable and kind_node is None:
        test = _always(place, True)
    held = b.symbol("", kind, nonnull=True)
    inner: Local = b.local(held, place)
    seen = b.call(lambda item: item, [value], kind, place)
    parts: list[Expr] = []
    for clause in named(node):
        if clause.type == "property_pattern_clause":
            for part in named(clause):
                label, pattern = named(part)[0], named(part)[-1]
                label = named(label)[0] if label.type == "name_colon" else label
                member = bind_property(b, inner, text_of(label), b.place(label))
                cell = b.symbol("", member.type, nonnull=member.nonnull)
                found = bind_pattern(b, pattern, b.local(cell, place))
                parts.append(Let(type=BOOL, place=place, bindings=[(cell, member)], effects=[], value=found))
        elif clause.type == "positional_pattern_clause":
            raise b.error(clause, "A positional pattern is not supported within expressions")
    if name is not None:
        parts.append(_store(b, name, inner, kind, place))
    truth: Expr = _always(place, True)
    if parts:
        truth = Operator(type=BOOL, place=place, nonnull=True, op="and", operands=parts) if len(parts) > 1 else parts[0]
    bound = Let(type=BOOL, place=place, nonnull=True, bindings=[(held, seen)], effects=[], value=truth)
    return Operator(type=BOOL, place=place, nonnull=True, op="and", operands=[test, bound])


def _type_named(b: Binder, node: Node) -> Type | None:
    """The type that a constant pattern really names: `x is JObject` parses as a constant."""
    if node.type in ("predefined_type", "generic_name", "array_type", "nullable_type"):
        return bind_type(b, node)
    if node.type == "identifier" and (b.lookup(text_of(node)) is not None or text_of(node) == "context"):
        return None
    if node.type == "identifier" and text_of(node) in b.type_names:
        return b.type_names[text_of(node)]
    if node.type == "member_access_expression":
        first = node
        while first.type == "member_access_expression":
            first = field_of(first, "expression")
        if first.type not in ("identifier", "alias_qualified_name") or b.lookup(text_of(first)) is not None:
            return None
        try:
            found = bind_receiver(b, node)
        except Finding:
            return None
        return found if isinstance(found, Type) else None
    if node.type != "identifier":
        return None
    try:
        return bind_type(b, node)
    except Finding:
        return None


def constant_test(b: Binder, value: Expr, wanted: Expr) -> Expr:
    """Value equality with a constant, as `case` and `is` test it."""
    if value.type is OBJECT and wanted.type is not NULL:
        boxed = b.convert(wanted, OBJECT)
        return b.call(lambda a, c: type(a) is type(c) and a == c, [value, boxed], BOOL, wanted.place)
    if wanted.type is NULL and value.type.is_value and not value.type.is_nullable:
        raise Finding(f"Cannot convert null to '{value.type}' because it is a non-nullable value type", wanted.place)
    if wanted.type is not NULL and value.type is not wanted.type and convertible(wanted, value.type) is not None:
        wanted = b.convert(wanted, value.type)
    return apply_binary(b, "==", value, wanted, wanted.place)
