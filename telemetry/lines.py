"""One log line, as the gateway we replace writes it.

    text  [Info] 2024-01-19T07:39:54.666 [GatewayLogs], isRequestSuccess: False, totalTime: 374, ...
    json  {"level": "Info", "timestamp": "2024-01-19T07:39:54.666Z", "eventType": "GatewayLogs", ...}

A line never contains a line break of its own, whatever a client sent: control characters are escaped.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

COLORS = {"Verbose": "90", "Info": "32", "Warn": "33", "Error": "31", "Fatal": "35"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


def timestamp(seconds: float) -> str:
    """Unix seconds as `2024-01-19T07:39:54.666`, UTC, without a zone."""
    micros = round(seconds * 1e6)
    return f"{_second(micros // 1_000_000)}.{micros // 1000 % 1000:03d}"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat()[:19]


def text_line(level: str, when: str, event: str, fields: Mapping[str, Any], color: bool = False) -> str:
    """Nested values are written as JSON."""
    head = f"\x1b[{COLORS.get(level, '0')}m[{level}]\x1b[0m" if color else f"[{level}]"
    rest = "".join([f", {name}: {_text(value)}" for name, value in fields.items()])
    if not rest.isprintable():  # much quicker than the search, and nearly always true
        rest = _CONTROL.sub(_escape, rest)
    return f"{head} {when} [{event}]{rest}"


def json_line(level: str, when: str, event: str, fields: Mapping[str, Any]) -> str:
    """The envelope's head, then the fields at the same depth."""
    return json.dumps(
        {"level": level, "timestamp": f"{when}Z", "eventType": event, **fields}, ensure_ascii=False, default=str
    )


def _text(value: Any) -> str:
    if type(value) is str:
        return value
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _escape(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape").decode()
