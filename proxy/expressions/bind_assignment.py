"""Assignment to locals, properties and elements; compound assignment; ++ and --."""

from __future__ import annotations

from collections.abc import Callable

from tree_sitter import Node

from proxy.expressions.bind import VOID, Binder, binds
from proxy.expressions.bind_casts import cast
from proxy.expressions.bind_choices import coalesce
from proxy.expressions.bind_members import (
    bind_index,
    bind_property,
    bind_receiver,
    find_indexer,
    set_member,
    tuple_index,
)
from proxy.expressions.bind_operators import apply_binary
from proxy.expressions.bind_tuples import deconstruct, element_at
from proxy.expressions.dotnet.value_tuples import with_item
from proxy.expressions.errors import Finding, Place, unsupported_member
from proxy.expressions.overloads import convertible
from proxy.expressions.parse import field_of, named, text_of
from proxy.expressions.tree import Assign, Call, Constant, Expr, Let, Local, Symbol, Unbound
from proxy.expressions.types import NUMERIC, Type, substitute, type_of_name

Target = tuple[Type, list[tuple[Symbol, Expr]], Callable[[], Expr], Callable[[Expr], Expr]]


def _tuple_field(b: Binder, node: Node) -> Target | None:
    """`t.a` of a variable or element `t` that holds a tuple: the write puts a changed copy into `t`."""
    receiver = field_of(node, "expression")
    name = text_of(field_of(node, "name"))
    place = b.place(node)
    while receiver.type == "parenthesized_expression":
        receiver = named(receiver)[0]
    symbol = b.lookup(text_of(receiver)) if receiver.type == "identifier" else None
    if symbol is None and receiver.type not in ("member_access_expression", "element_access_expression"):
        return None
    if symbol is not None:
        if not symbol.type.is_tuple:
            return None
        local_target(b, receiver)

        def put(value: Expr) -> Expr:
            b.assigned(symbol)
            return Assign(type=symbol.type, place=place, symbol=symbol, value=value)

        outer: Target = (symbol.type, [], lambda: b.local(symbol, place), put)
    else:
        probe = bind_receiver(b, receiver)
        if not isinstance(probe, Expr) or not probe.type.is_tuple:
            return None
        outer = target_of(b, receiver)
    kind, bindings, read, write = outer
    index = tuple_index(kind, name)
    if index < 0:
        raise unsupported_member(name, kind.full_name, place)

    def replace(value: Expr) -> Expr:
        return write(b.call(lambda whole, item: with_item(whole, index, item), [read(), value], kind, place))

    return kind.args[index], bindings, lambda: element_at(read(), index, place), replace


def target_of(b: Binder, node: Node) -> Target:
    """Of a property or element: its type, temporaries for receiver and index, how to read it, how to write it."""
    place = b.place(node)
    if node.type == "member_access_expression":
        field = _tuple_field(b, node)
        if field is not None:
            return field
        receiver = bind_receiver(b, field_of(node, "expression"))
        name = text_of(field_of(node, "name"))
        if not isinstance(receiver, Expr):
            raise _read_only(name, place)
        held = b.symbol("", receiver.type, nonnull=receiver.nonnull)
        found = set_member(b, receiver.type, name)
        if found is None:
            bind_property(b, receiver, name, place)
            raise _read_only(f"{receiver.type}.{name}", place)
        setter, kind = found[0].setter, found[1]
        assert setter is not None

        def write(value: Expr) -> Expr:
            return Call(
                type=VOID, place=place, native=setter, arguments=[b.local(held, place), value], checks=not held.nonnull
            )

        return kind, [(held, receiver)], lambda: bind_property(b, b.local(held, place), name, place), write
    if node.type == "element_access_expression":
        receiver = bind_receiver(b, field_of(node, "expression"))
        if not isinstance(receiver, Expr):
            raise _read_only(str(receiver), place)
        indexes = [b.value(named(argument)[-1]) for argument in named(field_of(node, "subscript"))]
        return element_target(b, receiver, indexes, place)
    raise Finding("The left-hand side of an assignment must be a variable, property or indexer", place)


def element_target(b: Binder, receiver: Expr, indexes: list[Expr], place: Place) -> Target:
    match = find_indexer(receiver.type, indexes)
    if match is None or match.member.setter is None:
        bind_index(b, receiver, indexes, place)
        raise _read_only(f"{receiver.type}.this[]", place)
    setter = match.member.setter
    held = b.symbol("", receiver.type, nonnull=receiver.nonnull)
    bindings: list[tuple[Symbol, Expr]] = [(held, receiver)]
    keys: list[Symbol] = []
    for parameter, index in zip(match.member.parameters, indexes, strict=True):
        value = b.convert(index, substitute(parameter.type, match.filling))
        key = b.symbol("", value.type, nonnull=value.nonnull)
        keys.append(key)
        bindings.append((key, value))

    def read() -> Expr:
        return bind_index(b, b.local(held, place), [b.local(key, place) for key in keys], place)

    def write(value: Expr) -> Expr:
        arguments: list[Expr] = [b.local(held, place), *(b.local(key, place) for key in keys), value]
        return Call(type=VOID, place=place, native=setter, arguments=arguments, checks=not held.nonnull)

    return substitute(match.member.returns, match.filling), bindings, read, write


def _read_only(name: str, place: Place) -> Finding:
    return Finding(f"Property or indexer '{name}' cannot be assigned to -- it is read only", place)


def local_target(b: Binder, node: Node) -> Symbol | None:
    """The variable that the node names, None when it names none."""
    if node.type == "parenthesized_expression":
        return local_target(b, named(node)[0])
    symbol = b.lookup(text_of(node)) if node.type == "identifier" else None
    if symbol is not None and symbol.local_function is not None:
        raise b.error(node, f"Cannot assign to '{text_of(node)}' because it is a method group")
    if symbol is not None and symbol.constant:
        raise b.error(node, f"'{symbol.name}' is a constant or a loop variable and cannot be assigned to")
    return symbol


@binds("assignment_expression")
def bind_assignment(b: Binder, node: Node) -> Expr:
    left, right = field_of(node, "left"), field_of(node, "right")
    op = text_of(field_of(node, "operator"))
    place = b.place(node)
    if left.type == "tuple_expression":
        return deconstruct(b, left, b.expr(right), declare=False)
    if left.type == "identifier" and b.lookup(text_of(left)) is None:
        if text_of(left) == "_" and op == "=":
            return b.value(right)
        b.expr(left)
    symbol = local_target(b, left)
    if symbol is not None:
        if op == "=":
            value = b.convert(b.expr(right), symbol.type)
        else:
            value = _combined(b, op[:-1], b.local(symbol, b.place(left)), b.expr(right), symbol.type, place)
        b.assigned(symbol)
        return Assign(type=symbol.type, place=place, nonnull=value.nonnull, symbol=symbol, value=value)
    kind, bindings, read, write = target_of(b, left)
    operand = b.expr(right)
    value = b.convert(operand, kind) if op == "=" else _combined(b, op[:-1], read(), operand, kind, place)
    held = b.symbol("", kind, nonnull=value.nonnull)
    result = b.local(held, place)
    return Let(
        type=kind,
        place=place,
        nonnull=value.nonnull,
        bindings=[*bindings, (held, value)],
        effects=[write(result)],
        value=result,
    )


def _combined(b: Binder, op: str, left: Expr, right: Expr, kind: Type, place: Place) -> Expr:
    if op == "??":
        return b.convert(coalesce(b, left, right, place), kind)
    if kind.is_delegate and isinstance(right, Unbound):
        right = b.convert(right, kind)
    value = apply_binary(b, op, left, right, place)
    if convertible(value, kind) is None and value.type.underlying.name in NUMERIC:
        # b += 1 of a byte b: the result is cast, if the operand alone would fit
        if op in ("<<", ">>"):
            with b.arithmetic(checked=False):
                return cast(b, value, kind, place)
        b.convert(right, kind)
        return cast(b, value, kind, place)
    return b.convert(value, kind)


def _stepped(b: Binder, op: str, value: Expr, place: Place) -> Expr:
    """The value plus or minus one, of the same type."""
    inner = value.type.underlying
    if inner.name not in NUMERIC and not inner.is_enum:
        raise Finding(f"Operator '{op}' cannot be applied to operand of type '{value.type}'", place)
    one = Constant(type=type_of_name("int"), place=place, nonnull=True, value=1)
    made = apply_binary(b, op[0], value, one, place)
    return cast(b, made, value.type, place) if convertible(made, value.type) is None else b.convert(made, value.type)


@binds("postfix_unary_expression")
def bind_postfix(b: Binder, node: Node) -> Expr:
    op = node.children[-1].type
    if op == "!":
        return b.expr(named(node)[0])
    return step(b, node, named(node)[0], op, prefix=False)


def step(b: Binder, node: Node, operand: Node, op: str, *, prefix: bool) -> Expr:
    """`i++` and its like."""
    place = b.place(node)
    symbol = local_target(b, operand)
    if symbol is not None:
        value = _stepped(b, op, b.local(symbol, place), place)
        b.assigned(symbol)
        change = Assign(type=symbol.type, place=place, nonnull=True, symbol=symbol, value=value)
        if prefix:
            return change
        before = b.symbol("", symbol.type, nonnull=True)
        old: Local = b.local(before, place)
        return Let(
            type=symbol.type,
            place=place,
            nonnull=True,
            bindings=[(before, b.local(symbol, place))],
            effects=[change],
            value=old,
        )
    kind, bindings, read, write = target_of(b, operand)
    before, after = b.symbol("", kind, nonnull=True), b.symbol("", kind, nonnull=True)
    value = _stepped(b, op, b.local(before, place), place)
    result = b.local(after if prefix else before, place)
    everything = [*bindings, (before, read()), (after, value)]
    return Let(type=kind, place=place, bindings=everything, effects=[write(b.local(after, place))], value=result)
