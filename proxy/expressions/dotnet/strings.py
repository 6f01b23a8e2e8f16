"""System.String, Char, StringBuilder."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any

from proxy.expressions.dotnet import enums  # noqa: F401
from proxy.expressions.dotnet import primitives as p
from proxy.expressions.dotnet.collections import iterate
from proxy.expressions.dotnet.culture import compare_with, ignores_case, lower, upper
from proxy.expressions.dotnet.format import composite
from proxy.expressions.dotnet.splitting import WHITE, split
from proxy.expressions.dotnet.text import to_text
from proxy.expressions.dotnet.values import Array, stands_for
from proxy.expressions.operators import compare_text, concat
from proxy.expressions.runtime import (
    LONG,
    DotNetError,
    allocate,
    allocate_elements,
    argument,
    argument_null,
    out_of_range,
    spend,
)
from proxy.expressions.table import constant, members
from proxy.expressions.types import type_of_name

CHAR = type_of_name("char")


def _get(text: str, index: int) -> str:
    if 0 <= index < len(text):
        return text[index]
    raise DotNetError("System.IndexOutOfRangeException", "Index was outside the bounds of the array.")


def substring(text: str, start: int) -> str:
    if start < 0:
        out_of_range("StartIndex cannot be less than zero.", "startIndex")
    if start > len(text):
        out_of_range("startIndex cannot be larger than length of string.", "startIndex")
    return text[start:]


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


def _required(value: Any, name: str = "value") -> Any:
    if value is None:
        argument_null(name)
    return value


def _contains(text: str, part: str) -> bool:
    return _required(part) in text


def _folded(test: Callable[[str, str], Any]) -> Callable[[str, str, Any], Any]:
    def run(text: str, part: str, comparison: Any) -> Any:
        _required(part)
        return test(upper(text), upper(part)) if ignores_case(comparison) else test(text, part)

    return run


def _starts(text: str, part: str) -> bool:
    return text.startswith(_required(part))


def _ends(text: str, part: str) -> bool:
    return text.endswith(_required(part))


def _equals(left: str | None, right: Any) -> bool:
    return left == right and type(right) is not bool


def _equals_with(left: str | None, right: str | None, comparison: Any) -> bool:
    return compare_with(left, right, comparison) == 0


def _find(text: str, part: str, start: int = 0) -> int:
    _required(part)
    if not 0 <= start <= len(text):
        out_of_range(
            "Index was out of range. Must be non-negative and less than the size of the collection.", "startIndex"
        )
    return text.find(part, start)


def _find_last(text: str, part: str) -> int:
    return text.rfind(_required(part))


def _find_any(text: str, wanted: list[str]) -> int:
    return next((index for index, char in enumerate(text) if char in wanted), -1)


def _replace(text: str, old: str, new: str | None) -> str:
    _required(old, "oldValue")
    if old == "":
        argument("String cannot be of zero length.", "oldValue")
    grown = len(new or "") - len(old)
    allocate(len(text) + (text.count(old) * grown if grown > 0 else 0))
    return text.replace(old, new or "")


def _replace_with(text: str, old: str, new: str | None, comparison: Any) -> str:
    if not ignores_case(comparison):
        return _replace(text, old, new)
    _required(old, "oldValue")
    if old == "":
        argument("String cannot be of zero length.", "oldValue")
    folded, wanted, parts, place = upper(text), upper(old), [], 0
    while (found := folded.find(wanted, place)) >= 0:
        parts += [text[place:found], new or ""]
        place = found + len(old)
    return concat(*parts, text[place:])


def _insert(text: str, index: int, value: str) -> str:
    _required(value)
    if not 0 <= index <= len(text):
        out_of_range(
            "Index was out of range. Must be non-negative and less than the size of the collection.", "startIndex"
        )
    return concat(text[:index], value, text[index:])


def _remove(text: str, start: int) -> str:
    if not 0 <= start < len(text) + 1:
        out_of_range("startIndex must be less than length of string.", "startIndex")
    return text[:start]


def _remove_count(text: str, start: int, count: int) -> str:
    if start < 0 or count < 0 or start + count > len(text):
        out_of_range("Index and count must refer to a location within the string.", "count")
    return text[:start] + text[start + count :]


def _pad(left: bool) -> Callable[..., str]:
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


def _concat(values: Any) -> str:
    return concat(*(to_text(value) for value in iterate(_required(values, "values"))))


def _repeat(char: str, count: int) -> str:
    if count < 0:
        out_of_range("'count' must be non-negative.", "count")
    allocate(count)
    return char * count


def _chars(text: str) -> Array:
    allocate_elements(len(text))
    return Array(CHAR, text)


def _hash(value: Any) -> int:
    """Stable inside one process, like .NET's; the number itself is not .NET's."""
    from proxy.expressions.dotnet.numeric import wrap32

    return wrap32(hash(value)) if not isinstance(value, (list,)) else wrap32(id(value))


def _static_compare(left: str | None, right: str | None, ignore: bool = False) -> int:
    return compare_with(left, right, 1 if ignore else 0)


def _ordinal(left: str | None, right: str | None) -> int:
    if left is None or right is None:
        return (left is not None) - (right is not None)
    return compare_text(left, right)


def _find_in(text: str, value: str, start: int, count: int) -> int:
    if not 0 <= start <= len(text):
        out_of_range(
            "Index was out of range. Must be non-negative and less than the size of the collection.", "startIndex"
        )
    if count < 0 or start + count > len(text):
        out_of_range("Count must be positive and count must refer to a location within the string.", "count")
    return text.find(value, start, start + count)


def _find_back(text: str, value: str, start: int) -> int:
    """The last place that ends at or before `start`."""
    if not text:
        return -1
    if not 0 <= start < len(text) + 1:
        out_of_range(
            "Index was out of range. Must be non-negative and less than the size of the collection.", "startIndex"
        )
    return text.rfind(value, 0, start + 1)


def _join_range(separator: str | None, values: Any, start: int, count: int) -> str:
    if start < 0 or count < 0 or start + count > len(values):
        out_of_range("Index and count must refer to a location within the buffer.", "startIndex")
    return _join(separator, values[start : start + count])


_SPLITS = {
    "string[] Split(params char[] separator)": split,
    "string[] Split(char separator, StringSplitOptions options = 0)": lambda t, s, o: split(t, s, 0x7FFFFFFF, o),
    "string[] Split(char separator, int count, StringSplitOptions options = 0)": split,
    "string[] Split(char[] separator, int count)": split,
    "string[] Split(char[] separator, StringSplitOptions options)": lambda t, s, o: split(t, s, 0x7FFFFFFF, o),
    "string[] Split(char[] separator, int count, StringSplitOptions options)": split,
    "string[] Split(string separator, StringSplitOptions options = 0)": lambda t, s, o: split(t, s, 0x7FFFFFFF, o),
    "string[] Split(string separator, int count, StringSplitOptions options = 0)": split,
    "string[] Split(string[] separator, StringSplitOptions options)": lambda t, s, o: split(t, s, 0x7FFFFFFF, o),
    "string[] Split(string[] separator, int count, StringSplitOptions options)": split,
}
members(
    p.STRING,
    {
        "new(char c, int count)": _repeat,
        "new(char[] value)": lambda chars: "".join(chars or ()),
        "new(char[] value, int start, int length)": lambda chars, start, length: "".join(chars[start : start + length]),
        "static string Empty": constant(""),
        "int Length": len,
        "char this[int index]": _get,
        "string Substring(int startIndex)": substring,
        "string Substring(int startIndex, int length)": substring_length,
        "bool Contains(string value)": _contains,
        "bool Contains(char value)": _contains,
        "bool Contains(string value, StringComparison comparison)": _folded(lambda a, b: b in a),
        "bool StartsWith(string value)": _starts,
        "bool StartsWith(char value)": _starts,
        "bool StartsWith(string value, StringComparison comparison)": _folded(str.startswith),
        "bool EndsWith(string value)": _ends,
        "bool EndsWith(char value)": _ends,
        "bool EndsWith(string value, StringComparison comparison)": _folded(str.endswith),
        "bool Equals(string value)": _equals,
        "bool Equals(object value)": lambda a, b: type(b) is str and a == b,
        "bool Equals(string value, StringComparison comparison)": _equals_with,
        "int IndexOf(string value)": _find,
        "int IndexOf(char value)": _find,
        "int IndexOf(string value, int startIndex)": _find,
        "int IndexOf(char value, int startIndex)": _find,
        "int IndexOf(string value, int startIndex, int count)": _find_in,
        "int IndexOf(char value, int startIndex, int count)": _find_in,
        "int LastIndexOf(string value, int startIndex)": _find_back,
        "int LastIndexOf(char value, int startIndex)": _find_back,
        "int LastIndexOfAny(char[] anyOf)": lambda text, chars: max((text.rfind(c) for c in chars), default=-1),
        "int IndexOfAny(char[] anyOf, int startIndex)": lambda text, chars, start: _find_any(
            "\0" * start + text[start:], [c for c in chars if c != "\0"]
        ),
        "bool IsNormalized()": lambda text: unicodedata.is_normalized("NFC", text),
        "int IndexOf(string value, StringComparison comparison)": _folded(str.find),
        "int LastIndexOf(string value)": _find_last,
        "int LastIndexOf(char value)": _find_last,
        "int LastIndexOf(string value, StringComparison comparison)": _folded(str.rfind),
        "int IndexOfAny(char[] anyOf)": _find_any,
        "string Replace(string oldValue, string newValue)": _replace,
        "string Replace(char oldChar, char newChar)": _replace,
        "string Replace(string oldValue, string newValue, StringComparison comparison)": _replace_with,
        "string Insert(int startIndex, string value)": _insert,
        "string Remove(int startIndex)": _remove,
        "string Remove(int startIndex, int count)": _remove_count,
        "string PadLeft(int totalWidth)": _pad(True),
        "string PadLeft(int totalWidth, char paddingChar)": _pad(True),
        "string PadRight(int totalWidth)": _pad(False),
        "string PadRight(int totalWidth, char paddingChar)": _pad(False),
        "string Trim(params char[] trimChars)": _trim("both"),
        "string TrimStart(params char[] trimChars)": _trim("start"),
        "string TrimEnd(params char[] trimChars)": _trim("end"),
        "string ToLower()": lower,
        "string ToLowerInvariant()": lower,
        "string ToUpper()": upper,
        "string ToUpperInvariant()": upper,
        "string ToString()": lambda text: text,
        "char[] ToCharArray()": _chars,
        "char[] ToCharArray(int startIndex, int length)": lambda t, i, n: _chars(substring_length(t, i, n)),
        "string Normalize()": lambda text: unicodedata.normalize("NFC", text),
        "int CompareTo(string other)": _static_compare,
        "object Clone()": lambda text: text,
        **_SPLITS,
        "static bool IsNullOrEmpty(string value)": lambda text: not text,
        "static bool IsNullOrWhiteSpace(string value)": lambda text: text is None or not text.strip(WHITE),
        "static string Concat(params object[] values)": _concat,
        "static string Concat(params string[] values)": _concat,
        "static string Concat<T>(IEnumerable<T> values)": _concat,
        "static string Join(string separator, params object[] values)": _join,
        "static string Join(string separator, params string[] values)": _join,
        "static string Join(string separator, string[] value, int startIndex, int count)": _join_range,
        "static string Join<T>(string separator, IEnumerable<T> values)": _join,
        "static string Format(string format, params object[] args)": composite,
        "static bool Equals(string a, string b)": _equals,
        "static bool Equals(string a, string b, StringComparison comparison)": _equals_with,
        "static int Compare(string a, string b)": _static_compare,
        "static int Compare(string a, string b, bool ignoreCase)": _static_compare,
        "static int Compare(string a, string b, StringComparison comparison)": compare_with,
        "static int CompareOrdinal(string a, string b)": _ordinal,
        "static string Copy(string text)": lambda text: text,
    },
)
members(
    p.OBJECT,
    {
        "new()": lambda: Plain(),
        "string ToString()": to_text,
        "bool Equals(object other)": lambda a, b: _object_equals(a, b),
        "int GetHashCode()": _hash,
        "static bool Equals(object a, object b)": lambda a, b: _object_equals(a, b),
        "static bool ReferenceEquals(object a, object b)": lambda a, b: a is b,
    },
)


class Plain:
    """new object()."""

    __slots__ = ()


stands_for(Plain, "object")


def _object_equals(left: Any, right: Any) -> bool:
    from proxy.expressions.dotnet.collections import equal

    return equal(left, right)
