"""Enumerations: named integers."""

from __future__ import annotations

from typing import Any

from proxy.expressions.dotnet import primitives
from proxy.expressions.dotnet.values import EnumValue
from proxy.expressions.runtime import argument, argument_null, format_error
from proxy.expressions.table import constant, define, members, with_types
from proxy.expressions.types import Type, generic

_VALUES: dict[str, dict[int, EnumValue]] = {}
_LABELS: dict[str, dict[str, EnumValue]] = {}
_FLAGS = {"RegexOptions", "StringSplitOptions", "DateTimeStyles", "Base64FormattingOptions"}


def enumeration(name: str, full_name: str, labels: dict[str, int]) -> None:
    definition = define(name, full_name, kind="enum")
    kind = generic(name)
    values, named = _VALUES.setdefault(name, {}), _LABELS.setdefault(name, {})
    for label, number in labels.items():
        named[label] = EnumValue(kind, number, label)
        values.setdefault(number, named[label])
    members(
        definition,
        {
            **{f"static {name} {label}": constant(value) for label, value in named.items()},
            "string ToString(string format)": format_enum,
            f"bool HasFlag({name} flag)": lambda value, flag: int(value) & int(flag) == int(flag),
            "int CompareTo(object target)": _compare_to,
            f"bool Equals({name} obj)": lambda value, other: int(value) == int(other),
            "int GetHashCode()": int,
        },
    )


def _compare_to(value: EnumValue, other: Any) -> int:
    if other is None:
        return 1
    if not isinstance(other, EnumValue) or other.kind is not value.kind:
        argument("Object must be the same type as the enum.")
    return int(int(value) > int(other)) - int(int(value) < int(other))


def format_enum(value: EnumValue, pattern: str | None) -> str:
    """G the name, F names joined, D the number, X eight hexadecimal digits."""
    kind = (pattern or "G").upper()
    if kind == "D":
        return str(int(value))
    if kind == "X":
        return f"{int(value) & 0xFFFFFFFF:08X}"
    if kind == "F":
        return _joined(value.kind, int(value)) or value.label
    if kind == "G":
        return value.label
    return format_error('Format string can be only "G", "g", "X", "x", "F", "f", "D" or "d".')


def _joined(kind: Type, number: int) -> str:
    """The names whose bits make the number, "" when they do not."""
    parts, rest = [], number
    for bit, value in sorted(_VALUES[kind.name].items(), reverse=True):
        if bit and rest & bit == bit:
            parts.append(value.label)
            rest &= ~bit
    return ", ".join(reversed(parts)) if not rest else ""


def enum_value(kind: Type, number: int) -> EnumValue:
    """The member with that number; an unnamed number prints as itself, flags as a list of names."""
    found = _VALUES[kind.name].get(number)
    if found is not None:
        return found
    return EnumValue(kind, number, _joined(kind, number) if kind.name in _FLAGS and number else "")


def enum_members(kind: Type) -> list[EnumValue]:
    """One value for each number."""
    return list(_VALUES[kind.name].values())


def enum_of_name(kind: Type, text: str, ignore_case: bool) -> EnumValue | None:
    """The value that `text` names: a name, several with commas between, or a number; None when it is neither."""
    number = 0
    for part in text.split(","):
        wanted = part.strip()
        found = _LABELS[kind.name].get(wanted)
        if found is None and ignore_case:
            found = next((v for label, v in _LABELS[kind.name].items() if label.lower() == wanted.lower()), None)
        if found is not None:
            number |= int(found)
        elif wanted.lstrip("+-").isdigit() and wanted.isascii() and "," not in text and len(wanted) < 12:
            number = int(wanted)
        else:
            return None
    return enum_value(kind, number)


def parse_enum(kind: Type, text: str | None, ignore_case: bool = False) -> EnumValue:
    if text is None:
        argument_null("value")
    if not text.strip():
        argument("Must specify valid information for parsing in the string.", "value")
    found = enum_of_name(kind, text, ignore_case)
    if found is None:
        argument(f"Requested value '{text}' was not found.")
    return found


def _attempt(kind: Type, text: str | None, ignore_case: bool = False) -> tuple[bool, EnumValue]:
    found = enum_of_name(kind, text, ignore_case) if text is not None else None
    return (True, found) if found is not None else (False, enum_value(kind, 0))


members(
    primitives.ENUM,
    {
        "static T Parse<T>(string value)": with_types(parse_enum),
        "static T Parse<T>(string value, bool ignoreCase)": with_types(parse_enum),
        "static bool TryParse<T>(string value, out T result)": with_types(_attempt),
        "static bool TryParse<T>(string value, bool ignoreCase, out T result)": with_types(_attempt),
    },
)


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
