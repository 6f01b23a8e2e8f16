"""Tuples: `(a, b)`, their elements by name, `==`, deconstruction, and deconstructing assignment."""

from __future__ import annotations

from tree_sitter import Node

from proxy.expressions.bind import BOOL, Binder, binds
from proxy.expressions.bind_operators import apply_binary
from proxy.expressions.bind_types import bind_type, tuple_type
from proxy.expressions.conversions import NULL
from proxy.expressions.errors import Finding, Place
from proxy.expressions.overloads import UNTYPED_TUPLE
from proxy.expressions.parse import field_of, named, text_of
from proxy.expressions.tree import Assign, Constant, Expr, Item, Let, Operator, Symbol, TupleLiteral, Unbound
from proxy.expressions.types import Type, tuple_of


@binds("tuple_expression")
def bind_tuple(b: Binder, node: Node) -> Expr:
    elements: list[Expr] = []
    labels: list[str] = []
    for argument in named(node):
        label = argument.child_by_field_name("name")
        inner = [child for child in named(argument) if label is None or child.id != label.id]
        # in `(a, b)` the grammar calls a lone identifier the name
        value = inner[-1] if inner else label
        assert value is not None
        if not inner:
            label = None
        labels.append(text_of(label) if label is not None else _inferred_name(value))
        elements.append(b.expr(value))
    # an inferred name that occurs twice, or means another element, names nothing
    labels = [
        "" if labels.count(label) > 1 or tuple_index_of_item(label, len(labels)) not in (-1, index) else label
        for index, label in enumerate(labels)
    ]
    if any(isinstance(element, Unbound) or element.type is NULL for element in elements):
        return TupleLiteral(type=UNTYPED_TUPLE, place=b.place(node), nonnull=True, elements=elements)
    kind = tuple_type(b, node, tuple(element.type for element in elements), tuple(labels))
    return TupleLiteral(type=kind, place=b.place(node), nonnull=True, elements=elements)


def _inferred_name(node: Node) -> str:
    if node.type == "member_access_expression":
        node = field_of(node, "name")
    return text_of(node) if node.type == "identifier" else ""


def tuple_index_of_item(name: str, count: int) -> int:
    """0 for "Item1"; -1 for what is not such a name."""
    digits = name.removeprefix("Item")
    if name.startswith("Item") and digits.isdigit() and 1 <= int(digits) <= count:
        return int(digits) - 1
    return -1


def tuple_equality(b: Binder, op: str, left: Expr, right: Expr, place: Place) -> Expr:
    """Element by element; both sides are evaluated first."""
    kinds = [_arity(side) for side in (left, right)]
    if kinds[0] != kinds[1]:
        raise Finding("Tuple types used as operands of an == or != operator must have matching cardinalities", place)
    bindings: list[tuple[Symbol, Expr]] = []
    sides = [_elements(b, side, bindings, place) for side in (left, right)]
    parts = [apply_binary(b, op, one, other, place) for one, other in zip(*sides, strict=True)]
    joined = Operator(type=BOOL, place=place, nonnull=True, op="and" if op == "==" else "or", operands=parts)
    return Let(type=BOOL, place=place, nonnull=True, bindings=bindings, effects=[], value=joined)


def _arity(value: Expr) -> int:
    return len(value.elements) if isinstance(value, TupleLiteral) else len(value.type.args)


def _elements(b: Binder, value: Expr, bindings: list[tuple[Symbol, Expr]], place: Place) -> list[Expr]:
    """The elements as expressions without effects; what must run first goes to `bindings`."""
    if isinstance(value, TupleLiteral):
        made: list[Expr] = []
        for element in value.elements:
            if isinstance(element, (Constant, TupleLiteral, Unbound)):
                made.append(element)
                continue
            held = b.symbol("", element.type, nonnull=element.nonnull)
            bindings.append((held, element))
            made.append(b.local(held, place))
        return made
    held = b.symbol("", value.type, nonnull=True)
    bindings.append((held, value))
    local = b.local(held, place)
    return [element_at(local, index, place) for index in range(len(value.type.args))]


def element_at(value: Expr, index: int, place: Place) -> Expr:
    kind = value.type.args[index]
    sure = kind.is_value and not kind.is_nullable
    return Item(type=kind, place=place, nonnull=sure, source=value, index=index)


def deconstruct(b: Binder, target: Node, value: Expr, *, declare: bool) -> Expr:
    """`(a, b) = value`. `declare` when the names in the pattern are all new (`var (a, b)`)."""
    place = b.place(target)
    bindings: list[tuple[Symbol, Expr]] = []
    effects: list[Expr] = []
    made = _deconstruct(b, target, value, bindings, effects, declare=declare)
    return Let(type=made.type, place=place, nonnull=True, bindings=bindings, effects=effects, value=made)


def _deconstruct(
    b: Binder,
    target: Node,
    value: Expr,
    bindings: list[tuple[Symbol, Expr]],
    effects: list[Expr],
    *,
    declare: bool,
) -> Expr:
    place = b.place(target)
    parts = named(target)
    sources = _sources(b, value, bindings, place)
    if len(sources) != len(parts):
        raise Finding(f"Cannot deconstruct a tuple of '{len(sources)}' elements into '{len(parts)}' variables", place)
    results: list[Expr] = []
    for part, source in zip(parts, sources, strict=True):
        inner = named(part)[-1] if part.type == "argument" else part
        if inner.type in ("tuple_pattern", "tuple_expression"):
            results.append(_deconstruct(b, inner, source, bindings, effects, declare=declare))
        else:
            results.append(_store(b, inner, source, bindings, effects, declare=declare))
    kind = tuple_of(tuple(result.type for result in results))
    return TupleLiteral(type=kind, place=place, nonnull=True, elements=results)


def _sources(b: Binder, value: Expr, bindings: list[tuple[Symbol, Expr]], place: Place) -> list[Expr]:
    if isinstance(value, TupleLiteral):
        return _elements(b, value, bindings, place)
    if value.type.is_tuple:
        return _elements(b, value, bindings, place)
    if value.type.name == "KeyValuePair":
        held = b.symbol("", value.type, nonnull=True)
        bindings.append((held, value))
        return [element_at(b.local(held, place), index, place) for index in range(2)]
    raise Finding(f"No suitable 'Deconstruct' method was found for type '{value.type}'", place)


def _store(
    b: Binder,
    node: Node,
    source: Expr,
    bindings: list[tuple[Symbol, Expr]],
    effects: list[Expr],
    *,
    declare: bool,
) -> Expr:
    from proxy.expressions.bind_assignment import local_target, target_of

    place = b.place(node)
    if node.type == "discard" or (text_of(node) == "_" and b.lookup("_") is None):
        return source
    kind: Type | None = None
    name = node
    if node.type == "declaration_expression":
        kind_node, name = field_of(node, "type"), field_of(node, "name")
        kind = None if kind_node.type == "implicit_type" else bind_type(b, kind_node)
        declare = True
        if name.type == "discard" or text_of(name) == "_":
            return source
    if declare:
        if kind is None and (isinstance(source, Unbound) or source.type is NULL):
            raise Finding(f"Cannot infer the type of implicitly-typed deconstruction variable '{text_of(name)}'", place)
        value = source if kind is None else b.convert(source, kind)
        symbol = b.declare(name, text_of(name), value.type, inline=True)
        b.assigned(symbol)
        effects.append(Assign(type=symbol.type, place=place, symbol=symbol, value=value))
        return b.local(symbol, place)
    local = local_target(b, node)
    if local is not None:
        b.assigned(local)
        effects.append(Assign(type=local.type, place=place, symbol=local, value=b.convert(source, local.type)))
        return b.local(local, place)
    wanted, held, read, write = target_of(b, node)
    bindings[:0] = held
    effects.append(write(b.convert(source, wanted)))
    return read()
