"""How findings about an element are worded.

Rules
1. A message shows values as their author wrote them: what a named value holds may be a secret.
2. A name that is not known is answered with the nearest that is.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from proxy.expressions import ExpressionError
from proxy.pipeline import blanks
from proxy.pipeline.nodes import Node, Piece, original_offset
from proxy.pipeline.source import Source

# What is shorter stands in many a word; it is only replaced where it is the whole value.
_TELLING = 4


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence that offers the nearest known name, or nothing."""
    close = difflib.get_close_matches(name, sorted(known), 1, 0.6)
    return f" Did you mean '{close[0]}'?" if close else ""


def pieces_of(node: Node) -> list[Piece]:
    """The values and texts of an element, not of its children."""
    return [each.value for each in node.attributes] + [each for each in node.content if type(each) is Piece]


def blank_in(node: Node, offset: int | None) -> str:
    """What is left open in the value or text at an offset, or in any; "" if nothing is."""
    about = [each for each in pieces_of(node) if offset is None or each.start <= offset <= each.end]
    return next((blank for each in about if (blank := blanks.first_blank(each.value))), "")


def as_written(message: str, node: Node, source: Source) -> str:
    """A message about an element, with `{{name}}` for what the named values hold."""
    if not source.shifts:
        return message
    for piece in pieces_of(node):
        written = source.written(piece.start, piece.end)
        if written == source.text[piece.start : piece.end]:
            continue
        for value, shown in ((piece.value, written), (piece.value.strip(), written.strip())):
            if value:
                message = message.replace(repr(value), repr(shown)).replace(f"'{value}'", f"'{shown}'")
        for value, name in source.values_within(piece.start, piece.end):
            if len(value) >= _TELLING:
                message = message.replace(value, name)
    return message


def of_expression(piece: Piece, code: str, problem: ExpressionError, source: Source) -> Iterator[tuple[str, int]]:
    """(message, offset in the parsed text) of each error of an expression that stands in a piece."""
    start = len(piece.value) - len(piece.value.lstrip())
    starts = [0]
    starts += (index + 1 for index, character in enumerate(code) if character == "\n")
    for line, column, message in problem.issues:
        index = start + starts[min(line, len(starts)) - 1] + column - 1
        offset = original_offset(source.text, piece, index)
        if name := source.value_at(offset):
            message = f"The expression does not compile with what {name} holds."
        yield message, offset
