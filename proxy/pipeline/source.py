"""A policy text and the places in it: lines and columns, before and after named values are put in.

Rules
1. `{{Name}}` is replaced textually before anything is parsed, in attributes, text and expressions alike.
2. Every place is reported in the text as its author wrote it, whatever the named values made of it.
3. A value never names another named value: what was put in is not searched again.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

NAMED_VALUE = re.compile(r"\{\{([A-Za-z0-9._-]+)\}\}")
_START_TAG = re.compile(r"<([A-Za-z][A-Za-z0-9.-]*)")
# Liquid templates write their own outputs as {{...}}; only known names are named values there.
_LIQUID = re.compile(
    r"<(set-body|publish-to-da(?:pr|rp)|invoke-da(?:pr|rp)-binding)\b[^<>]*\btemplate\s*=\s*[\"']liquid[\"'][^<>]*>",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Source:
    """`text` is what is parsed, `original` what the author wrote; `shifts` are (offset in text, offset in original)."""

    text: str
    original: str
    shifts: tuple[tuple[int, int], ...] = ()
    unknown: tuple[tuple[int, str], ...] = ()  # (offset in original, name) of named values that do not exist
    used: frozenset[str] = frozenset()  # names of all the named values it asks for, existing or not
    fragment: str = ""  # its id when it is not the document itself

    @property
    def title(self) -> str:
        return f"fragment '{self.fragment}'" if self.fragment else ""

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(found.end() for found in re.finditer(r"\n", self.original))]

    @cached_property
    def _shift_starts(self) -> list[int]:
        return [start for start, _ in self.shifts]

    def original_offset(self, offset: int) -> int:
        """Where in the author's text the parsed text's `offset` comes from; inside a named value, its `{{`."""
        index = bisect_right(self._shift_starts, offset) - 1
        if index < 0:
            return offset
        start, origin = self.shifts[index]
        if index % 2 == 0:  # even entries open a replacement, odd ones close it
            return origin
        return origin + offset - start

    def written(self, start: int, end: int) -> str:
        """The author's text that the parsed text's [start, end) comes from."""
        return self.original[self.original_offset(start) : self.original_offset(end)]

    def values_within(self, start: int, end: int) -> list[tuple[str, str]]:
        """(value, `{{name}}`) of what was put in between two offsets of the parsed text."""
        found = []
        for (opened, first), (closed, last) in zip(self.shifts[::2], self.shifts[1::2], strict=True):
            if opened < end and closed > start:
                found.append((self.text[opened:closed], self.original[first:last]))
        return found

    def value_at(self, offset: int) -> str:
        """The `{{name}}` whose value an offset of the parsed text lies in; "" if it is the author's own text."""
        return next((name for _, name in self.values_within(offset, offset + 1)), "")

    def place(self, offset: int) -> tuple[int, int]:
        """1-based line and column of an offset into the parsed text."""
        return self.place_of_original(self.original_offset(offset))

    def place_of_original(self, offset: int) -> tuple[int, int]:
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def element_of_original(self, offset: int) -> str:
        """The name of the start tag that comes last before the offset, which may be unparsable; "" for none."""
        while (offset := self.original.rfind("<", 0, offset)) >= 0:
            if found := _START_TAG.match(self.original, offset):
                return found[1]
        return ""


def substitute(original: str, values: Mapping[str, str]) -> Source:
    """Put the named values in; unknown ones stay as they are and are listed."""
    if original.startswith("\ufeff"):
        original = original[1:]
    if "{{" not in original:
        return Source(original, original)
    pieces: list[str] = []
    shifts: list[tuple[int, int]] = []
    unknown: list[tuple[int, str]] = []
    used: set[str] = set()
    done = length = 0
    for found in NAMED_VALUE.finditer(original):
        name = found.group(1)
        value = values.get(name)
        if value is None:
            unknown.append((found.start(), name))
            continue
        used.add(name)
        pieces += (original[done : found.start()], value)
        length += found.start() - done
        shifts += ((length, found.start()), (length + len(value), found.end()))
        length += len(value)
        done = found.end()
    pieces.append(original[done:])
    if unknown and "liquid" in original.lower():
        starts, ends = _templates(original)
        unknown = [each for each in unknown if not _lies_within(each[0], starts, ends)]
    used.update(name for _, name in unknown)
    return Source("".join(pieces), original, tuple(shifts), tuple(unknown), frozenset(used))


def _templates(text: str) -> tuple[list[int], list[int]]:
    """Where Liquid templates start, and where they end, in their order."""
    starts: list[int] = []
    ends: list[int] = []
    position = 0
    while found := _LIQUID.search(text, position):
        end = text.find(f"</{found[1]}", found.end())
        if end < 0:
            break
        starts.append(found.start())
        ends.append(end)
        position = end
    return starts, ends


def _lies_within(offset: int, starts: list[int], ends: list[int]) -> bool:
    index = bisect_right(starts, offset) - 1
    return index >= 0 and offset < ends[index]


def unresolved(text: str) -> bool:
    """Whether a named value that does not exist still stands in the text; its absence is reported once already."""
    return "{{" in text and NAMED_VALUE.search(text) is not None
