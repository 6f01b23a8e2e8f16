"""string.Split in all its overloads."""

from __future__ import annotations

from typing import Any

from proxy.expressions.dotnet import enums  # noqa: F401
from proxy.expressions.dotnet.values import Array
from proxy.expressions.runtime import allocate, allocate_elements, argument, out_of_range, spend
from proxy.expressions.types import type_of_name

STRING = type_of_name("string")
# .NET's white space; U+200B is not
WHITE = "".join(
    chr(code) for code in [*range(9, 14), 32, 133, 160, 5760, *range(8192, 8203), 8232, 8233, 8239, 8287, 12288]
)


def split(text: str, separators: Any, count: int = 0x7FFFFFFF, options: Any = 0) -> Array:
    """Every overload of Split: characters or strings, a count, options."""
    if count < 0:
        out_of_range("Count cannot be less than zero.", "count")
    if not 0 <= int(options) <= 3:
        argument(f"Illegal enum value: {int(options)}.", "options")
    wanted = [s for s in ([separators] if isinstance(separators, str) else separators or []) if s]
    drop, trim = int(options) & 1, int(options) & 2
    if count == 0 or (drop and not text):
        return Array(STRING)
    allocate(len(text))
    parts = _pieces(text, wanted, separators, None if drop or trim else count)
    if not drop and not trim:
        return Array(STRING, parts)
    made: list[str] = []
    offset = 0
    for piece, gap in _measured(text, parts):
        if len(made) == count - 1:
            rest = text[offset:]
            if drop:
                rest = _without_leading(rest, wanted or list(WHITE))
            rest = rest.strip(WHITE) if trim else rest
            if rest or not drop:
                made.append(rest)
            return Array(STRING, made)
        shown = piece.strip(WHITE) if trim else piece
        if shown or not drop:
            made.append(shown)
        offset = gap
    return Array(STRING, made)


def _measured(text: str, parts: list[tuple[str, int]] | list[str]) -> list[tuple[str, int]]:
    return parts  # type: ignore[return-value]


def _pieces(text: str, wanted: list[str], separators: Any, count: int | None) -> Any:
    """Parts of the text; with `count` None each with the offset behind its separator."""
    if not wanted:
        wanted = list(WHITE) if not separators and not isinstance(separators, str) else []
    if count is not None and len(wanted) == 1:
        allocate_elements(min(text.count(wanted[0]), count))
        return text.split(wanted[0], count - 1)
    parts: list[Any] = []
    place = 0
    while wanted:
        if count is not None and len(parts) == count - 1:
            break
        spend(1 + ((len(text) - place) >> 10) * len(wanted))  # what is not there is looked for to the end each time
        found = min(((text.find(s, place), n) for n, s in enumerate(wanted) if text.find(s, place) >= 0), default=None)
        if found is None:
            break
        stop = found[0] + len(wanted[found[1]])
        parts.append(text[place : found[0]] if count is not None else (text[place : found[0]], stop))
        place = stop
    parts.append(text[place:] if count is not None else (text[place:], len(text)))
    return parts


def _without_leading(text: str, wanted: list[str]) -> str:
    while True:
        found = next((s for s in wanted if text.startswith(s)), None)
        if found is None:
            return text
        text = text[len(found) :]
