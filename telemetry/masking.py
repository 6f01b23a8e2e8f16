"""What of a captured message a diagnostic may see: its headers, its body's first bytes, and both without what it masks.

Rules
1. A name in lower case or "*" for all. `Hide` takes an item away, `Mask` leaves its name and puts WORD for its value.
   A name of its own counts before "*".
2. A message's mask is for its URL too; query parameters keep their order and spelling.
3. A body is cut at a whole character; what is no UTF-8 is written with replacement characters.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import unquote_plus

from telemetry.diagnostics import HIDE, Capture

WORD = "hidden"
ALL = "*"

Masks = tuple[tuple[str, str], ...]


def headers(captured: Iterable[tuple[str, str]], capture: Capture) -> list[tuple[str, str]]:
    """Of what was captured, what this one asks for, under the names that it uses."""
    wanted = _wanted(capture.headers)
    if not wanted:
        return []
    found: list[tuple[str, str]] = []
    for name, value in captured:
        own = wanted.get(name.lower())
        if own is not None:
            mode = _mode(capture.masked_headers, name.lower())
            if mode != HIDE:
                found.append((own, WORD if mode else value))
    return found


def url(text: str, masks: Masks) -> str:
    """`text` with its query parameters masked."""
    if not masks:
        return text
    path, mark, query = text.partition("?")
    if not mark or not query:
        return text
    kept: list[str] = []
    for part in query.split("&"):
        name, sign, _ = part.partition("=")
        mode = _mode(masks, unquote_plus(name).lower())
        if mode != HIDE:
            kept.append(f"{name}{sign}{WORD}" if mode and sign else part)
    return f"{path}?{'&'.join(kept)}" if kept else path


def body(content: bytes, capture: Capture) -> str:
    """The first bytes of a body, as text."""
    piece = content[: capture.body]
    if len(content) >= capture.body:  # it may have been cut within a character
        for end in range(len(piece), max(len(piece) - 4, -1), -1):
            try:
                return piece[:end].decode()
            except UnicodeDecodeError:
                continue
    return piece.decode("utf-8", "replace")


@lru_cache(maxsize=1024)
def _wanted(names: tuple[str, ...]) -> dict[str, str]:
    return {name.lower(): name for name in names}


@lru_cache(maxsize=1024)
def _modes(masks: Masks) -> dict[str, str]:
    return dict(masks)


def _mode(masks: Masks, name: str) -> str:
    """Mask, Hide, or nothing."""
    if not masks:
        return ""
    modes = _modes(masks)
    return modes.get(name) or modes.get(ALL, "")
