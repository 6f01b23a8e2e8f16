"""Which properties of a resource are secret, and how a document is taken apart and put together again.

A secret is kept as (path, value), path being the keys and list indexes from the properties down. In the public part it
is left out, or stands as `MASK` where clients expect the property to be there; a document that comes back with the mask
means "as it was".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from management.documents import copied

MASK = "***"
NAMED_VALUE = re.compile(r"\s*\{\{[^{}]+\}\}\s*")

Path = tuple[str | int, ...]
Hidden = tuple[tuple[Path, Any], ...]


@dataclass(slots=True, frozen=True)
class Secret:
    """`path` with dots. With `masked`, every text below it is secret and shows as the mask, but for the keys `open`."""

    path: str
    masked: bool = False
    open: frozenset[str] = frozenset()


def split(properties: dict[str, Any], rules: tuple[Secret, ...]) -> tuple[dict[str, Any], Hidden]:
    """(the public part, the secrets)."""
    if not rules:
        return properties, ()
    public = copied(properties)
    hidden: list[tuple[Path, Any]] = []
    for rule in rules:
        path = tuple(rule.path.split("."))
        holder = _at(public, path[:-1])
        if not isinstance(holder, dict) or holder.get(path[-1]) is None:
            continue
        if not rule.masked:
            hidden.append((path, holder.pop(path[-1])))
            continue
        for leaf, value in list(_texts(holder[path[-1]], path, rule.open)):
            if value == MASK or NAMED_VALUE.fullmatch(value):
                continue
            hidden.append((leaf, value))
            _set(public, leaf, MASK)
    return public, tuple(hidden)


def merge(public: dict[str, Any], hidden: Hidden) -> dict[str, Any]:
    """The whole document, in clear; always a copy."""
    whole = copied(public)
    for path, value in hidden:
        _set(whole, path, value)
    return whole


def keep_masked(properties: dict[str, Any], rules: tuple[Secret, ...], former: Hidden) -> None:
    """Put former secrets back where the client sent the mask that it had been shown."""
    known = dict(former)
    for rule in rules:
        path: Path = tuple(rule.path.split("."))
        if rule.masked:
            for leaf, value in list(_texts(_at(properties, path), path, rule.open)):
                if value == MASK and leaf in known:
                    _set(properties, leaf, known[leaf])


def _at(document: Any, path: Path) -> Any:
    for step in path:
        if isinstance(document, dict) and isinstance(step, str):
            document = document.get(step)
        elif isinstance(document, list) and isinstance(step, int) and step < len(document):
            document = document[step]
        else:
            return None
    return document


def _set(document: Any, path: Path, value: Any) -> None:
    for step in path[:-1]:
        document = document[step] if not isinstance(document, dict) else document.setdefault(step, {})
    document[path[-1]] = value


def _texts(document: Any, path: Path, skip: frozenset[str]) -> Iterator[tuple[Path, str]]:
    if isinstance(document, str):
        yield path, document
    elif isinstance(document, dict):
        for key, value in document.items():
            if key not in skip:
                yield from _texts(value, (*path, key), skip)
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from _texts(value, (*path, index), skip)
