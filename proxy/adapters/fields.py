"""Header fields as llhttp reads them to the headers that everybody else sees; what a field name means, known by heart.

Rules
1. A name is looked up as the bytes it came in; the memory of names is bounded.
2. Hop-by-hop fields are left out, also those that Connection names (RFC 9110 section 7.6.1).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from multidict import istr

from proxy.adapters.hops import HOP_BY_HOP
from proxy.adapters.screen import is_twin
from proxy.messages import Headers
from proxy.tracing.live import ASKED

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
    "max-forwards": CAREFUL,
    "proxy-connection": CAREFUL,  # llhttp takes it for Connection
    "sec-websocket-key1": CAREFUL,  # and aiohttp refuses it
    ASKED.lower(): CAREFUL,
}
_MOST_NAMES = 4096
_LONGEST_NAME = 64


class Name(NamedTuple):
    """`text` as it is spelled (an istr, which headers take without making another), `lower`, and `kind`, one of the
    constants above; HOP fields never travel on."""

    text: istr
    lower: str
    kind: int


NAMES: dict[bytes, Name] = {}


def name_of(raw: bytes) -> Name:
    """What is known of a field name."""
    return NAMES.get(raw) or _learn(raw)


def _learn(raw: bytes) -> Name:
    text = str(raw, "utf-8", "surrogateescape")
    lower = text.lower()
    usual = CAREFUL if is_twin(lower) else HOP if lower in HOP_BY_HOP else PLAIN
    name = Name(istr(text), lower, _KINDS.get(lower, usual))
    if len(raw) <= _LONGEST_NAME:
        if len(NAMES) >= _MOST_NAMES:
            NAMES.clear()
        NAMES[raw] = name
    return name


def value_of(raw: bytes) -> str:
    """A field's value; bytes that are no text are kept as surrogates."""
    try:
        return raw.decode().strip(" \t")
    except UnicodeDecodeError:
        return str(raw, "utf-8", "surrogateescape").strip(" \t")


def named(connection: str) -> list[str]:
    """The fields, in lower case, that a Connection field makes hop-by-hop."""
    names = [name.strip().lower() for name in connection.split(",")]
    return [name for name in names if name and name not in ("close", "keep-alive", "upgrade", "te")]


def end_to_end(fields: Iterable[Field]) -> Headers:
    """The headers that travel on; Content-Length among them."""
    kept: list[tuple[str, str]] = []
    dropped: list[str] = []
    known = NAMES
    for raw, value in fields:
        text, lower, kind = known.get(raw) or _learn(raw)
        if kind is PLAIN or kind is LENGTH or kind is HOST or (kind is CAREFUL and lower not in HOP_BY_HOP):
            try:
                kept.append((text, value.decode().strip(" \t")))
            except UnicodeDecodeError:
                kept.append((text, value_of(value)))
        elif kind is CONNECTION:
            dropped += named(value_of(value))
    headers = Headers(kept)
    for gone in dropped:
        headers.popall(gone, None)
    return headers
