"""Texts as .NET counts them: in UTF-16 units.

A Python string holds a character beyond U+FFFF as one, .NET as two. Values stay as Python has them; what counts or cuts
goes through `units`, and what comes back through `joined`. Both hand on a text that has no such character unchanged.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from proxy.expressions.runtime import LONG, in_pieces, spend, tick

_BEYOND = re.compile("[\U00010000-\U0010ffff]")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def units(text: str) -> str:
    """One character per UTF-16 unit."""
    if text.isascii():
        return text
    if len(text) < _SHORT:
        return _split(text)
    # a loop over a text asks for the same one again and again
    global _last
    known = _last
    if known[0] is not text:
        spend(len(text) >> 8)
        _last = known = (text, in_pieces(_split, text) if _beyond(text) else text)
    return known[1]


_SHORT = 256
_last = ("", "")


def _beyond(text: str) -> bool:
    """Whether there is a character that has two units."""
    for start in range(0, len(text), LONG):
        tick()
        if _BEYOND.search(text, start, start + LONG):
            return True
    return False


def _split(text: str) -> str:
    return _BEYOND.sub(lambda match: pair(ord(match[0])), text) if _BEYOND.search(text) else text


def pair(code: int) -> str:
    """The two units of a code point beyond U+FFFF."""
    code -= 0x10000
    return chr(0xD800 + (code >> 10)) + chr(0xDC00 + (code & 0x3FF))


def joined(text: str) -> str:
    """Units that belong together become one character again."""
    if text.isascii():
        return text
    return _PAIR.sub(lambda match: chr(0x10000 + ((ord(match[0][0]) & 0x3FF) << 10) + (ord(match[0][1]) & 0x3FF)), text)


def length(text: str) -> int:
    return len(text) if text.isascii() else len(units(text))


def by_units(function: Callable[..., Any]) -> Callable[..., Any]:
    """A member of a text whose numbers are positions."""

    @functools.wraps(function)
    def run(text: str, *rest: Any) -> Any:
        if text.isascii() or (wide := units(text)) is text:
            return function(text, *rest)
        made = function(wide, *(units(one) if type(one) is str else one for one in rest))
        return joined(made) if type(made) is str else made

    return run
