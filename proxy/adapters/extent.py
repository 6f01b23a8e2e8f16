"""Where a message ends, as far as that is plain to see, so that a parser gets the bytes of one at a time.

Rules
1. Nobody relies on it for what a message is, or for whether it is one: the parser gets all bytes, and judges them. What
   is right here for a message that is valid is enough, since the parser stumbles over any other before its end.
2. What is told depends on the bytes, not on how they were cut into pieces.
"""

from __future__ import annotations

import re
from typing import Protocol

_SIZE = re.compile(rb"([1-9A-Fa-f][0-9A-Fa-f]{0,14})\r\n")  # what fits a position
_DIGITS = re.compile(rb"[0-9A-Fa-f]*")
_MOST_DIGITS = 17  # one more than any size that a parser reads has


class Extent(Protocol):
    """What of the bytes belongs to a message. `padded` says that it has more around its body than it may."""

    padded: bool

    def end(self, data: bytes, start: int) -> int:
        """How far the parser may read at once of `data`, from `start` on; `start` itself behind the end."""


class Length:
    """A body of so many bytes."""

    __slots__ = ("_left", "padded")

    def __init__(self, length: int) -> None:
        self._left, self.padded = length, False

    def end(self, data: bytes, start: int) -> int:
        size = min(self._left, len(data) - start)
        self._left -= size
        return start + size


class Lines:
    """A head, or trailers: lines up to an empty one, and then those of the next."""

    __slots__ = ("_width", "ended", "padded")

    def __init__(self) -> None:
        self._width = 0  # bytes of the line that is being read
        self.ended = self.padded = False

    def end(self, data: bytes, start: int) -> int:
        self.ended = False
        while (stop := data.find(b"\n", start) + 1) > 0:
            width, self._width = self._width + stop - start, 0
            start = stop
            if width == 2:
                self.ended = True
                return start
        self._width += len(data) - start
        return len(data)


class Chunks:
    """A body in chunks. What stands around them, sizes, extensions and trailers, may take `framing` bytes, and seven
    for each byte of the body before it."""

    __slots__ = ("_around", "_body", "_digits", "_framing", "_left", "_sized", "_trailers", "padded")

    def __init__(self, framing: int) -> None:
        self._framing = framing
        self._around = self._body = 0  # bytes
        self._left = 0  # bytes of a chunk, with the end of its line
        self._digits, self._sized = b"", False  # of its size, as far as they are there, and whether that is all of them
        self._trailers: Lines | None = None
        self.padded = False

    def end(self, data: bytes, start: int) -> int:
        most, trailers = len(data), self._trailers
        while start < most and not self.padded:
            begin = start
            if self._left:
                start = min(start + self._left, most)
                self._left -= start - begin
            elif trailers is not None:
                start = begin if trailers.ended else trailers.end(data, begin)
                self._count(start - begin)
                break
            elif not (self._sized or self._digits) and (start := self._plain(data, begin)) > begin:
                self._left, start = max(start - most, 0), min(start, most)
            else:
                stop = data.find(b"\n", begin) + 1
                start = stop or most
                self._count(start - begin)
                if not self._sized:
                    found = _DIGITS.match(data, begin, start)
                    assert found is not None
                    self._digits = (self._digits + found[0]).lstrip(b"0")[:_MOST_DIGITS]
                    self._sized = found.end() < start
                if stop and self._digits:
                    size = int(self._digits, 16)
                    self._left, self._digits, self._sized = size + 2, b"", False
                    self._around, self._body = self._around + 2, self._body + size
                elif stop:
                    trailers = self._trailers = Lines()
        return start

    def _plain(self, data: bytes, start: int) -> int:
        """Behind the chunks that have nothing but a size, as nearly all; the last of them may end behind the data."""
        around, body, most = self._around, self._body, self._framing + 8
        while (line := _SIZE.match(data, start)) is not None:
            size, end = int(line[1], 16), line.end()
            around += end - start
            if around > most + 7 * body:
                self.padded, start = True, end
                break
            around += 2
            body += size
            start = end + size + 2
        self._around, self._body = around, body
        return start

    def _count(self, size: int) -> None:
        self._around += size
        self.padded = self._around > self._framing + 7 * self._body + 8


NOTHING = Length(0)
