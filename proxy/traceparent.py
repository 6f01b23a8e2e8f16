"""W3C trace context: what came in, and the ids of this hop.

Source: https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

import random
import re
from typing import NamedTuple

_HEADER = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16


class TraceContext(NamedTuple):
    """`parent` is empty for the root of a trace."""

    trace: str
    parent: str
    flags: str


def trace_context(header: str | None, fresh: str = "") -> TraceContext:
    """The context that a request continues, or a new trace when there is none or it is malformed; `fresh` is the id
    of a new one, drawn already."""
    fresh = fresh or random_digits()[:32]
    found = _HEADER.fullmatch(header) if header else None
    if found is None or found[1] == "ff" or (found[1] == "00" and found[5]):
        return TraceContext(fresh, "", "01")
    if found[2] == _NO_TRACE or found[3] == _NO_SPAN:
        return TraceContext(fresh, "", "01")
    return TraceContext(found[2], found[3], found[4])


def random_digits() -> str:
    """96 hexadecimal digits, which are all the ids that a request needs, drawn at once. They are no secret."""
    return random.getrandbits(384).to_bytes(48).hex()


def new_trace() -> str:
    return f"{random.getrandbits(128) or 1:032x}"


def new_span() -> str:
    return f"{random.getrandbits(64) or 1:016x}"
