"""Comparison of strings: ordinal, ignoring case, and the invariant culture's order."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Any

from proxy.expressions.dotnet.units import units
from proxy.expressions.runtime import LONG, PIECE, argument, in_pieces, spend, stepwise, tick

# what the root collation puts before digits and letters, in its order
_MARKS = {mark: place for place, mark in enumerate("\t\n\v\f\r\u0085\u2028\u2029 _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$")}


# one letter that is sorted as two
_PAIRS = {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE"}


def upper(text: str) -> str:
    """ToUpperInvariant: one character to one character."""
    made = text.upper()
    if len(made) == len(text) and text.isascii():
        return made
    return "".join(_capital(c) for c in text)


@lru_cache(2048)
def _capital(char: str) -> str:
    """One character for one; what has two capitals has one for the beginning of a word, or stays."""
    if char in "ıſ":
        return char
    return next((made for made in (char.upper(), char.title()) if len(made) == 1), char)


def lower(text: str) -> str:
    made = text.lower()
    if len(made) == len(text) and text.isascii():
        return made
    return "".join(c if len(u := c.lower()) != 1 or c == "İ" else u for c in text)


def ignores_case(comparison: Any) -> bool:
    """Of a StringComparison value."""
    number = int(comparison)
    if not 0 <= number <= 5:
        argument("The string comparison type passed in is currently not supported.", "comparisonType")
    return number % 2 == 1


def _weight(char: str) -> tuple[int, int, str]:
    if char.isalpha():
        return 2, 0, char.lower()
    if char.isdigit():
        return 1, 0, char
    return 0, _MARKS.get(char, 99), char


def _culture_key(text: str) -> tuple[Any, ...]:
    """Base letters first, then accents, then case with small letters before capitals."""
    spend(len(text) >> 2)
    shown = text if text.isascii() else "".join(_PAIRS.get(char, char) for char in stepwise(text))
    spread = [
        char
        for char in stepwise(unicodedata.normalize("NFD", shown))
        if char in _MARKS or unicodedata.category(char) not in ("Cc", "Cf")
    ]
    letters = [_weight(c) for c in stepwise(spread) if not unicodedata.combining(c)]
    accents = [c for c in stepwise(spread) if unicodedata.combining(c)]
    return letters, accents, [c.isupper() for c in stepwise(spread)], shown != text


_remembered_key = lru_cache(4096)(_culture_key)


def compare_culture(left: str, right: str, ignore_case: bool = False) -> int:
    if ignore_case:
        left, right = in_pieces(upper, left), in_pieces(upper, right)
    if left == right:
        return 0
    key = _culture_key if max(len(left), len(right)) > PIECE else _remembered_key
    one, two = key(left), key(right)
    if ignore_case:
        one, two = (*one[:2], one[3]), (*two[:2], two[3])
    return -1 if one < two else 1 if one > two else 0


def compare_ordinal(left: str, right: str) -> int:
    """string.CompareOrdinal: the distance of the first units that differ, else of the lengths.

    The end of a text counts as a unit of 0 among its first two.
    """
    if left == right:
        return 0
    left, right = units(left), units(right)
    one, two = f"{left}\0\0", f"{right}\0\0"
    place = _difference(one, two, max(min(len(left), len(right)), 2))
    return len(left) - len(right) if place is None else ord(one[place]) - ord(two[place])


def compare_folded(left: str, right: str) -> int:
    """OrdinalIgnoreCase: as capitals."""
    left, right = units(in_pieces(upper, left)), units(in_pieces(upper, right))
    place = _difference(left, right, min(len(left), len(right)))
    return len(left) - len(right) if place is None else ord(left[place]) - ord(right[place])


def _difference(left: str, right: str, stop: int) -> int | None:
    """Where the first units before `stop` are that differ."""
    for start in range(0, stop, PIECE):
        end = min(start + PIECE, stop)
        if left[start:end] != right[start:end]:
            return next(place for place in range(start, end) if left[place] != right[place])
        if not start % LONG:
            tick()
    return None


def compare_with(left: str | None, right: str | None, comparison: Any) -> int:
    """string.Compare with a StringComparison."""
    folded = ignores_case(comparison)
    if left is None or right is None:
        return (left is not None) - (right is not None)
    if int(comparison) < 4:
        return compare_culture(left, right, folded)
    return compare_folded(left, right) if folded else compare_ordinal(left, right)
