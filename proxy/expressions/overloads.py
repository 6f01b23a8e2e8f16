"""Overload resolution and type inference, as far as policies need them.

A candidate is applicable when every argument converts implicitly; among those the smallest sum of ranks wins, a
candidate without optional or expanded `params` arguments before one with them. Generic methods infer their type
arguments from the plain arguments first and from the results of lambdas second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from proxy.expressions.conversions import NULL, Conversion, implicit
from proxy.expressions.dotnet.enums import enum_value
from proxy.expressions.errors import Finding
from proxy.expressions.tree import Constant, Expr, TupleLiteral, Unbound
from proxy.expressions.types import (
    BITS,
    NUMERIC,
    Member,
    Native,
    Parameter,
    Type,
    generic,
    has_parameters,
    substitute,
    type_of_name,
)

Writing = tuple[Expr, Callable[[Expr], Expr]]
# how well a constant converts to a narrower type that holds it: better than to any wider one
FITTING = 0.5
# the type of a body that only throws
NEVER = type_of_name("<throw>")
UNTYPED_TUPLE = type_of_name("<tuple>")


@dataclass(eq=False, slots=True)
class Argument:
    """One argument of a call. For `out` the value is the target: a Local, or a declaration waiting for its type.

    A `ref` or `out` target that is no variable is stood for by one; `write` has its first value, and what writes back.
    """

    value: Expr
    name: str = ""
    out: bool = False
    ref: bool = False
    write: Writing | None = None


class Candidate(NamedTuple):
    member: Member
    filling: dict[str, Type]


class Match(NamedTuple):
    """A chosen candidate: `places` has, per parameter, the arguments that fill it; `expanded` if params was spread."""

    member: Member
    filling: dict[str, Type]
    places: list[list[Argument]]
    expanded: bool
    cost: tuple[float, int, int]


def parameter_type(parameter: Parameter, filling: dict[str, Type]) -> Type:
    return substitute(parameter.type, filling)


def convertible(value: Expr, target: Type) -> Conversion | None:
    """The implicit conversion of this expression, constants and lambdas included."""
    if isinstance(value, Unbound):
        return _unbound(value, target)
    if isinstance(value, TupleLiteral):
        return _tuple_literal(value, target)
    found = implicit(value.type, target)
    if isinstance(value, Constant):
        narrowed = _constant(value, target)
        if narrowed is not None and (found is None or narrowed.rank < found.rank):
            return narrowed
    return found


def _tuple_literal(value: TupleLiteral, target: Type) -> Conversion | None:
    """`(1, null)` converts element by element, each as the expression that it is."""
    goal = target.underlying
    if not goal.is_tuple or len(goal.args) != len(value.elements):
        return implicit(value.type, target) if value.type is not UNTYPED_TUPLE else None
    parts = [convertible(element, part) for element, part in zip(value.elements, goal.args, strict=True)]
    ranks = [part.rank for part in parts if part is not None]
    return Conversion(max(ranks, default=0)) if len(ranks) == len(parts) else None


def _constant(value: Expr, target: Type) -> Conversion | None:
    """An int constant fits any integral type that holds it, 0 any enumeration; a long not below 0 fits ulong."""
    goal = target.underlying.name
    if isinstance(value, Constant) and target.underlying.is_enum and value.type.name in NUMERIC and value.value == 0:
        return Conversion(FITTING, Native(lambda _: enum_value(target.underlying, 0)))
    if isinstance(value, Constant) and value.type.name == "long" and goal == "ulong":
        return Conversion(FITTING) if value.value >= 0 else None
    if isinstance(value, Constant) and value.type.name == "int" and goal in BITS and goal != "int":
        bits = BITS[goal]
        low, high = (0, (1 << bits) - 1) if goal[0] in "ub" else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
        if low <= value.value <= high:
            return Conversion(FITTING)
    return None


def delegate_signature(target: Type) -> tuple[list[Type], Type | None] | None:
    """Parameter types and result type (None: no result) of a delegate type."""
    if not target.is_delegate:
        return None
    if target.name == "Func":
        return list(target.args[:-1]), target.args[-1]
    if target.name == "Action":
        return list(target.args), None
    if target.name == "Predicate":
        return [target.args[0]], type_of_name("bool")
    if target.name == "Comparison":
        return [target.args[0], target.args[0]], type_of_name("int")
    if target.name == "Converter":
        return [target.args[0]], target.args[1]
    return [generic("Match")], type_of_name("string")  # MatchEvaluator


def _unbound(value: Unbound, target: Type) -> Conversion | None:
    if value.kind == "default":
        return Conversion(1)
    signature = delegate_signature(target)
    if signature is None:
        return None
    inputs, output = signature
    if value.arity not in (-1, len(inputs)):
        return None
    if value.explicit and list(value.explicit) != inputs and not any(map(has_parameters, inputs)):
        return None
    if value.body_type is None or any(map(has_parameters, inputs)):
        return Conversion(1)
    body = value.body_type(inputs)
    if output is None or has_parameters(output):
        return Conversion(1)
    if body is None:
        return None
    if body is NEVER:
        return Conversion(1)
    if body.name == "<lambda>":
        return Conversion(1) if output.is_delegate else None
    found = implicit(body, output)
    return Conversion(1 + found.rank) if found is not None else None


def _spread(member: Member, arguments: Sequence[Argument], expanded: bool) -> list[list[Argument]] | None:
    """Arguments per parameter, or None when the counts or names do not fit."""
    places: list[list[Argument]] = [[] for _ in member.parameters]
    last = len(places) - 1
    for index, argument in enumerate(arguments):
        if argument.name:
            found = [i for i, parameter in enumerate(member.parameters) if parameter.name == argument.name]
            if not found or places[found[0]]:
                return None
            places[found[0]].append(argument)
        elif expanded and index >= last:
            places[last].append(argument)
        elif index > last:
            return None
        else:
            places[index].append(argument)
    for parameter, filled in zip(member.parameters, places, strict=True):
        if not filled and not parameter.optional and not (expanded and parameter.params):
            return None
        if filled and (filled[0].out != parameter.out or filled[0].ref != parameter.ref):
            return None
    return places


def infer(pattern: Type, actual: Type, generics: Sequence[str], found: dict[str, Type]) -> None:
    """Learn type arguments from one parameter type and the type of what is passed for it."""
    if actual is NULL:
        return
    if pattern.is_parameter and pattern.name in generics:
        known = found.get(pattern.name)
        if known is None or (known is not actual and implicit(known, actual) and not implicit(actual, known)):
            found[pattern.name] = actual
        return
    if not pattern.args or not has_parameters(pattern):
        return
    for above in actual.ancestry():
        if above.name == pattern.name and len(above.args) == len(pattern.args):
            for inner, outer in zip(pattern.args, above.args, strict=True):
                infer(inner, outer, generics, found)
            return
    if pattern.is_nullable:
        infer(pattern.args[0], actual.underlying, generics, found)


def _infer_all(
    member: Member, places: list[list[Argument]], filling: dict[str, Type], expanded: bool
) -> dict[str, Type] | None:
    generics = member.generics
    found = dict(filling)
    lambdas: list[tuple[Type, Unbound]] = []
    for parameter, filled in zip(member.parameters, places, strict=True):
        pattern = parameter.type.args[0] if expanded and parameter.params else parameter.type
        for argument in filled:
            if isinstance(argument.value, Unbound):
                lambdas.append((pattern, argument.value))
            elif argument.value.type.name != "var":
                infer(pattern, argument.value.type, generics, found)
    for _ in range(len(lambdas) + 1):
        for pattern, waiting in lambdas:
            signature = delegate_signature(substitute(pattern, found))
            if signature is None:
                continue
            inputs, output = signature
            if waiting.explicit and len(waiting.explicit) == len(inputs):
                for raw, given in zip(inputs, waiting.explicit, strict=True):
                    infer(raw, given, generics, found)
                inputs = [substitute(kind, found) for kind in inputs]
            if output is None or not has_parameters(output) or any(map(has_parameters, inputs)):
                continue
            if waiting.body_type is None or waiting.arity not in (-1, len(inputs)):
                continue
            body = waiting.body_type(inputs)
            if body is not None and body.name[:1] != "<":
                infer(output, body, generics, found)
    return found if all(name in found for name in generics) else None


def _match(candidate: Candidate, arguments: Sequence[Argument], given: Sequence[Type], expanded: bool) -> Match | None:
    member = candidate.member
    places = _spread(member, arguments, expanded)
    if places is None:
        return None
    filling = dict(candidate.filling)
    if member.generics:
        if given:
            if len(given) != len(member.generics):
                return None
            filling.update(zip(member.generics, given, strict=True))
        else:
            inferred = _infer_all(member, places, filling, expanded)
            if inferred is None:
                return None
            filling = inferred
    elif given:
        return None
    cost = 0.0
    omitted = 0
    for parameter, filled in zip(member.parameters, places, strict=True):
        target = parameter_type(parameter, filling)
        if expanded and parameter.params:
            target = target.args[0]
        if not filled:
            omitted += 1
        for argument in filled:
            if argument.out or argument.ref:
                if argument.value.type.plain is not target.plain and argument.value.type.name != "var":
                    return None
                continue
            found = convertible(argument.value, target)
            if found is None:
                return None
            cost += found.rank
    return Match(member, filling, places, expanded, (cost, int(expanded), omitted + len(member.generics)))


def describe(arguments: Sequence[Argument]) -> str:
    """The arguments' types, for an error."""
    shown = []
    for argument in arguments:
        kind = argument.value.type
        name = "lambda" if isinstance(argument.value, Unbound) else "null" if kind is NULL else str(kind)
        word = "ref " if argument.ref else "out " if argument.out else ""
        shown.append(f"{f'{argument.name}: ' if argument.name else ''}{word}{name}")
    return ", ".join(shown)


def misfit(candidates: Iterable[Candidate], arguments: Sequence[Argument]) -> str:
    """Which argument keeps the one candidate with that many parameters from being called; "" if not so plain."""
    fitting = [
        (candidate, places)
        for candidate in candidates
        if not candidate.member.generics and (places := _spread(candidate.member, arguments, expanded=False))
    ]
    if len(fitting) != 1:
        return ""
    (member, filling), places = fitting[0]
    for parameter, filled in zip(member.parameters, places, strict=True):
        target = parameter_type(parameter, filling)
        for argument in filled:
            if not argument.out and not argument.ref and convertible(argument.value, target) is None:
                return f": the argument for '{parameter.name}' does not convert to '{target}'"
    return ""


def _more_specific(one: Match, other: Match) -> bool:
    """At the same cost, parameter types that convert to the other's win: string before object for null."""
    if one.cost != other.cost or len(one.member.parameters) != len(other.member.parameters):
        return False
    pairs = [
        (parameter_type(a, one.filling), parameter_type(b, other.filling))
        for a, b in zip(one.member.parameters, other.member.parameters, strict=True)
    ]
    return all(implicit(a, b) for a, b in pairs) and not all(implicit(b, a) for a, b in pairs)


def resolve(candidates: Iterable[Candidate], arguments: Sequence[Argument], given: Sequence[Type] = ()) -> Match | None:
    """The best applicable candidate, or None."""
    best: Match | None = None
    failure: Finding | None = None
    for candidate in candidates:
        try:
            found = _match(candidate, arguments, given, expanded=False)
            if found is None and candidate.member.parameters and candidate.member.parameters[-1].params:
                found = _match(candidate, arguments, given, expanded=True)
        except Finding as problem:
            # a lambda's body does not fit this candidate's parameter types
            failure = failure or problem
            continue
        if found is not None and (best is None or found.cost < best.cost or _more_specific(found, best)):
            best = found
    if best is None and failure is not None:
        raise failure
    return best
