"""System.String but for searching and comparing, and System.Object."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any

from proxy.expressions.dotnet import enums  # noqa: F401
from proxy.expressions.dotnet import primitives as p
from proxy.expressions.dotnet.collections import hash_of, iterate
from proxy.expressions.dotnet.culture import lower, upper
from proxy.expressions.dotnet.format import composite
from proxy.expressions.dotnet.searching import required as _required
from proxy.expressions.dotnet.splitting import WHITE, split
from proxy.expressions.dotnet.text import to_text
from proxy.expressions.dotnet.units import by_units, joined, length, units
from proxy.expressions.dotnet.values import Array, runtime_type, stands_for
from proxy.expressions.operators import concat
from proxy.expressions.runtime import LONG, DotNetError, allocate, allocate_elements, out_of_range, spend
from proxy.expressions.table import constant, members
from proxy.expressions.types import type_of_name

CHAR = type_of_name("char")
_RANGE = "Index was out of range. Must be non-negative and less than the size of the collection."


@by_units
def _get(text: str, index: int) -> str:
    if 0 <= index < len(text):
        return text[index]
    raise DotNetError("System.IndexOutOfRangeException", "Index was outside the bounds of the array.")


@by_units
def substring(text: str, start: int) -> str:
    if start < 0:
        out_of_range("StartIndex cannot be less than zero.", "startIndex")
    if start > len(text):
        out_of_range("startIndex cannot be larger than length of string.", "startIndex")
    return text[start:]


@by_units
def substring_length(text: str, start: int, length: int) -> str:
    if start < 0:
        out_of_range("StartIndex cannot be less than zero.", "startIndex")
    if start > len(text):
        out_of_range("startIndex cannot be larger than length of string.", "startIndex")
    if length < 0:
        out_of_range("Length cannot be less than zero.", "length")
    if start + length > len(text):
        out_of_range("Index and length must refer to a location within the string.", "length")
    return text[start : start + length]


@by_units
def _insert(text: str, index: int, value: str) -> str:
    _required(value)
    if not 0 <= index <= len(text):
        out_of_range("Specified argument was out of the range of valid values.", "startIndex")
    return concat(text[:index], value, text[index:])


@by_units
def _remove(text: str, start: int) -> str:
    if start < 0:
        out_of_range("StartIndex cannot be less than zero.", "startIndex")
    if start >= len(text):
        out_of_range("startIndex must be less than length of string.", "startIndex")
    return text[:start]


@by_units
def _remove_count(text: str, start: int, count: int) -> str:
    if start < 0:
        out_of_range("StartIndex cannot be less than zero.", "startIndex")
    if count < 0:
        out_of_range("Count cannot be less than zero.", "count")
    if start + count > len(text):
        out_of_range("Index and count must refer to a location within the string.", "count")
    return text[:start] + text[start + count :]


def _pad(left: bool) -> Callable[..., str]:
    @by_units
    def pad(text: str, width: int, fill: str = " ") -> str:
        if width < 0:
            out_of_range("Non-negative number required.", "totalWidth")
        allocate(width)
        return text.rjust(width, fill) if left else text.ljust(width, fill)

    return pad


def _trim(side: str) -> Callable[..., str]:
    function: Callable[[str, str], str] = {"both": str.strip, "start": str.lstrip, "end": str.rstrip}[side]

    def trim(text: str, chars: Any = None) -> str:
        if len(text) > LONG:
            spend(len(text))
        return function(text, "".join(chars) if chars else WHITE)

    return trim


def _join(separator: str | None, values: Any) -> str:
    parts = [to_text(value) for value in iterate(_required(values, "values"))]
    allocate(sum(map(len, parts)) + len(parts) * len(separator or ""))
    return (separator or "").join(parts)


def _join_texts(separator: str | None, values: Any) -> str:
    return _join(separator, _required(values))


def _concat(values: Any) -> str:
    return joined(concat(*(to_text(value) for value in iterate(_required(values, "values")))))


def _repeat(char: str, count: int) -> str:
    if count < 0:
        out_of_range("Count cannot be less than zero.", "count")
    allocate(count)
    return char * count


def _chars(text: str) -> Array:
    allocate_elements(len(text))
    return Array(CHAR, units(text))


def _chars_of(text: str, start: int, length: int) -> Array:
    wide = units(text)
    if not 0 <= start <= len(wide) - max(length, 0):
        out_of_range(_RANGE, "startIndex")
    if length < 0:
        out_of_range(_RANGE, "length")
    return Array(CHAR, wide[start : start + length])


def _of_chars(chars: list[str], start: int, length: int) -> str:
    if start < 0:
        out_of_range("StartIndex cannot be less than zero.", "startIndex")
    if length < 0:
        out_of_range("Length cannot be less than zero.", "length")
    if start + length > len(_required(chars)):
        out_of_range(_RANGE, "startIndex")
    return joined("".join(chars[start : start + length]))


def _copy_to(text: str, start: int, target: list[str], at: int, count: int) -> None:
    _required(target, "destination")
    wide = units(text)
    if count < 0:
        out_of_range("Count cannot be less than zero.", "count")
    if start < 0 or start + count > len(wide):
        out_of_range("Index and count must refer to a location within the string.", "sourceIndex")
    if at < 0 or at + count > len(target):
        out_of_range("Index and count must refer to a location within the string.", "destinationIndex")
    target[at : at + count] = wide[start : start + count]


def _join_range(separator: str | None, values: Any, start: int, count: int) -> str:
    _required(values)
    if start < 0:
        out_of_range("StartIndex cannot be less than zero.", "startIndex")
    if count < 0:
        out_of_range("Count cannot be less than zero.", "count")
    if start + count > len(values):
        out_of_range("Index and count must refer to a location within the buffer.", "startIndex")
    return _join(separator, values[start : start + count])


_ALL = 0x7FFFFFFF
_SPLITS: dict[str, Any] = {"string[] Split(params char[] separator)": split}
for _kind in ("char", "string"):
    _SPLITS |= {
        f"string[] Split({_kind} separator, StringSplitOptions options = 0)": lambda t, s, o: split(t, s, _ALL, o),
        f"string[] Split({_kind} separator, int count, StringSplitOptions options = 0)": split,
        f"string[] Split({_kind}[] separator, StringSplitOptions options)": lambda t, s, o: split(t, s, _ALL, o),
        f"string[] Split({_kind}[] separator, int count, StringSplitOptions options)": split,
    }
_SPLITS["string[] Split(char[] separator, int count)"] = split
_JOINS: dict[str, Any] = {}
for _kind in ("string", "char"):
    _JOINS |= {
        f"static string Join({_kind} separator, params object[] values)": _join,
        f"static string Join({_kind} separator, params string[] value)": _join_texts,
        f"static string Join({_kind} separator, string[] value, int startIndex, int count)": _join_range,
        f"static string Join<T>({_kind} separator, IEnumerable<T> values)": _join,
    }
_TRIMS = {
    f"string {name}({parameters})": _trim(side)
    for name, side in (("Trim", "both"), ("TrimStart", "start"), ("TrimEnd", "end"))
    for parameters in ("", "char trimChar", "params char[] trimChars")
}
members(
    p.STRING,
    {
        "new(char c, int count)": _repeat,
        "new(char[] value)": lambda chars: joined("".join(chars or ())),
        "new(char[] value, int startIndex, int length)": _of_chars,
        "static string Empty": constant(""),
        "int Length": length,
        "char this[int index]": _get,
        "string Substring(int startIndex)": substring,
        "string Substring(int startIndex, int length)": substring_length,
        "string Insert(int startIndex, string value)": _insert,
        "string Remove(int startIndex)": _remove,
        "string Remove(int startIndex, int count)": _remove_count,
        "string PadLeft(int totalWidth)": _pad(True),
        "string PadLeft(int totalWidth, char paddingChar)": _pad(True),
        "string PadRight(int totalWidth)": _pad(False),
        "string PadRight(int totalWidth, char paddingChar)": _pad(False),
        **_TRIMS,
        "string ToLower()": lower,
        "string ToLowerInvariant()": lower,
        "string ToUpper()": upper,
        "string ToUpperInvariant()": upper,
        "string ToString()": lambda text: text,
        "char[] ToCharArray()": _chars,
        "char[] ToCharArray(int startIndex, int length)": _chars_of,
        "void CopyTo(int sourceIndex, char[] destination, int destinationIndex, int count)": _copy_to,
        "string Normalize()": lambda text: unicodedata.normalize("NFC", text),
        "bool IsNormalized()": lambda text: unicodedata.is_normalized("NFC", text),
        "object Clone()": lambda text: text,
        **_SPLITS,
        "static bool IsNullOrEmpty(string value)": lambda text: not text,
        "static bool IsNullOrWhiteSpace(string value)": lambda text: text is None or not text.strip(WHITE),
        "static string Concat(params object[] args)": _concat,
        "static string Concat(params string[] values)": _concat,
        "static string Concat<T>(IEnumerable<T> values)": _concat,
        **_JOINS,
        "static string Format(string format, params object[] args)": composite,
        "static string Format(IFormatProvider provider, string format, params object[] args)": (
            lambda _, pattern, args: composite(pattern, args)
        ),
        "string ToString(IFormatProvider provider)": lambda text, _: text,
        "static string Copy(string str)": lambda text: _required(text, "str"),
        "static string Intern(string str)": lambda text: _required(text, "str"),
    },
)
members(
    p.OBJECT,
    {
        "new()": lambda: Plain(),
        "string ToString()": to_text,
        "bool Equals(object obj)": lambda a, b: _object_equals(a, b),
        "int GetHashCode()": hash_of,
        "static bool Equals(object objA, object objB)": lambda a, b: _object_equals(a, b),
        "static bool ReferenceEquals(object objA, object objB)": lambda a, b: _same_object(a, b),
    },
)


class Plain:
    """new object()."""

    __slots__ = ()


stands_for(Plain, "object")


def _same_object(left: Any, right: Any) -> bool:
    """ReferenceEquals: values are boxed anew for it."""
    return left is right and (left is None or not runtime_type(left).is_value)


def _object_equals(left: Any, right: Any) -> bool:
    from proxy.expressions.dotnet.collections import equal

    return equal(left, right)
