"""What System.String finds and compares: IndexOf, Contains, StartsWith, Replace, Compare in all their overloads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from proxy.expressions.dotnet import enums  # noqa: F401
from proxy.expressions.dotnet import primitives as p
from proxy.expressions.dotnet.culture import compare_ordinal, compare_with, ignores_case, upper
from proxy.expressions.dotnet.units import by_units
from proxy.expressions.runtime import (
    MAX_ALLOCATION,
    allocate,
    argument,
    argument_null,
    in_pieces,
    out_of_range,
    spend,
    stepwise,
)
from proxy.expressions.table import members

_START = "Index was out of range. Must be non-negative and less than the size of the collection."
_COUNT = "Count must be positive and count must refer to a location within the string/array/collection."
_PIECE = 64 * 1024
_LONG_SEARCH = 1024 * 1024
_MATCHES = 256  # made into one text
COMPARISON = "StringComparison comparisonType"


def required(value: Any, name: str = "value") -> Any:
    if value is None:
        argument_null(name)
    return value


def _bad_start() -> NoReturn:
    out_of_range(_START, "startIndex")


def _bad_count() -> NoReturn:
    out_of_range(_COUNT, "count")


Finder = Callable[[str, int, int], int]


def _finder(text: str, value: Any, comparison: Any, last: bool) -> Finder:
    """Searches `text` between two places for a text, a character or any of an array."""
    if isinstance(value, list):

        def any_of(_: str, start: int, stop: int) -> int:
            place = -1
            for char in stepwise(set(value)):
                spend((stop - start) >> 13)
                if (found := text.rfind(char, start, stop) if last else text.find(char, start, stop)) >= 0:
                    place = found
                    start, stop = (found + 1, stop) if last else (start, found)
            return place

        return any_of
    fold = comparison is not None and ignores_case(comparison)
    whole, part = (_capitals(text), upper(value)) if fold else (text, value)
    return (
        (lambda _, start, stop: _rfind(whole, part, start, stop))
        if last
        else (lambda _, start, stop: whole.find(part, start, stop))
    )


def _capitals(text: str) -> str:
    return in_pieces(upper, text)


def _rfind(text: str, part: str, start: int, stop: int) -> int:
    """Python searches backwards in a time that may grow with the product of both lengths, forwards never."""
    if (stop - start) * len(part) < _LONG_SEARCH:
        return text.rfind(part, start, stop)
    found = text[start:stop][::-1].find(part[::-1])
    return stop - found - len(part) if found >= 0 else -1


def find(text: str, value: Any, start: int = 0, count: int | None = None, comparison: Any = None) -> int:
    """IndexOf and IndexOfAny."""
    # what nearly every caller asks for
    if count is None and comparison is None and isinstance(value, str) and 0 <= start <= len(text) and text.isascii():
        return text.find(value, start)
    found: int = _find(text, value, start, count, comparison)
    return found


@by_units
def _find(text: str, value: Any, start: int, count: int | None, comparison: Any) -> int:
    required(value, "anyOf" if isinstance(value, list) else "value")
    if not 0 <= start <= len(text):
        _bad_start()
    if count is None:
        count = len(text) - start
    if count < 0 or start + count > len(text):
        _bad_count()
    return _finder(text, value, comparison, False)(text, start, start + count)


@by_units
def find_last(text: str, value: Any, start: int | None = None, count: int | None = None, comparison: Any = None) -> int:
    """LastIndexOf of a text: searches `count` units that end at `start`."""
    required(value)
    if start is None:
        start, count = len(text) - 1, len(text)
    if count is None:
        count = start + 1
    finder = _finder(text, value, comparison, True)
    if not text and start in (-1, 0):
        return 0 if value == "" else -1
    if not 0 <= start <= len(text):
        _bad_start()
    if start == len(text):
        start, count = start - 1, max(count - 1, 0)
    if count < 0 or start - count + 1 < 0:
        _bad_count()
    return finder(text, start - count + 1, start + 1)


@by_units
def _find_last_char(text: str, value: Any, start: int | None = None, count: int | None = None) -> int:
    """LastIndexOf of a character, LastIndexOfAny."""
    required(value, "anyOf")
    if not text:
        return -1
    if start is None:
        start, count = len(text) - 1, len(text)
    if count is None:
        count = start + 1
    if not 0 <= start < len(text):
        _bad_start()
    if count < 0 or start - count + 1 < 0:
        _bad_count()
    return _finder(text, value, None, True)(text, start - count + 1, start + 1)


def _any(value: Any) -> Any:
    return list(required(value, "anyOf"))


def contains(text: str, part: str) -> bool:
    return required(part) in text


def _folded(test: Callable[[str, str], bool]) -> Callable[[str, str, Any], bool]:
    def run(text: str, part: str, comparison: Any) -> bool:
        required(part)
        return test(_capitals(text), _capitals(part)) if ignores_case(comparison) else test(text, part)

    return run


def replace(text: str, old: str, new: str | None) -> str:
    required(old, "oldValue")
    if old == "":
        argument("String cannot be of zero length.", "oldValue")
    new = new or ""
    if len(text) > _PIECE:
        return _replace_in_pieces(text, old, new)
    grown = len(new) - len(old)
    allocate(len(text) + (text.count(old) * grown if grown > 0 else 0))
    return text.replace(old, new)


def _replace_in_pieces(text: str, old: str, new: str) -> str:
    """The same, while others run in between. A piece ends behind the last match that begins in it."""
    made: list[str] = []
    size, start, step = 0, 0, max(_PIECE, len(old))
    while start < len(text):
        end = start + step
        if text.find(old, max(end - len(old) + 1, start), end + len(old) - 1) < 0:
            piece = text[start:end]
        else:  # one begins here that ends behind, unless another that overlaps it comes first
            end = min(end + len(old) - 1, len(text))
            piece = text[start:end]
            end = max(end - len(piece.split(old)[-1]), start + step)
            piece = text[start:end]
        grown = len(new) - len(old)
        length = len(piece) + (piece.count(old) * grown if grown else 0)
        size += length
        allocate(size if size > MAX_ALLOCATION else length)
        made.append(piece.replace(old, new))
        start = end
    return "".join(made)


def _replace_with(text: str, old: str, new: str | None, comparison: Any) -> str:
    if not ignores_case(comparison):
        return replace(text, old, new)
    required(old, "oldValue")
    if old == "":
        argument("String cannot be of zero length.", "oldValue")
    folded, wanted, new, place = _capitals(text), upper(old), new or "", 0
    made: list[str] = []
    parts: list[str] = []
    size = 0

    def gather() -> None:
        nonlocal size
        made.append("".join(parts))
        size += len(made[-1])
        spend(len(parts) >> 5)
        allocate(size if size > MAX_ALLOCATION else len(made[-1]))
        parts.clear()

    while (found := folded.find(wanted, place)) >= 0:
        parts += (text[place:found], new)
        place = found + len(old)
        if len(parts) >= 2 * _MATCHES:
            gather()
    parts.append(text[place:])
    gather()
    return "".join(made)


def _equals(left: str | None, right: Any) -> bool:
    return left == right and type(right) is not bool


def _equals_with(left: str | None, right: str | None, comparison: Any) -> bool:
    return compare_with(left, right, comparison) == 0


def compare(left: str | None, right: str | None, ignore: bool = False) -> int:
    return compare_with(left, right, 1 if ignore else 0)


def ordinal(left: str | None, right: str | None) -> int:
    return compare_with(left, right, 4)


def _part(text: str, start: int, count: int, number: str) -> str:
    if start < 0 or start > len(text):
        out_of_range("Positive number required." if start > len(text) else _START, f"length{number}")
    return text[start : start + count]


def _compare_parts(a: str | None, at: int, b: str | None, other: int, count: int, comparison: Any = 0) -> int:
    if a is None or b is None:
        return (a is not None) - (b is not None)
    if count < 0:
        out_of_range("Positive number required.", "length")
    one, two = _part(a, at, count, "1"), _part(b, other, count, "2")
    if int(comparison) != 4:
        return compare_with(one, two, comparison)
    return next((ord(x) - ord(y) for x, y in zip(one, two, strict=False) if x != y), len(one) - len(two))


def _compare_to(left: str, right: Any) -> int:
    if right is not None and type(right) is not str:
        argument("Object must be of type String.")
    return compare(left, right)


_TABLE: dict[str, Any] = {
    "bool Contains(string value)": contains,
    "bool Contains(char value)": contains,
    "bool StartsWith(string value)": lambda text, part: text.startswith(required(part)),
    "bool StartsWith(char value)": str.startswith,
    "bool EndsWith(string value)": lambda text, part: text.endswith(required(part)),
    "bool EndsWith(char value)": str.endswith,
    f"bool Contains(string value, {COMPARISON})": _folded(lambda text, part: part in text),
    f"bool Contains(char value, {COMPARISON})": _folded(lambda text, part: part in text),
    f"bool StartsWith(string value, {COMPARISON})": _folded(str.startswith),
    f"bool EndsWith(string value, {COMPARISON})": _folded(str.endswith),
    "int IndexOfAny(char[] anyOf)": lambda text, chars: find(text, _any(chars)),
    "int IndexOfAny(char[] anyOf, int startIndex)": lambda text, chars, i: find(text, _any(chars), i),
    "int IndexOfAny(char[] anyOf, int startIndex, int count)": lambda text, chars, i, n: find(text, _any(chars), i, n),
    "int LastIndexOfAny(char[] anyOf)": lambda text, chars: _find_last_char(text, _any(chars)),
    "int LastIndexOfAny(char[] anyOf, int startIndex)": lambda text, chars, i: _find_last_char(text, _any(chars), i),
    "int LastIndexOfAny(char[] anyOf, int startIndex, int count)": lambda text, chars, i, n: _find_last_char(
        text, _any(chars), i, n
    ),
    "string Replace(string oldValue, string newValue)": replace,
    "string Replace(char oldChar, char newChar)": replace,
    f"string Replace(string oldValue, string newValue, {COMPARISON})": _replace_with,
    "bool Equals(string value)": _equals,
    "bool Equals(object value)": lambda a, b: type(b) is str and a == b,
    f"bool Equals(string value, {COMPARISON})": _equals_with,
    "int CompareTo(string strB)": compare,
    "int CompareTo(object value)": _compare_to,
    f"int GetHashCode({COMPARISON})": lambda text, mode: (
        hash(_capitals(text) if ignores_case(mode) else text) & 0x7FFFFFFF
    ),
    "static bool Equals(string a, string b)": _equals,
    f"static bool Equals(string a, string b, {COMPARISON})": _equals_with,
    "static int Compare(string strA, string strB)": compare,
    "static int Compare(string strA, string strB, bool ignoreCase)": compare,
    f"static int Compare(string strA, string strB, {COMPARISON})": compare_with,
    "static int CompareOrdinal(string strA, string strB)": ordinal,
    "static int CompareOrdinal(string strA, int indexA, string strB, int indexB, int length)": (
        lambda a, i, b, j, n: _compare_parts(a, i, b, j, n, 4)
    ),
}
_PARTS = "string strA, int indexA, string strB, int indexB, int length"
_TABLE |= {
    f"static int Compare({_PARTS})": _compare_parts,
    f"static int Compare({_PARTS}, bool ignoreCase)": lambda a, i, b, j, n, fold: _compare_parts(
        a, i, b, j, n, int(fold)
    ),
    f"static int Compare({_PARTS}, {COMPARISON})": _compare_parts,
}
for _kind in ("string", "char"):
    _back = find_last if _kind == "string" else _find_last_char
    _TABLE |= {
        f"int IndexOf({_kind} value)": find,
        f"int IndexOf({_kind} value, int startIndex)": find,
        f"int IndexOf({_kind} value, int startIndex, int count)": find,
        f"int IndexOf({_kind} value, {COMPARISON})": lambda text, value, mode: find(text, value, 0, None, mode),
        f"int LastIndexOf({_kind} value)": _back,
        f"int LastIndexOf({_kind} value, int startIndex)": _back,
        f"int LastIndexOf({_kind} value, int startIndex, int count)": _back,
    }
_TABLE |= {
    f"int IndexOf(string value, int startIndex, {COMPARISON})": lambda text, value, i, mode: find(
        text, value, i, None, mode
    ),
    f"int IndexOf(string value, int startIndex, int count, {COMPARISON})": find,
    f"int LastIndexOf(string value, {COMPARISON})": lambda text, value, mode: find_last(text, value, None, None, mode),
    f"int LastIndexOf(string value, int startIndex, {COMPARISON})": lambda text, value, i, mode: find_last(
        text, value, i, None, mode
    ),
    f"int LastIndexOf(string value, int startIndex, int count, {COMPARISON})": find_last,
}
members(p.STRING, _TABLE)

__all__ = ["compare", "compare_ordinal", "contains", "find", "ordinal", "replace", "required"]
