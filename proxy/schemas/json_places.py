"""Where a value stands in a JSON text. Only asked when something is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from json.decoder import scanstring  # type: ignore[attr-defined]

_SPACE = " \t\n\r"
_DECODER = json.JSONDecoder()


def place(text: str, path: Sequence[str | int], fold: bool = False) -> tuple[int, int]:
    """Line and position (both from 1) behind the value at `path`, or behind the bracket that opens it; (0, 0) when it
    is not there. `text` is sound JSON; `fold`: names compare without case."""
    at = _skip(text, 0)
    for step in path:
        found = _inner(text, at, step, fold)
        if found is None:
            return 0, 0
        at = found
    if text[at] not in "{[":
        at = _end(text, at) - 1
    line = text.count("\n", 0, at) + 1
    return line, at - text.rfind("\n", 0, at)


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _end(text: str, at: int) -> int:
    """Behind the value that begins at `at`."""
    return _DECODER.raw_decode(text, at)[1]


def _inner(text: str, at: int, step: str | int, fold: bool) -> int | None:
    """Where the member or item begins, of the container that begins at `at`."""
    container = text[at]
    index = 0
    found: int | None = None
    at = _skip(text, at + 1)
    while text[at] not in "}]":
        if container == "{":
            name, at = scanstring(text, at + 1)
            at = _skip(text, _skip(text, at) + 1)
            wanted = name.lower() == str(step).lower() if fold else name == step
        else:
            wanted = index == step
            index += 1
        if wanted:
            found = at  # of equal names the last one counts
            if container == "[":
                break
        at = _skip(text, _end(text, at))
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found
