"""typeof(T) and x.GetType(): a System.Type that can be named, compared and printed, and leads nowhere else.

Its value is our own `Type`.
"""

from __future__ import annotations

from typing import Any

from proxy.expressions.dotnet import primitives  # noqa: F401
from proxy.expressions.dotnet.text import TEXTS
from proxy.expressions.dotnet.values import runtime_type, stands_for
from proxy.expressions.table import define, members
from proxy.expressions.types import Type


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


stands_for(Type, "Type")
TEXTS[Type] = _full_name
TYPE = define("Type", "System.Type")
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
