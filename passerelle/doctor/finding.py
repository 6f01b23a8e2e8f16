"""What an examination finds."""

from __future__ import annotations

from dataclasses import dataclass

GOOD, WARNING, WRONG = "good", "warning", "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """`text` says what is; `remedy` what to do about it, "" when nothing has to be done. No secret is in either."""

    state: str
    text: str
    remedy: str = ""


def good(text: str) -> Finding:
    return Finding(GOOD, text)


def warning(text: str, remedy: str) -> Finding:
    return Finding(WARNING, text, remedy)


def wrong(text: str, remedy: str) -> Finding:
    return Finding(WRONG, text, remedy)
