"""What is wrong with the text of an expression, and where."""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """A span of the source: 1-based lines, 0-based UTF-8 byte columns, as Python's `ast` wants them."""

    line: int
    column: int
    end_line: int
    end_column: int


NOWHERE = Place(1, 0, 1, 0)


class Finding(Exception):
    """One error at one place, on its way to become an `ExpressionError`."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.message = message
        self.place = place


class ExpressionError(Exception):
    """The expression does not compile. `issues` are (line, column, message), 1-based, from the start of the source."""

    def __init__(self, issues: list[tuple[int, int, str]]) -> None:
        super().__init__("; ".join(f"({line},{column}): {message}" for line, column, message in issues))
        self.issues = issues


def located(source: str, *findings: Finding) -> ExpressionError:
    """The findings with their byte columns turned into character columns."""
    lines = source.split("\n")
    issues = []
    for finding in findings:
        line = min(max(finding.place.line, 1), len(lines))
        before = lines[line - 1].encode("utf-8", "replace")[: max(finding.place.column, 0)].decode(errors="replace")
        issues.append((line, len(before) + 1, finding.message))
    return ExpressionError(issues)


def unsupported_type(name: str, place: Place) -> Finding:
    return Finding(f"Usage of type '{name}' is not supported within expressions", place)


def unsupported_member(member: str, owner: str, place: Place) -> Finding:
    return Finding(f"Usage of member '{member}' of type '{owner}' is not supported within expressions", place)
