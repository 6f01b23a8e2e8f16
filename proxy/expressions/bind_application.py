"""Applying a chosen member: conversions of its arguments, defaults, params arrays, out results."""

from __future__ import annotations

from typing import Any

from proxy.expressions.bind import OBJECT, Binder
from proxy.expressions.errors import Place
from proxy.expressions.overloads import Argument, Match, Writing, parameter_type
from proxy.expressions.tree import (
    Assign,
    Call,
    Constant,
    Expr,
    Item,
    Let,
    Local,
    Symbol,
)
from proxy.expressions.types import (
    Native,
    Type,
    array_of,
    substitute,
)

# the variable, its type, and how its value reaches a target that is no variable
Out = tuple[Symbol, Type, Writing | None]


def finish_call(b: Binder, match: Match, receiver: Expr | None, place: Place, *, checks: bool = True) -> Expr:
    """The call with its arguments converted, defaults filled in and out results assigned."""
    member = match.member
    values: list[Expr] = [] if receiver is None else [receiver]
    outs: list[Out] = []
    for parameter, filled in zip(member.parameters, match.places, strict=True):
        target = parameter_type(parameter, match.filling)
        if parameter.out or parameter.ref:
            if parameter.ref:
                values.append(b.local(out_symbol(filled[0].value, target), place))
            outs.append((out_symbol(filled[0].value, target), target, filled[0].write))
        elif match.expanded and parameter.params:
            values.append(spread_array(b, filled, target, place))
        elif filled:
            values.append(b.convert(filled[0].value, target))
        else:
            sure = parameter.default is not None
            values.append(Constant(type=target, place=place, nonnull=sure, value=parameter.default))
    returns = substitute(member.returns, match.filling)
    nonnull = not member.nullable and not (
        member.returns.is_parameter and not (returns.is_value and not returns.is_nullable)
    )
    null_check = checks and receiver is not None and not receiver.nonnull and not member.native.null_safe
    types: tuple[Type, ...] = ()
    if member.native.types:
        names = member.generics or (member.owner.parameters if member.owner else ())
        types = tuple(match.filling[name].plain for name in names)
    call = Call(
        type=returns,
        place=place,
        nonnull=nonnull,
        native=member.native,
        arguments=values,
        checks=null_check,
        types=types,
    )
    return call if not outs else _with_results(b, call, outs, returns, nonnull)


def _with_results(b: Binder, call: Call, outs: list[Out], returns: Type, nonnull: bool) -> Expr:
    """A call that gives its result and its out results, in a Python tuple."""
    place = call.place
    held = b.symbol("", OBJECT, nonnull=True)
    results = Local(type=OBJECT, place=place, symbol=held, nonnull=True)
    effects: list[Expr] = []
    before: list[tuple[Symbol, Expr]] = []
    for index, (symbol, target, write) in enumerate(outs):
        b.assigned(symbol)
        effects.append(Assign(type=target, symbol=symbol, value=Item(type=target, source=results, index=index + 1)))
        if write is not None:
            before.append((symbol, write[0]))
            effects.append(write[1](b.local(symbol, place)))
    return Let(
        type=returns,
        place=place,
        nonnull=nonnull,
        bindings=[*before, (held, call)],
        effects=effects,
        value=Item(type=returns, source=results, index=0, nonnull=nonnull),
    )


def out_symbol(target: Expr, kind: Type) -> Symbol:
    assert isinstance(target, Local)
    if target.symbol.type.name == "var":
        target.symbol.type = kind
    return target.symbol


def spread_array(b: Binder, filled: list[Argument], target: Type, place: Place) -> Expr:
    element = target.args[0]
    items = [b.convert(argument.value, element) for argument in filled]
    return make_array(element, items, place)


def make_array(element: Type, items: list[Expr], place: Place) -> Expr:
    from proxy.expressions.dotnet.values import Array

    held = element.plain

    def build(*values: Any) -> Array:
        return Array(held, values)

    return Call(type=array_of(element), place=place, nonnull=True, native=Native(build), arguments=items)
