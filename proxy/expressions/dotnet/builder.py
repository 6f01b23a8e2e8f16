"""System.Text.StringBuilder."""

from __future__ import annotations

from typing import NoReturn

from proxy.expressions.dotnet import enums  # noqa: F401
from proxy.expressions.dotnet.format import composite
from proxy.expressions.dotnet.searching import replace as _replace
from proxy.expressions.dotnet.strings import _get, _insert, _join, _remove_count, _repeat, substring_length
from proxy.expressions.dotnet.text import TEXTS, to_text
from proxy.expressions.dotnet.units import joined, length, units
from proxy.expressions.dotnet.values import stands_for
from proxy.expressions.runtime import MAX_ALLOCATION, allocate, argument, argument_null, out_of_range
from proxy.expressions.table import attribute, define, members, setters


class StringBuilder:
    """A growing text, kept in pieces."""

    __slots__ = ("parts", "size")

    def __init__(self, text: str | None = "") -> None:
        self.parts = [text or ""]
        self.size = length(text or "")

    def text(self) -> str:
        if len(self.parts) > 1:
            self.parts = [joined("".join(self.parts))]
        return self.parts[0]

    def append(self, value: str) -> StringBuilder:
        self.size += length(value)
        allocate(len(value) if self.size <= MAX_ALLOCATION else self.size)
        self.parts.append(value)
        return self

    def become(self, value: str) -> StringBuilder:
        self.parts, self.size = [value], length(value)
        return self


stands_for(StringBuilder, "StringBuilder")
TEXTS[StringBuilder] = StringBuilder.text
BUILDER = define("StringBuilder", "System.Text.StringBuilder")


def _set_length(builder: StringBuilder, length: int) -> None:
    if length < 0:
        out_of_range("Length cannot be less than zero.", "value")
    allocate(length)
    builder.become(builder.text()[:length].ljust(length, "\0"))


def _sized(capacity: int, most: int = 0x7FFFFFFF) -> StringBuilder:
    if capacity < 0:
        out_of_range("'capacity' must be greater than zero.", "capacity")
    if capacity > most:
        out_of_range("Capacity exceeds maximum capacity.", "capacity")
    return StringBuilder()


def _part(text: str | None, start: int, count: int, capacity: int = 16) -> StringBuilder:
    return StringBuilder(substring_length(text or "", start, count))


def _slice(chars: list[str] | None, start: int, count: int) -> str:
    if chars is None:
        if start or count:
            argument_null("value")
        return ""
    if start < 0 or count < 0 or start + count > len(chars):
        _bad_index("startIndex" if start < 0 else "charCount")
    return "".join(chars[start : start + count])


def _replace_part(builder: StringBuilder, old: str, new: str | None, start: int, count: int) -> StringBuilder:
    text = builder.text()
    if not 0 <= start <= len(text):
        _bad_index("startIndex")
    if count < 0 or start + count > len(text):
        _bad_index("count")
    stop = start + count
    return builder.become(text[:start] + _replaced(text[start:stop], old, new) + text[stop:])


def _replaced(text: str, old: str, new: str | None) -> str:
    if old == "":
        argument("Empty name is not legal.", "oldValue")
    return _replace(text, old, new)


def _inserted(builder: StringBuilder, index: int, value: str, count: int = 1) -> StringBuilder:
    if count < 0:
        out_of_range("Non-negative number required.", "count")
    if not 0 <= index <= builder.size:
        _bad_index()
    allocate(len(value) * count)
    return builder.become(_insert(builder.text(), index, value * count))


def _copied(builder: StringBuilder, start: int, target: list[str], at: int, count: int) -> None:
    if target is None:
        argument_null("destination")
    text = units(builder.text())
    if count < 0:
        out_of_range("Non-negative number required.", "count")
    if start < 0 or start > len(text):
        _bad_index("sourceIndex")
    if start + count > len(text):
        argument("Source string was not long enough. Check sourceIndex and count.")
    if at < 0 or at + count > len(target):
        argument("Either offset did not refer to a position in the string, or there is an insufficient length of "
                 "destination character array.")  # fmt: skip
    target[at : at + count] = text[start : start + count]


def _ensured(builder: StringBuilder, capacity: int) -> int:
    if capacity < 0:
        out_of_range("Capacity must be positive.", "capacity")
    return max(16, builder.size, capacity)


def _bad_index(name: str = "index") -> NoReturn:
    out_of_range("Index was out of range. Must be non-negative and less than the size of the collection.", name)


def _builder_remove(builder: StringBuilder, start: int, length: int) -> StringBuilder:
    if length < 0:
        out_of_range("Length cannot be less than zero.", "length")
    if start < 0:
        out_of_range("StartIndex cannot be less than zero.", "startIndex")
    if start + length > builder.size:
        _bad_index("length")
    return builder.become(_remove_count(builder.text(), start, length))


members(
    BUILDER,
    {
        "new()": StringBuilder,
        "new(string value)": StringBuilder,
        "new(int capacity)": _sized,
        "new(int capacity, int maxCapacity)": _sized,
        "new(string value, int startIndex, int length, int capacity)": _part,
        "new(string value, int capacity)": lambda text, size: StringBuilder(text),
        "StringBuilder Append(object value)": lambda b, value: b.append(to_text(value)),
        "StringBuilder Append(string value)": lambda b, value: b.append(value or ""),
        "StringBuilder Append(char value)": lambda b, value: b.append(value),
        "StringBuilder Append(char value, int count)": lambda b, value, count: b.append(_repeat(value, count)),
        "StringBuilder Append(char[] value)": lambda b, value: b.append("".join(value or ())),
        "StringBuilder Append(string value, int startIndex, int count)": lambda b, v, i, n: b.append(
            substring_length(v, i, n)
        ),
        "StringBuilder AppendJoin<T>(string separator, IEnumerable<T> values)": lambda b, s, v: b.append(_join(s, v)),
        "StringBuilder AppendJoin(string separator, params object[] values)": lambda b, s, v: b.append(_join(s, v)),
        "StringBuilder Append(char[] value, int startIndex, int charCount)": lambda b, v, i, n: b.append(
            _slice(v, i, n)
        ),
        "StringBuilder Append(StringBuilder value)": lambda b, v: b.append(v.text() if v is not None else ""),
        "StringBuilder Append(StringBuilder value, int startIndex, int count)": lambda b, v, i, n: b.append(
            substring_length(v.text(), i, n)
        ),
        "StringBuilder AppendJoin<T>(char separator, IEnumerable<T> values)": lambda b, s, v: b.append(_join(s, v)),
        "StringBuilder AppendJoin(char separator, params object[] values)": lambda b, s, v: b.append(_join(s, v)),
        "StringBuilder AppendJoin(char separator, params string[] values)": lambda b, s, v: b.append(_join(s, v)),
        "StringBuilder AppendJoin(string separator, params string[] values)": lambda b, s, v: b.append(_join(s, v)),
        "StringBuilder AppendFormat(IFormatProvider provider, string format, params object[] args)": (
            lambda b, _, f, args: b.append(composite(f, args))
        ),
        "int MaxCapacity": lambda b: 0x7FFFFFFF,
        "int EnsureCapacity(int capacity)": _ensured,
        "void CopyTo(int sourceIndex, char[] destination, int destinationIndex, int count)": _copied,
        "StringBuilder Insert(int index, string value)": lambda b, i, v: _inserted(b, i, v or ""),
        "StringBuilder Insert(int index, string value, int count)": lambda b, i, v, n: _inserted(b, i, v or "", n),
        "StringBuilder Insert(int index, char[] value)": lambda b, i, v: _inserted(b, i, "".join(v or ())),
        "StringBuilder Insert(int index, char[] value, int startIndex, int charCount)": (
            lambda b, at, v, i, n: _inserted(b, at, _slice(v, i, n))
        ),
        "StringBuilder Replace(string oldValue, string newValue, int startIndex, int count)": _replace_part,
        "StringBuilder Replace(char oldChar, char newChar, int startIndex, int count)": _replace_part,
        "int Capacity": lambda b: max(16, b.size),
        "bool Equals(StringBuilder other)": lambda a, b: b is not None and a.text() == b.text(),
        "StringBuilder AppendLine()": lambda b: b.append("\n"),
        "StringBuilder AppendLine(string value)": lambda b, value: b.append((value or "") + "\n"),
        "StringBuilder AppendFormat(string format, params object[] args)": lambda b, f, args: b.append(
            composite(f, args)
        ),
        "StringBuilder Clear()": lambda b: b.become(""),
        "StringBuilder Insert(int index, object value)": lambda b, i, v: _inserted(b, i, to_text(v)),
        "StringBuilder Remove(int startIndex, int length)": _builder_remove,
        "StringBuilder Replace(string oldValue, string newValue)": lambda b, o, n: b.become(_replaced(b.text(), o, n)),
        "StringBuilder Replace(char oldChar, char newChar)": lambda b, o, n: b.become(_replace(b.text(), o, n)),
        "int Length": attribute("size"),
        "char this[int index]": lambda b, i: _get(b.text(), i),
        "string ToString()": StringBuilder.text,
        "string ToString(int startIndex, int length)": lambda b, i, n: substring_length(b.text(), i, n),
    },
)


def _set_char(builder: StringBuilder, index: int, value: str) -> None:
    if not 0 <= index < builder.size:
        out_of_range("Index was out of range. Must be non-negative and less than the size of the collection.", "index")
    text = builder.text()
    builder.become(text[:index] + value + text[index + 1 :])


setters(BUILDER, {"Length": _set_length, "this[int]": _set_char})
