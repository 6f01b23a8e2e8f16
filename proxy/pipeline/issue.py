"""A finding about a policy document, with its place. `management` shows it as an ARM error, the sidecar in its ack."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class Issue:
    """`line` and `column` are 1-based, in the text as the author wrote it; `severity` is error or warning.

    `code` is a short stable name (unknown-element, missing-attribute, expression-syntax, ...). `fragment` is the id of
    the fragment whose text the place is in; without one it is in the document itself.
    """

    line: int
    column: int
    element: str
    message: str
    code: str = "invalid"
    severity: str = "error"
    fragment: str = ""

    def __str__(self) -> str:
        """APIM's wording for a policy error."""
        return f"Error in element '{self.element}' on line {self.line}, column {self.column}: {self.message}"
