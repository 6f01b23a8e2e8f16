"""Cuts: the pieces in which a stream of bytes may come. What is made of it must not depend on them."""

from __future__ import annotations

import re
from collections.abc import Iterable

SHORT = 2_000  # bytes; longer streams are not cut at every byte, but into as many pieces
MOST = 24  # places of one kind at which a stream is cut
_LINE = re.compile(rb"\r\n")
_EMPTY = re.compile(rb"(?=\r\n\r\n)")


def pieces(data: bytes, places: Iterable[int]) -> tuple[bytes, ...]:
    """The data, cut at these places."""
    inner = sorted({each for each in places if 0 < each < len(data)})
    return tuple(data[a:b] for a, b in zip([0, *inner], [*inner, len(data)], strict=True))


def cuts_of(data: bytes) -> dict[str, tuple[bytes, ...]]:
    """Pieces by the name of the cut."""
    size, step = len(data), max(len(data) // SHORT, 1)
    lines = [found.end() for found in _LINE.finditer(data)]
    made = {
        "byte by byte": pieces(data, range(step, size, step)),
        "at each line": pieces(data, lines),
        "inside each CRLF": pieces(data, [each - 1 for each in lines]),
        "behind the first byte": pieces(data, [1]),
        "before the last byte": pieces(data, [size - 1]),
        "in thirds": pieces(data, [size // 3, 2 * size // 3]),
    }
    for number, found in enumerate(_EMPTY.finditer(data)):
        if number < MOST:
            made |= {
                f"{inside} into empty line {number}": pieces(data, [found.start() + inside]) for inside in range(5)
            }
    return {name: cut for name, cut in made.items() if len(cut) > 1}
