"""What is different between two states of resources, read tolerantly into what pages draw. Pure.

A resource is told as two things: its short properties as a table of those that differ, and each text of several lines
(a policy, a description) as a diff with line numbers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

Told = Mapping[str, Any]

CONTEXT = 3  # lines around a change
MOST_LINES = 3_000  # of one text; what is longer is told as a whole
SHORT = 80  # characters of a list on one line
LONGEST_LINE = 2_000  # characters that are compared letter by letter
DONE = {"create": "added", "delete": "removed", "update": "changed", "none": "as it was"}
# what people call the types
KINDS = {
    "": "Service",
    "apis": "API",
    "apis/operations": "Operation",
    "apis/policies": "API policy",
    "apis/operations/policies": "Operation policy",
    "apis/schemas": "Schema",
    "apis/releases": "Release",
    "apis/specifications": "Imported document",
    "products": "Product",
    "products/policies": "Product policy",
    "products/apis": "API of a product",
    "policies": "Global policy",
    "policyfragments": "Policy fragment",
    "subscriptions": "Subscription",
    "gateways": "Gateway",
    "gateways/apis": "API of a gateway",
    "namedvalues": "Named value",
    "backends": "Backend",
    "users": "User",
    "groups": "Group",
    "loggers": "Logger",
    "tags": "Tag",
}
# fields whose texts are diffed by lines, however short
TEXTS = frozenset({"value", "document.value"})


@dataclass(frozen=True)
class Span:
    """A piece of a line; `marked` where it differs from the other side."""

    text: str
    marked: bool


@dataclass(frozen=True)
class Row:
    """A line of a diff: `kind` is same, changed, added, removed or gap; a side that has no such line has number 0."""

    kind: str
    left: int
    right: int
    before: tuple[Span, ...]
    after: tuple[Span, ...]


@dataclass(frozen=True)
class Text:
    """A text of several lines: its diff, or None when it is too long for one."""

    name: str
    rows: tuple[Row, ...] | None
    added: int
    removed: int


@dataclass(frozen=True)
class Field:
    """A short property; None where it is not there."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Difference:
    """`operation` is create, update, delete or none; `secrets` are names of secret fields whose values differ."""

    id: str
    kind: str
    operation: str
    done: str
    fields: tuple[Field, ...]
    texts: tuple[Text, ...]
    secrets: tuple[str, ...]
    scope: str | None  # of the policy document that it is, for a link to its editor


def read(told: Told) -> Difference:
    kind, id = str(told.get("kind") or "").lower(), str(told.get("id") or "")
    before, after = dict(_flat(told.get("before"))), dict(_flat(told.get("after")))
    policy = kind.endswith("policies") or kind == "policyfragments"
    fields, texts = [], []
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if (policy and name in TEXTS) or "\n" in (old or "") or "\n" in (new or ""):
            texts.append(text_of(name, old or "", new or ""))
        else:
            fields.append(Field(name, old, new))
    operation = str(told.get("operation") or "none")
    secrets = told.get("secrets")
    return Difference(
        id=id,
        kind=KINDS.get(kind, kind),
        operation=operation,
        done=DONE.get(operation, operation),
        fields=tuple(fields),
        texts=tuple(texts),
        secrets=tuple(map(str, secrets)) if isinstance(secrets, list) else (),
        scope=(id.removesuffix("/policies/policy") if kind.endswith("policies") else id) if policy else None,
    )


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """The leaves of a document by their path."""
    if isinstance(value, Mapping) and (value or not name):
        for key, each in value.items():
            yield from _flat(each, f"{name}.{key}" if name else str(key))
    elif isinstance(value, str):
        yield name, value
    elif value is not None or name:
        plain = json.dumps(value, ensure_ascii=False)
        yield name, plain if len(plain) <= SHORT else json.dumps(value, indent=2, ensure_ascii=False)


def text_of(name: str, before: str, after: str) -> Text:
    old, new = before.splitlines(), after.splitlines()
    if len(old) > MOST_LINES or len(new) > MOST_LINES:
        return Text(name, None, len(new), len(old))
    rows: list[Row] = []
    matcher = SequenceMatcher(None, old, new, autojunk=len(old) + len(new) > 400)
    groups = list(matcher.get_grouped_opcodes(CONTEXT))
    end = 0
    for group in groups:
        if group[0][1] > end or group[0][3] > end:
            rows.append(Row("gap", 0, 0, (), ()))
        end = group[-1][2]
        for tag, low, high, first, last in group:
            rows += _rows(tag, old[low:high], new[first:last], low, first)
    if groups and end < len(old):
        rows.append(Row("gap", 0, 0, (), ()))
    return Text(
        name,
        tuple(rows),
        sum(row.kind in ("added", "changed") for row in rows),
        sum(row.kind in ("removed", "changed") for row in rows),
    )


def _rows(tag: str, old: list[str], new: list[str], low: int, first: int) -> Iterator[Row]:
    if tag == "equal":
        for at, line in enumerate(old):
            yield Row("same", low + at + 1, first + at + 1, (Span(line, False),), (Span(line, False),))
        return
    both = min(len(old), len(new))
    for at in range(both):
        before, after = _letters(old[at], new[at])
        yield Row("changed", low + at + 1, first + at + 1, before, after)
    for at in range(both, len(old)):
        yield Row("removed", low + at + 1, 0, (Span(old[at], False),), ())
    for at in range(both, len(new)):
        yield Row("added", 0, first + at + 1, (), (Span(new[at], False),))


def _letters(old: str, new: str) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Where two lines differ; nothing is marked where they have little in common."""
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    if len(old) + len(new) > LONGEST_LINE or matcher.quick_ratio() < 0.4 or matcher.ratio() < 0.4:
        return (Span(old, False),), (Span(new, False),)
    before, after = [], []
    for tag, low, high, first, last in matcher.get_opcodes():
        before.append(Span(old[low:high], tag != "equal"))
        after.append(Span(new[first:last], tag != "equal"))
    return tuple(each for each in before if each.text), tuple(each for each in after if each.text)
