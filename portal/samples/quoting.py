"""Texts as literals of languages whose double-quoted strings know the escapes of JSON. Pure."""

from __future__ import annotations

import json


def quoted(text: str, also: str = "") -> str:
    """A JSON string in ASCII; the characters of `also`, which mean something to a language, get a backslash."""
    literal = json.dumps(text.encode("utf-16", "replace").decode("utf-16")).replace("\x7f", "\\u007f")
    for each in also:
        literal = literal.replace(each, "\\" + each)
    return literal
