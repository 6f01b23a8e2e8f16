"""A JSON Schema as a validator: made once, asked per request.

Rules
1. It reaches nothing: no reference is fetched, a pattern has a budget of steps.
2. A sound value costs one pass; sentences are made for findings only, at most MOST_FINDINGS of them, and places too;
   in a text of more than LARGE characters only that of the first, since each costs a pass of its own.
"""

from __future__ import annotations

import base64
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema_rs
import orjson

from proxy.schemas.flatten import SchemaError
from proxy.schemas.json_messages import message
from proxy.schemas.json_places import place

MOST_FINDINGS = 20
LARGE = 64 * 1024
MOST_STEPS = 100_000  # of a pattern with look-around; others are linear

# as .NET reads it: a time zone may be left out
_DATE_TIME = re.compile(
    r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])[Tt ](?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?"
    r"(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)?"
)


@dataclass(slots=True, frozen=True)
class Finding:
    """`line` and `position` count from 1; 0 where there is none."""

    message: str
    line: int = 0
    position: int = 0

    def __str__(self) -> str:
        return f"{self.message} Line: {self.line}, Position: {self.position}"


class JsonValidator:
    """`names` gives folded names of properties in their own case; they make it fold the names of what it is asked."""

    __slots__ = ("_fold", "_names", "_validator")

    def __init__(self, schema: dict[str, Any], fold: bool = False, names: Mapping[str, str] | None = None) -> None:
        """`schema` of draft 2020-12, complete in itself. Raises SchemaError."""
        try:
            self._validator = jsonschema_rs.Draft202012Validator(
                schema,
                formats={"date-time": _is_date_time, "byte": _is_base64},
                validate_formats=True,
                pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=MOST_STEPS),
                offline=True,
            )
        except (ValueError, TypeError, OverflowError) as problem:
            raise SchemaError(f"The schema is not sound: {_first_line(problem)}") from None
        self._fold = fold
        self._names = names or {}

    def content(self, content: bytes) -> list[Finding]:
        """What is wrong with a JSON text in UTF-8; nothing, if all is well."""
        if content.startswith(b"\xef\xbb\xbf"):
            content = content[3:]
        try:
            value = orjson.loads(content)
        except orjson.JSONDecodeError as problem:
            return [json_finding(problem)]
        if self._fold:
            value = _folded(value)
        if self._validator.is_valid(value):
            return []
        text = content.decode()
        findings = self._findings(value)
        if len(text) > LARGE:
            findings = itertools.islice(findings, 1)
        found = [Finding(said, *place(text, path, self._fold)) for said, path in findings]
        return sorted(found, key=lambda each: (each.line, each.position))

    def value(self, value: Any) -> list[str]:
        """What is wrong with a value."""
        return [] if self._validator.is_valid(value) else [said for said, _ in self._findings(value)]

    def _findings(self, value: Any) -> Iterator[tuple[str, list[str | int]]]:
        for error in itertools.islice(self._validator.iter_errors(value), MOST_FINDINGS):
            yield message(error.kind, error.instance, self._names), error.instance_path


def json_finding(problem: orjson.JSONDecodeError) -> Finding:
    """That a text is no JSON."""
    return Finding(f"The body is not JSON: {problem.msg}.", problem.lineno, problem.colno)


def _first_line(problem: Exception) -> str:
    return f"{str(problem).strip().splitlines()[0][:300].rstrip('.')}." if str(problem).strip() else "no reason given."


def _folded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name.lower(): _folded(each) for name, each in value.items()}
    return [_folded(each) for each in value] if isinstance(value, list) else value


def _is_date_time(text: str) -> bool:
    return _DATE_TIME.fullmatch(text) is not None


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return True
