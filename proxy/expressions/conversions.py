"""Which type converts to which, and by what function.

A `Conversion` without a native keeps the Python value as it is. `rank` orders implicit conversions for overload
resolution: 0 identity, then numeric widening by distance, up-casts by distance, user-defined, boxing to object.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from proxy.expressions.dotnet.numeric import converter
from proxy.expressions.dotnet.value_tuples import tuple_converter
from proxy.expressions.dotnet.values import BOXES, Delegate, EnumValue, instance_of, name_of
from proxy.expressions.runtime import DotNetError, invalid_cast, null_reference
from proxy.expressions.types import NUMERIC, Member, Native, Type, type_of_name

_FLOATING = ("float", "double", "decimal")
WIDENING: dict[str, tuple[str, ...]] = {
    "sbyte": ("short", "int", "long", *_FLOATING),
    "byte": ("short", "ushort", "int", "uint", "long", "ulong", *_FLOATING),
    "short": ("int", "long", *_FLOATING),
    "ushort": ("int", "uint", "long", "ulong", *_FLOATING),
    "int": ("long", *_FLOATING),
    "uint": ("long", "ulong", *_FLOATING),
    "long": _FLOATING,
    "ulong": _FLOATING,
    "char": ("ushort", "int", "uint", "long", "ulong", *_FLOATING),
    "float": ("double",),
}
NULL = type_of_name("<null>")
USER_DEFINED, BOXING = 40, 60


class Conversion(NamedTuple):
    rank: float
    native: Native | None = None
    # the result cannot be null when the source is not
    keeps_null: bool = True


IDENTITY = Conversion(0)


def _native(function: Callable[..., Any] | None) -> Native | None:
    return Native(function) if function else None


def _lifted(function: Callable[[Any], Any] | None) -> Native | None:
    return Native(lambda value: None if value is None else function(value)) if function else None


@lru_cache(8192)
def implicit(source: Type, target: Type) -> Conversion | None:
    """The implicit conversion, or None when C# has none."""
    if source is target or source.plain is target.plain:
        return IDENTITY
    if source is NULL:
        return Conversion(1) if not target.is_value or target.is_nullable else None
    if source.name == "void" or target.name == "void":
        return None
    if target.is_nullable:
        return _to_nullable(source, target)
    if source.name in WIDENING and target.name in WIDENING[source.name]:
        return Conversion(1 + WIDENING[source.name].index(target.name), _native(converter(source.name, target.name)))
    if target.name == "object":
        return Conversion(BOXING, box(source))
    if source.is_tuple and target.is_tuple:
        return _tuple(source, target, implicit)
    if not source.is_value:
        found = _upcast(source, target)
        if found is not None:
            return found
    return _user_defined(source, target, explicit=False)


def _tuple(source: Type, target: Type, convert: Callable[[Type, Type], Conversion | None]) -> Conversion | None:
    """Element by element."""
    if len(source.args) != len(target.args):
        return None
    parts = [convert(one, other) for one, other in zip(source.args, target.args, strict=True)]
    found = [part for part in parts if part is not None]
    if len(found) < len(parts):
        return None
    functions = tuple(part.native.function if part.native else None for part in found)
    return Conversion(max((part.rank for part in found), default=0), Native(tuple_converter(target, functions)))


def _to_nullable(source: Type, target: Type) -> Conversion | None:
    inner = implicit(source.underlying, target.underlying)
    if inner is None or inner.rank >= USER_DEFINED:
        return _user_defined(source, target, explicit=False)
    if source.is_nullable:
        return Conversion(inner.rank, _lifted(inner.native.function if inner.native else None))
    return Conversion(inner.rank + 1, inner.native)


def box(source: Type) -> Native | None:
    """What makes an object of a value whose static type will be forgotten."""
    if source.is_delegate:
        return _lifted(lambda function: Delegate(source.plain, function))
    function = BOXES.get(source.underlying.name)
    if function is None:
        return None
    return _lifted(function) if source.is_nullable else Native(function)


def _upcast(source: Type, target: Type) -> Conversion | None:
    if source.is_delegate:
        return Conversion(12) if _variant_delegate(source, target) else None
    for distance, above in enumerate(source.ancestry()):
        if above.plain is target.plain:
            return Conversion(10 + min(distance, 20))
        if above.name == target.name and above.args and len(above.args) == len(target.args):
            pairs = zip(above.args, target.args, strict=True)
            variant = target.is_interface or target.is_array
            if variant and all(a is b or _reference_conversion(a, b) for a, b in pairs):
                return Conversion(12 + min(distance, 20))
    return None


def _variant_delegate(source: Type, target: Type) -> bool:
    """Results may be more specific, parameters less: Func<object, string> is a Func<string, object>."""
    if source.name != target.name or len(source.args) != len(target.args) or source.definition is not target.definition:
        return False
    result = {"Func": 1, "Converter": 1}.get(source.name, 0)
    split = len(source.args) - result
    pairs = [(b, a) if i < split else (a, b) for i, (a, b) in enumerate(zip(source.args, target.args, strict=True))]
    return all(a.plain is b.plain or _reference_conversion(a, b) for a, b in pairs)


def _reference_conversion(source: Type, target: Type) -> bool:
    if source.is_value or source.is_parameter:
        return False
    found = implicit(source, target)
    return found is not None and found.native is None and found.rank != USER_DEFINED


def _user_defined(source: Type, target: Type, *, explicit: bool) -> Conversion | None:
    candidates: list[Member] = []
    for kind in (source, target):
        for above in kind.ancestry():
            if above.definition is not None:
                candidates += above.definition.conversions
    best: Conversion | None = None
    for member in candidates:
        if member.returns is not target or (member.explicit and not explicit):
            continue
        parameter = member.parameters[0].type
        inner = IDENTITY if parameter is source else _standard(source, parameter)
        if inner is None:
            continue
        rank = USER_DEFINED + min(inner.rank, 15)
        if best is None or rank < best.rank:
            best = Conversion(rank, _chain(inner.native, member.native), keeps_null=not member.nullable)
    return best


def _standard(source: Type, target: Type) -> Conversion | None:
    """An implicit conversion that is not itself user-defined."""
    if target.name == "object":
        return None
    if target.is_nullable and source.is_nullable:
        return None
    if source.name in WIDENING or target.is_nullable:
        found = implicit(source, target) if target.underlying.name in NUMERIC else None
        return found if found is not None and found.rank < USER_DEFINED else None
    return None if source.is_value else _upcast(source, target)


def _chain(first: Native | None, second: Native) -> Native:
    if first is None or first.function is None or second.function is None:
        return second
    one, two = first.function, second.function
    return Native(lambda value: two(one(value)))


@lru_cache(8192)
def explicit(source: Type, target: Type) -> Conversion | None:
    """The conversion that a cast makes: implicit ones, numeric narrowing, unboxing, down-casts, user-defined."""
    found = implicit(source, target)
    if found is not None:
        return found
    if source.name in NUMERIC and target.name in NUMERIC:
        return Conversion(1, _native(converter(source.name, target.name)))
    if target.is_enum and (source.name in NUMERIC or source.is_enum):
        whole = converter(source.name, "int") if source.name in NUMERIC else int
        return Conversion(1, Native(lambda value: _enum_of(value if whole is None else whole(value), target)))
    if source.is_tuple and target.is_tuple:
        return _tuple(source, target, explicit)
    if source.is_enum and target.name in NUMERIC:
        inner = converter("int", target.name)
        return Conversion(1, Native(lambda value: int(value) if inner is None else inner(int(value))))
    if source.is_nullable and not target.is_nullable and target.is_value:
        below = explicit(source.underlying, target)
        if below is None:
            return None
        function = below.native.function if below.native else None
        return Conversion(2, Native(lambda value: _value_of(value, function)))
    if target.is_nullable and (source.is_nullable or source.is_value):
        below = explicit(source.underlying, target.underlying)
        return Conversion(2, _lifted(below.native.function if below.native else None)) if below else None
    defined = _user_defined(source, target, explicit=True)
    if defined is not None:
        return defined
    if source.name == "object" or source.is_interface:
        return Conversion(5, Native(caster(target)))
    if not source.is_value and not target.is_value and (target.is_interface or _upcast(target, source) is not None):
        return Conversion(5, Native(caster(target)))
    return None


def _enum_of(value: int, target: Type) -> Any:
    from proxy.expressions.dotnet.enums import enum_value

    return enum_value(target, value)


def _value_of(value: Any, function: Callable[[Any], Any] | None) -> Any:
    if value is None:
        raise DotNetError("System.InvalidOperationException", "Nullable object must have a value.")
    return value if function is None else function(value)


@lru_cache(1024)
def caster(target: Type) -> Callable[[Any], Any]:
    """A cast from object or an interface, checked when it runs."""
    if target.name == "string":

        def cast_string(value: Any) -> Any:
            if value is None or type(value) is str:
                return value
            return invalid_cast(name_of(value), "System.String")

        return cast_string
    name = target.underlying.full_name
    nullable = target.is_nullable or not target.is_value

    def cast(value: Any) -> Any:
        if value is None:
            return None if nullable else null_reference()
        if instance_of(value, target):
            return value
        # an enumeration and its underlying type unbox to each other
        if target.underlying.is_enum and type(value) is int:
            return _enum_of(value, target.underlying)
        if target.underlying.name == "int" and isinstance(value, EnumValue):
            return int(value)
        return invalid_cast(name_of(value), name)

    return cast


@lru_cache(1024)
def as_caster(target: Type) -> Callable[[Any], Any]:
    """C# `as`: null instead of an exception."""
    return lambda value: value if instance_of(value, target) else None
