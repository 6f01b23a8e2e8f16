"""string.Split in all its overloads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from proxy.expressions.dotnet import enums  # noqa: F401
from proxy.expressions.dotnet.values import Array
from proxy.expressions.runtime import (
    MAX_ALLOCATION,
    allocate,
    allocate_elements,
    argument,
    out_of_range,
    spend,
    stepwise,
)
from proxy.expressions.types import type_of_name

_PIECE = 64 * 1024
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
    for piece, gap in stepwise(parts):
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


def _pieces(text: str, wanted: list[str], separators: Any, count: int | None) -> Any:
    """Parts of the text; with `count` None each with the offset behind its separator."""
    if not wanted:
        wanted = list(WHITE) if not separators and not isinstance(separators, str) else []
    if count is not None and len(wanted) == 1:
        return _split_at(text, wanted[0], count - 1)
    parts: list[Any] = []
    place = 0
    for start, stop in _separators(text, wanted) if wanted else ():
        if count is not None and len(parts) == count - 1:
            break
        parts.append(text[place:start] if count is not None else (text[place:start], stop))
        place = stop
        if not len(parts) & 7:
            allocate_elements(len(parts) if len(parts) * 8 > MAX_ALLOCATION else 8)
    parts.append(text[place:] if count is not None else (text[place:], len(text)))
    return parts


def _separators(text: str, wanted: list[str]) -> Iterator[tuple[int, int]]:
    """Where each begins and ends: of two at one place the one that is named first."""
    spend(sum(map(len, wanted)))
    longest, names = max(map(len, wanted)), "".join(map(re.escape, wanted))
    pattern = re.compile(f"[{names}]" if longest == 1 else "|".join(map(re.escape, wanted)))
    place = 0
    while place < len(text):
        end = place + _PIECE
        match = pattern.search(text, place, end + longest - 1)
        if match is None or match.start() >= end:  # what begins there may be another one, cut off
            place = end
            spend(_PIECE >> 10)
        else:
            yield match.span()
            place = match.end()


def _split_at(text: str, separator: str, most: int) -> list[str]:
    """At the first `most` separators, while others run in between."""
    if len(text) <= _PIECE:
        short = text.split(separator, most)
        allocate_elements(len(short))
        return short
    parts: list[str] = []
    place = 0
    while len(parts) < most:
        end = place + _PIECE
        found = text[place:end].split(separator, most - len(parts))
        if len(found) > 1:
            place = min(end, len(text)) - len(found.pop())
        else:  # the next one ends beyond this piece
            stop = text.find(separator, max(end - len(separator) + 1, place))
            if stop < 0:
                break
            found = [text[place:stop]]
            place = stop + len(separator)
        parts += found
        many = len(parts) * 8 > MAX_ALLOCATION
        allocate_elements(len(parts) if many else len(found))
    parts.append(text[place:])
    return parts


def _without_leading(text: str, wanted: list[str]) -> str:
    while True:
        found = next((s for s in wanted if text.startswith(s)), None)
        if found is None:
            return text
        text = text[len(found) :]
