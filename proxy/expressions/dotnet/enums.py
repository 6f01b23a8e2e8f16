"""Enumerations: named integers."""

from __future__ import annotations

from proxy.expressions.dotnet import primitives  # noqa: F401
from proxy.expressions.dotnet.values import EnumValue
from proxy.expressions.runtime import format_error
from proxy.expressions.table import constant, define, members
from proxy.expressions.types import Type, generic

_VALUES: dict[str, dict[int, EnumValue]] = {}
_FLAGS = {"RegexOptions", "StringSplitOptions", "DateTimeStyles"}


def enumeration(name: str, full_name: str, labels: dict[str, int]) -> None:
    definition = define(name, full_name, kind="enum")
    kind = generic(name)
    values = _VALUES[name] = {}
    for label, number in labels.items():
        value = EnumValue(kind, number, label)
        values.setdefault(number, value)
        members(definition, {f"static {name} {label}": constant(value)})
    members(
        definition,
        {
            f"bool HasFlag({name} flag)": _has_flag,
            "string ToString(string format)": enum_text,
            f"int CompareTo({name} target)": lambda value, other: (value > other) - (value < other),
        },
    )


def enum_value(kind: Type, number: int) -> EnumValue:
    """The member with that number; an unnamed number prints as itself, flags as a list of names."""
    values = _VALUES[kind.name]
    found = values.get(number)
    if found is not None:
        return found
    label = flag_names(kind, number) if kind.name in _FLAGS else ""
    return EnumValue(kind, number, label)


def flag_names(kind: Type, number: int) -> str:
    """The names of the bits that are set; "" when a bit has none."""
    rest = number
    parts: list[str] = []
    for bit, value in sorted(_VALUES[kind.name].items(), reverse=True):
        if bit and rest & bit == bit:
            rest -= bit
            parts.insert(0, value.label)
    return ", ".join(parts) if parts and not rest else ""


def enum_text(value: EnumValue, shape: str | None) -> str:
    """ToString of an enumeration with a format: G, D, F or X."""
    letter = (shape or "G").upper()
    if letter == "G":
        return value.label
    if letter == "D":
        return str(int(value))
    if letter == "F":
        return flag_names(value.kind, int(value)) or value.label
    if letter == "X":
        return f"{int(value) & 0xFFFFFFFF:08X}"
    format_error(
        'Format string can be only "G", "g", "X", "x", "F", "f", "D" or "d".'
    )


def _has_flag(value: EnumValue, flag: EnumValue) -> bool:
    return int(value) & int(flag) == int(flag)


def enum_of_name(kind: Type, text: str, ignore_case: bool) -> EnumValue | None:
    wanted = text.strip()
    for value in _VALUES[kind.name].values():
        if value.label == wanted or (ignore_case and value.label.lower() == wanted.lower()):
            return value
    if wanted.lstrip("-").isdigit() and wanted.isascii():
        return enum_value(kind, int(wanted))
    return None


def _numbered(*labels: str) -> dict[str, int]:
    return {label: number for number, label in enumerate(labels)}


enumeration("StringComparison", "System.StringComparison", _numbered(
    "CurrentCulture", "CurrentCultureIgnoreCase", "InvariantCulture", "InvariantCultureIgnoreCase", "Ordinal",
    "OrdinalIgnoreCase",
))  # fmt: skip
enumeration("StringSplitOptions", "System.StringSplitOptions", {"None": 0, "RemoveEmptyEntries": 1, "TrimEntries": 2})
enumeration("DateTimeKind", "System.DateTimeKind", {"Unspecified": 0, "Utc": 1, "Local": 2})
enumeration("DayOfWeek", "System.DayOfWeek", _numbered(
    "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday",
))  # fmt: skip
enumeration("MidpointRounding", "System.MidpointRounding", _numbered(
    "ToEven", "AwayFromZero", "ToZero", "ToNegativeInfinity", "ToPositiveInfinity",
))  # fmt: skip
enumeration("UriPartial", "System.UriPartial", _numbered("Scheme", "Authority", "Path", "Query"))
enumeration("Formatting", "Newtonsoft.Json.Formatting", _numbered("None", "Indented"))
enumeration("JTokenType", "Newtonsoft.Json.Linq.JTokenType", _numbered(
    "None", "Object", "Array", "Constructor", "Property", "Comment", "Integer", "Float", "String", "Boolean", "Null",
    "Undefined", "Date", "Raw", "Bytes", "Guid", "Uri", "TimeSpan",
))  # fmt: skip
enumeration("RegexOptions", "System.Text.RegularExpressions.RegexOptions", {
    "None": 0, "IgnoreCase": 1, "Multiline": 2, "ExplicitCapture": 4, "Compiled": 8, "Singleline": 16,
    "IgnorePatternWhitespace": 32, "RightToLeft": 64, "ECMAScript": 256, "CultureInvariant": 512,
})  # fmt: skip
