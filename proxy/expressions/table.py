"""The allow-list: how the files under `dotnet/` declare types and members.

    STRING = define("string", "System.String", bases=("IEnumerable<char>",))
    members(STRING, {"int Length": len, "string Trim()": trim})
    setters(JVALUE, {"Value": set_value})

A type may be mentioned in a signature before it is defined. Signatures are read when first needed, see
`types.Definition`; `extensions` finds the `this` methods by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from proxy.expressions.signature import _Reader, parse_member
from proxy.expressions.types import Declared, Definition, Member, Native, Type, generic, register

Function = Callable[..., Any] | Native

# The types that declare `this` methods.
_EXTENDING: dict[Definition, None] = {}


def define(
    name: str,
    full_name: str,
    *,
    kind: str = "class",
    parameters: tuple[str, ...] = (),
    bases: tuple[str, ...] = (),
    python: Any = None,
    aliases: tuple[str, ...] = (),
) -> Definition:
    """A new type of the allow-list; `bases` are written as in a signature."""
    definition = Definition(name, full_name, kind, parameters, python=python)
    register(definition, *aliases)
    generic(name, *(generic(parameter) for parameter in parameters))
    definition.bases = tuple(_Reader(base, definition).type()[0] for base in bases)
    return definition


def read_type(text: str) -> Type:
    """The type that `text` names, e.g. "IEnumerable<string>"."""
    return _Reader(text, Definition(text, text)).type()[0]


def members(definition: Definition, table: Mapping[str, Function]) -> None:
    """Declare members, constructors, indexers and conversions by their signatures."""
    if any("(this " in text for text in table):
        _EXTENDING[definition] = None

    def declare(declared: Declared) -> None:
        for text, function in table.items():
            native = function if isinstance(function, Native) else Native(function)
            member = parse_member(text, native, definition)
            if member.kind == "constructor":
                declared.constructors.append(member)
            elif member.kind == "indexer":
                declared.indexers.append(member)
            elif member.kind == "conversion":
                declared.conversions.append(member)
            else:
                declared.members.setdefault(member.name, []).append(member)

    definition.later(declare)


def extensions(name: str) -> list[Member]:
    """The `this` methods of that name, of all types."""
    return [member for definition in _EXTENDING for member in definition.members.get(name, ()) if member.extension]


def setters(definition: Definition, table: Mapping[str, Callable[..., Any]]) -> None:
    """Make properties writable; "this[string]" names the indexer with that parameter type."""

    def declare(declared: Declared) -> None:
        for name, function in table.items():
            if name.startswith("this["):
                wanted = name[5:-1]
                found = [m for m in declared.indexers if str(m.parameters[0].type) == wanted]
            else:
                found = declared.members.get(name, [])
            if not found:
                raise ValueError(f"{definition.name} has no {name} to make writable")
            for member in found:
                member.setter = Native(function)

    definition.later(declare)


def attribute(name: str) -> Native:
    """The member is this attribute of our own Python class."""
    return Native(attribute=name)


def constant(value: Any) -> Native:
    return Native(constant=value)


def with_exchange(function: Callable[..., Any]) -> Native:
    """Called with the exchange first: what needs the clock, randomness or the request."""
    return Native(function, exchange=True)


def with_types(function: Callable[..., Any]) -> Native:
    """Called with the method's type arguments first, as `Type`s."""
    return Native(function, types=True)
