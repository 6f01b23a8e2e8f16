"""Cuts: the pieces in which a stream of bytes may come. What is made of it must not depend on them."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LINE = re.compile(rb"\r\n")
_EMPTY = re.compile(rb"(?=\r\n\r\n)")


def pieces(data: bytes, places: Iterable[int]) -> tuple[bytes, ...]:
    """The data, cut at these places."""
    inner = sorted({each for each in places if 0 < each < len(data)})
    return tuple(data[a:b] for a, b in zip([0, *inner], [*inner, len(data)], strict=True))


def cuts_of(data: bytes, most: int) -> dict[str, tuple[bytes, ...]]:
    """Pieces by the name of the cut; `most` is how many of a kind there may be."""
    size, step = len(data), len(data) // most + 1
    lines = [found.end() for found in _LINE.finditer(data)][:most]
    made = {
        "byte by byte": pieces(data, range(step, size, step)),
        "at each line": pieces(data, lines),
        "inside each CRLF": pieces(data, [each - 1 for each in lines]),
        "behind the first byte": pieces(data, [1]),
        "before the last byte": pieces(data, [size - 1]),
        "in thirds": pieces(data, [size // 3, 2 * size // 3]),
    }
    for number, found in enumerate(_EMPTY.finditer(data)):
        if number < most // 5:
            for inside in range(5):
                made[f"{inside} into empty line {number}"] = pieces(data, [found.start() + inside])
    return {name: cut for name, cut in made.items() if len(cut) > 1}
