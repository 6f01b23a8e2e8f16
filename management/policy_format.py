"""The two ways to write a policy: `xml` is well-formed, so expressions are escaped; `rawxml` has them as C# is written.

Only expressions differ: `condition="@(a &amp;&amp; b == &quot;x&quot;)"` is `condition="@(a && b == "x")"` in rawxml. A
document is stored as it was given and converted when it is read in the other format; lines stay lines.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from xml.sax.saxutils import escape

# an expression fills an attribute's value or an element's text
ESCAPED = re.compile(r"""=\s*"(?P<double>@[({][^"]*)"|=\s*'(?P<single>@[({][^']*)'|>(?P<text>\s*@[({][^<]*)<""")
OPENING = re.compile(r"""(?:=\s*["']|>\s*)(?=@[({])""")
SKIPPED = re.compile(r"<!--.*?-->|<!\[CDATA\[.*?\]\]>", re.DOTALL)
# what may hide a bracket in C#: verbatim, interpolated and plain strings, characters, comments
HIDING = re.compile(
    r'\$?@"(?:[^"]|"")*"|@\$"(?:[^"]|"")*"|\$?"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)\'|\'\\[^\']*\'|//[^\n]*|/\*.*?\*/',
    re.DOTALL,
)
PAIRS = {"(": ")", "{": "}"}


def convert(text: str, given: str, wanted: str) -> str:
    """`text` as it reads in the format `wanted`; both are "xml" or "rawxml"."""
    if given == wanted:
        return text
    return _outside(text, _unescape if wanted == "rawxml" else _escape)


def _outside(text: str, change: Callable[[str], str]) -> str:
    """Apply `change` to what is neither a comment nor character data."""
    parts, position = [], 0
    for match in SKIPPED.finditer(text):
        parts += [change(text[position : match.start()]), match[0]]
        position = match.end()
    return "".join([*parts, change(text[position:])])


def _unescape(text: str) -> str:
    return ESCAPED.sub(lambda match: html.unescape(match[0]), text)


def _escape(text: str) -> str:
    parts, position = [], 0
    while match := OPENING.search(text, position):
        end = _end(text, match.end() + 1)
        if end is None:
            break
        parts += [text[position : match.end()], escape(text[match.end() : end], {'"': "&quot;", "'": "&apos;"})]
        position = end
    return "".join([*parts, text[position:]])


def _end(text: str, start: int) -> int | None:
    """The position after the bracket that closes the one at `start`; None when it stays open."""
    opening, closing = text[start], PAIRS[text[start]]
    depth, position = 0, start
    while position < len(text):
        hidden = HIDING.match(text, position)
        if hidden:
            position = hidden.end()
            continue
        depth += (text[position] == opening) - (text[position] == closing)
        position += 1
        if depth == 0:
            return position
    return None
