"""What the reader makes of policy text: nodes, attributes, pieces of text, and the problems it met.

Offsets are into the text that was read. An entity is what XML has by itself: five names, and numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

ENTITY = re.compile(r"&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|(quot|apos|lt|gt|amp));")
_SET_APART = re.compile(r"<!\[CDATA\[|<!--")
_PREDEFINED = {"quot": '"', "apos": "'", "lt": "<", "gt": ">", "amp": "&"}


class MarkupError(ValueError):
    """The text is not a policy document. `offset` into the parsed text; `element` is what was being read."""

    def __init__(self, message: str, offset: int, element: str = "") -> None:
        super().__init__(message)
        self.offset = offset
        self.element = element


class Problem(NamedTuple):
    """What is wrong at an offset of the parsed text. `error` False: it was read all the same."""

    message: str
    offset: int
    element: str
    error: bool = True


class Piece(NamedTuple):
    """An attribute value or a run of text: decoded `value`, raw span [start, end) in the text."""

    value: str
    start: int
    end: int


class Attribute(NamedTuple):
    name: str
    offset: int
    value: Piece


class Node(NamedTuple):
    """One element. `content` holds child nodes and text pieces in order; comments are gone."""

    name: str
    offset: int
    attributes: tuple[Attribute, ...]
    content: tuple[Node | Piece, ...]

    @property
    def children(self) -> tuple[Node, ...]:
        return tuple(each for each in self.content if type(each) is Node)


class Document(NamedTuple):
    """What was read: the root element, None if there is none to be had, and the problems in their order."""

    root: Node | None
    problems: tuple[Problem, ...]


def original_offset(text: str, piece: Piece, index: int) -> int:
    """The offset in the text of the character `index` of a piece's decoded value."""
    decoded, position = 0, piece.start
    for found in ENTITY.finditer(text, piece.start, piece.end):
        plain = found.start() - position
        if decoded + plain >= index:
            break
        decoded += plain + 1
        position = found.end()
    return min(position + index - decoded, piece.end)


def character(found: re.Match[str]) -> str | None:
    """What an entity stands for; None if it is no character of XML."""
    decimal, hexadecimal, name = found.groups()
    if name:
        return _PREDEFINED[name]
    code = int(decimal) if decimal else int(hexadecimal, 16)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF or (code < 32 and code not in (9, 10, 13)):
        return None
    return chr(code)


def decode(raw: str) -> str:
    """Replace the predefined and numeric entities; what is none stays."""
    return ENTITY.sub(lambda found: character(found) or found.group(), raw)


def set_apart(raw: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, CDATA text) of the comments and CDATA sections; what does not end is neither."""
    position, endless = 0, set()
    while found := _SET_APART.search(raw, position):
        mark, position = found.group(), found.end()
        end = -1 if mark in endless else raw.find("-->" if mark == "<!--" else "]]>", position)
        if end < 0:
            endless.add(mark)
            continue
        yield found.start(), end + 3, "" if mark == "<!--" else raw[position:end]
        position = end + 3
