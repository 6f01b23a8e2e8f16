"""A JSON Schema as a validator: made once, asked per request.

Rules
1. It reaches nothing: no reference is fetched, a pattern has a budget of steps.
2. A sound value costs one pass; sentences and places are made for findings only, at most MOST_FINDINGS of them.
3. The engine collects findings eagerly, those inside choices (`oneOf` and its like) too, and in a schema within itself
   that grows with the depth of the value. So a text of more than SHORT characters, and one for a schema with choices
   deep in choices, is explained by its first finding outside of choices: by the same schema without them.
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

from proxy.schemas.choices import Shape, without_choices
from proxy.schemas.flatten import SchemaError
from proxy.schemas.json_messages import message
from proxy.schemas.json_places import place

MOST_FINDINGS = 20
SHORT = 2048
MOST_STEPS = 20_000  # of a pattern with look-around; others are linear

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


class Engine:
    """A compiled schema, of draft 2020-12 and complete in itself; validators of several of its parts may share it."""

    __slots__ = ("full", "plain", "shape")

    def __init__(self, schema: dict[str, Any]) -> None:
        """Raises SchemaError."""
        self.full = _made(schema)
        self.shape = Shape(schema)
        self.plain = _made(without_choices(schema)) if self.shape.choices else self.full


class JsonValidator:
    """`part`: the property of the engine's schema by whose schema values are judged, and the definition that it leads
    to; without it, they are judged by the schema itself.

    `names` gives folded names of properties in their own case; `fold` folds the names of what it is asked.
    """

    __slots__ = ("_engine", "_fold", "_names", "_part", "_tame")

    def __init__(
        self,
        schema: dict[str, Any] | Engine,
        fold: bool = False,
        names: Mapping[str, str] | None = None,
        part: tuple[str, str] | None = None,
    ) -> None:
        """Raises SchemaError."""
        self._engine = schema if isinstance(schema, Engine) else Engine(schema)
        self._part = part[0] if part is not None else None
        self._tame = self._engine.shape.tame(part[1] if part is not None else "")
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
        if self._part is not None:
            value = {self._part: value}
        if self._engine.full.is_valid(value):
            return []
        text = content.decode()
        found = [Finding(said, *place(text, path, self._fold)) for said, path in self._findings(value, len(text))]
        return sorted(found, key=lambda each: (each.line, each.position))

    def value(self, value: Any) -> list[str]:
        """What is wrong with a value, by the schema itself."""
        return [] if self._engine.full.is_valid(value) else [said for said, _ in self._findings(value, 0)]

    def _findings(self, value: Any, length: int) -> Iterator[tuple[str, list[str | int]]]:
        """(sentence, path) of what is wrong with a value that is not valid; `length` of its text."""
        skip = 0 if self._part is None else 1
        if self._tame and length <= SHORT:
            for error in itertools.islice(self._engine.full.iter_errors(value), MOST_FINDINGS):
                yield message(error.kind, error.instance, self._names), error.instance_path[skip:]
            return
        try:
            self._engine.plain.validate(value)
        except jsonschema_rs.ValidationError as error:
            yield message(error.kind, error.instance, self._names), error.instance_path[skip:]
        else:
            yield "JSON does not match a choice of the schema (anyOf, oneOf, not, if or contains).", []


def _made(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    try:
        return jsonschema_rs.Draft202012Validator(
            schema,
            formats={"date-time": _is_date_time, "byte": _is_base64},
            validate_formats=True,
            pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=MOST_STEPS),
            offline=True,
        )
    except (ValueError, TypeError, OverflowError) as problem:
        raise SchemaError(f"The schema is not sound: {_first_line(problem)}") from None


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
