"""JSON documents as Python values."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def copied(document: T) -> T:
    """A copy that shares nothing that can change; several times as fast as `copy.deepcopy`, for JSON only."""
    if isinstance(document, dict):
        return {key: copied(value) for key, value in document.items()}  # type: ignore[return-value]
    if isinstance(document, list):
        return [copied(value) for value in document]  # type: ignore[return-value]
    return document
