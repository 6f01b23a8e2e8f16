"""Where a message may end, so that a parser gets the bytes of one at a time.

Rules
1. A body with a length ends there. One in chunks ends with an empty line, and others may stand in its chunks: the
   parser gets it from one to the next, and says itself which of them was the end.
2. What is judged is what came, not how it was cut: a body in chunks at its end, and every STEP bytes before it.
"""

from __future__ import annotations

STEP = 16 * 1024  # bytes
_EMPTY_LINE = b"\r\n\r\n"


class Extent:
    """`left` is how many bytes of a body are still to come, -1 for one in chunks."""

    __slots__ = ("_came", "_last", "_left")

    def __init__(self, left: int) -> None:
        self._left = left
        self._came = 0  # bytes of chunks, with all that is around them
        self._last = b""  # the last three of them

    def end(self, data: bytes, start: int) -> int:
        """How far the parser may read at once of `data`, from `start` on. Not at all behind the end of the body."""
        most = len(data)
        if self._left >= 0:
            size = min(self._left, most - start)
            self._left -= size
            return start + size
        most = min(most, start + STEP - self._came % STEP)
        begun = self._last
        line = (begun + data[start : start + 3]).find(_EMPTY_LINE)
        end = line + len(_EMPTY_LINE) + start - len(begun) if line >= 0 else most
        if line < 0 and (line := data.find(_EMPTY_LINE, start, most)) >= 0:
            end = line + len(_EMPTY_LINE)
        end = min(end, most)
        self._last = (begun + data[max(end - 3, start) : end])[-3:]
        self._came += end - start
        return end

    def padded(self, size: int, ended: bool, framing: int) -> bool:
        """Whether so many bytes of a body came with chunk extensions, trailers or one-byte chunks without end:
        `framing` bytes of them, and eight for each of the body, are none too many."""
        judged = self._left < 0 and (ended or not self._came % STEP)
        return judged and self._came > framing + 8 * (size + 1)


NOTHING = Extent(0)
