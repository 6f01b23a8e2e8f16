"""System.Text.StringBuilder."""

from __future__ import annotations

from typing import NoReturn

from proxy.expressions.dotnet import enums  # noqa: F401
from proxy.expressions.dotnet.format import composite
from proxy.expressions.dotnet.searching import replace as _replace
from proxy.expressions.dotnet.strings import _get, _insert, _join, _remove_count, _repeat, substring_length
from proxy.expressions.dotnet.text import TEXTS, to_text
from proxy.expressions.dotnet.values import stands_for
from proxy.expressions.runtime import MAX_ALLOCATION, allocate, out_of_range
from proxy.expressions.table import attribute, define, members, setters


class StringBuilder:
    """A growing text, kept in pieces."""

    __slots__ = ("parts", "size")

    def __init__(self, text: str | None = "") -> None:
        self.parts = [text or ""]
        self.size = len(text or "")

    def text(self) -> str:
        if len(self.parts) > 1:
            self.parts = ["".join(self.parts)]
        return self.parts[0]

    def append(self, value: str) -> StringBuilder:
        self.size += len(value)
        allocate(len(value) if self.size <= MAX_ALLOCATION else self.size)
        self.parts.append(value)
        return self

    def become(self, value: str) -> StringBuilder:
        self.parts, self.size = [value], len(value)
        return self


stands_for(StringBuilder, "StringBuilder")
TEXTS[StringBuilder] = StringBuilder.text
BUILDER = define("StringBuilder", "System.Text.StringBuilder")


def _set_length(builder: StringBuilder, length: int) -> None:
    if length < 0:
        out_of_range("Length cannot be less than zero.", "value")
    allocate(length)
    builder.become(builder.text()[:length].ljust(length, "\0"))


def _bad_index() -> NoReturn:
    out_of_range("Index was out of range. Must be non-negative and less than the size of the collection.", "index")


def _builder_remove(builder: StringBuilder, start: int, length: int) -> StringBuilder:
    if start < 0 or length < 0 or start + length > builder.size:
        _bad_index()
    return builder.become(_remove_count(builder.text(), start, length))


members(
    BUILDER,
    {
        "new()": StringBuilder,
        "new(string value)": StringBuilder,
        "new(int capacity)": lambda size: StringBuilder(),
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
        "int Capacity": lambda b: max(16, b.size),
        "bool Equals(StringBuilder other)": lambda a, b: b is not None and a.text() == b.text(),
        "StringBuilder AppendLine()": lambda b: b.append("\n"),
        "StringBuilder AppendLine(string value)": lambda b, value: b.append((value or "") + "\n"),
        "StringBuilder AppendFormat(string format, params object[] args)": lambda b, f, args: b.append(
            composite(f, args)
        ),
        "StringBuilder Clear()": lambda b: b.become(""),
        "StringBuilder Insert(int index, object value)": lambda b, i, v: b.become(_insert(b.text(), i, to_text(v))),
        "StringBuilder Remove(int startIndex, int length)": _builder_remove,
        "StringBuilder Replace(string oldValue, string newValue)": lambda b, o, n: b.become(_replace(b.text(), o, n)),
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
