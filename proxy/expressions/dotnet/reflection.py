"""typeof(T) and x.GetType(): a System.Type that can be named, compared and printed, and leads nowhere else.

Its value is our own `Type`.
"""

from __future__ import annotations

from typing import Any

from proxy.expressions.dotnet.enums import enum_members, enum_value, parse_enum
from proxy.expressions.dotnet.primitives import ENUM
from proxy.expressions.dotnet.text import TEXTS
from proxy.expressions.dotnet.values import Array, EnumValue, runtime_type, stands_for
from proxy.expressions.runtime import argument
from proxy.expressions.table import define, members
from proxy.expressions.types import Type, type_of_name


def type_of_value(value: Any) -> Type:
    return runtime_type(value).plain


def _name(kind: Type) -> str:
    if kind.rank:
        return f"{_name(kind.args[0])}{kind.name}"
    last = (kind.definition.full_name if kind.definition else kind.name).rsplit(".", 1)[-1]
    return f"{last}`{len(kind.args)}" if kind.args else last


def _namespace(kind: Type) -> str:
    while kind.rank:
        kind = kind.args[0]
    return (kind.definition.full_name if kind.definition else "").rpartition(".")[0]


def _full_name(kind: Type) -> str:
    """As `Type.FullName` has it for types without arguments; with them the assembly names are left out."""
    return kind.full_name


TYPE = define("Type", "System.Type")


def _enumeration(kind: Type) -> Type:
    if not kind.is_enum:
        argument("Type provided must be an Enum.", "enumType")
    return kind


def _members(kind: Type) -> list[EnumValue]:
    """In the order of their numbers, as .NET lists them."""
    return sorted(enum_members(_enumeration(kind)), key=lambda value: int(value) & 0xFFFFFFFF)


def _name_of_member(kind: Type, value: Any) -> str | None:
    return next((member.label for member in _members(kind) if int(member) == int(value)), None)


def _is_defined(kind: Type, value: Any) -> bool:
    found = _members(kind)
    if isinstance(value, str):
        return any(member.label == value for member in found)
    return any(int(member) == int(value) for member in found)


members(
    ENUM,
    {
        "static object Parse(Type enumType, string value)": lambda kind, text: parse_enum(_enumeration(kind), text),
        "static object Parse(Type enumType, string value, bool ignoreCase)": (
            lambda kind, text, fold: parse_enum(_enumeration(kind), text, fold)
        ),
        "static string? GetName(Type enumType, object value)": _name_of_member,
        "static string[] GetNames(Type enumType)": (
            lambda kind: Array(type_of_name("string"), [member.label for member in _members(kind)])
        ),
        "static PlainSequence GetValues(Type enumType)": lambda kind: Array(kind, _members(kind)),
        "static bool IsDefined(Type enumType, object value)": _is_defined,
        "static object ToObject(Type enumType, object value)": lambda kind, value: enum_value(kind, int(value)),
    },
)
stands_for(Type, "Type")
TEXTS[Type] = _full_name
members(
    TYPE,
    {
        "string Name": _name,
        "string FullName": _full_name,
        "string Namespace": _namespace,
        "bool IsArray": lambda kind: kind.rank > 0,
        "bool IsEnum": lambda kind: kind.is_enum,
        "bool IsValueType": lambda kind: kind.is_value,
        "bool IsInterface": lambda kind: kind.is_interface,
        "bool IsGenericType": lambda kind: bool(kind.args) and not kind.rank,
        "bool IsClass": lambda kind: not kind.is_value and not kind.is_interface,
        "string ToString()": _full_name,
        "bool Equals(object o)": lambda kind, other: kind is other,
        "static bool op_Equality(Type left, Type right)": lambda left, right: left is right,
        "static bool op_Inequality(Type left, Type right)": lambda left, right: left is not right,
    },
)
