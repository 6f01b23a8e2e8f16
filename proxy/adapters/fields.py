"""Header fields as llhttp reads them to the headers that everybody else sees; what a field name means, known by heart.

Rules
1. A name is looked up as the bytes it came in; the memory of names is bounded.
2. Hop-by-hop fields are left out, also those that Connection names (RFC 9110 section 7.6.1).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from proxy.adapters.hops import HOP_BY_HOP
from proxy.messages import Headers

Field = tuple[bytes, bytes]

PLAIN, HOP, CONNECTION, LENGTH, CODING, HOST, CAREFUL = range(7)
_KINDS = {
    "connection": CONNECTION,
    "content-length": LENGTH,
    "transfer-encoding": CODING,
    "host": HOST,
    "expect": CAREFUL,
    "upgrade": CAREFUL,
    "trailer": CAREFUL,
}
_MOST_NAMES = 4096
_LONGEST_NAME = 64


class Name(NamedTuple):
    """`text` as it is spelled, `lower`, and `kind`, one of the constants above; HOP fields never travel on."""

    text: str
    lower: str
    kind: int


_NAMES: dict[bytes, Name] = {}


def name_of(raw: bytes) -> Name:
    """What is known of a field name."""
    return _NAMES.get(raw) or _learn(raw)


def _learn(raw: bytes) -> Name:
    text = str(raw, "utf-8", "surrogateescape")
    lower = text.lower()
    name = Name(text, lower, _KINDS.get(lower, HOP if lower in HOP_BY_HOP else PLAIN))
    if len(raw) <= _LONGEST_NAME:
        if len(_NAMES) >= _MOST_NAMES:
            _NAMES.clear()
        _NAMES[raw] = name
    return name


def value_of(raw: bytes) -> str:
    """A field's value; bytes that are no text are kept as surrogates."""
    return str(raw, "utf-8", "surrogateescape").strip(" \t")


def named(connection: str) -> list[str]:
    """The fields, in lower case, that a Connection field makes hop-by-hop."""
    names = [name.strip().lower() for name in connection.split(",")]
    return [name for name in names if name and name not in ("close", "keep-alive", "upgrade", "te")]


def end_to_end(fields: Iterable[Field]) -> Headers:
    """The headers that travel on; Content-Length among them."""
    kept: list[tuple[str, str]] = []
    dropped: list[str] = []
    known = _NAMES
    for raw, value in fields:
        name = known.get(raw) or _learn(raw)
        kind = name.kind
        if kind is PLAIN or kind is LENGTH or kind is HOST or name.lower == "expect":
            kept.append((name.text, str(value, "utf-8", "surrogateescape").strip(" \t")))
        elif kind is CONNECTION:
            dropped += named(value_of(value))
    headers = Headers(kept)
    for gone in dropped:
        headers.popall(gone, None)
    return headers
