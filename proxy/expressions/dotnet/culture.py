"""Comparison of strings: ordinal, ignoring case, and the invariant culture's order."""

from __future__ import annotations

import unicodedata
from typing import Any

from proxy.expressions.operators import compare_text
from proxy.expressions.runtime import spend, stepwise


def upper(text: str) -> str:
    """ToUpperInvariant: one character to one character."""
    made = text.upper()
    if len(made) == len(text) and text.isascii():
        return made
    return "".join(c if len(u := c.upper()) != 1 or c in "ıſ" else u for c in stepwise(text))


def lower(text: str) -> str:
    made = text.lower()
    if len(made) == len(text) and text.isascii():
        return made
    return "".join(c if len(u := c.lower()) != 1 or c == "İ" else u for c in stepwise(text))


def ignores_case(comparison: Any) -> bool:
    """Of a StringComparison value."""
    return int(comparison) % 2 == 1


def _culture_key(text: str) -> tuple[Any, ...]:
    """Base letters first, then accents, then case with small letters before capitals."""
    spread = unicodedata.normalize("NFD", text)
    spend(len(spread) >> 2)
    letters = [
        (0 if not c.isalnum() else 1 if c.isdigit() else 2, c.lower())
        for c in stepwise(spread)
        if not unicodedata.combining(c)
    ]
    accents = [c for c in stepwise(spread) if unicodedata.combining(c)]
    return (letters, accents, [c.isupper() for c in stepwise(spread)])


def compare_culture(left: str, right: str, ignore_case: bool = False) -> int:
    if ignore_case:
        left, right = upper(left), upper(right)
    if left == right:
        return 0
    one, two = _culture_key(left), _culture_key(right)
    return -1 if one < two else 1 if one > two else 0


def compare_with(left: str | None, right: str | None, comparison: Any) -> int:
    """string.Compare with a StringComparison."""
    if left is None or right is None:
        return (left is not None) - (right is not None)
    if int(comparison) < 4:
        return compare_culture(left, right, ignores_case(comparison))
    if ignores_case(comparison):
        left, right = upper(left), upper(right)
    return compare_text(left, right)
