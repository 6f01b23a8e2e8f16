"""Gateway instances as the plane last heard of them, read tolerantly. Pure: the time is given."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from portal.model import mappings

SILENT_AFTER = 150.0  # seconds: two heartbeats of 60 s missed, and some


@dataclass(frozen=True)
class Sidecar:
    id: str
    version: str
    cursor: str
    connected: bool
    requests: str
    failures: str


@dataclass(frozen=True)
class Instance:
    """`age` is how long ago the plane heard of it, in words; `silent` when that is too long.

    `shrunk`: it refuses a configuration that lost more than half, until somebody accepts it.
    """

    id: str
    version: str
    age: str
    silent: bool
    cursor: str
    lag: str
    source: str
    sidecars: tuple[Sidecar, ...]
    issues: tuple[str, ...]
    shrunk: bool = False


def read(value: Mapping[str, Any], now: datetime.datetime) -> Instance:
    received = _time(value.get("receivedAt") or value.get("lastHeartbeat"))
    seconds = (now - received).total_seconds() if received else None
    sidecars = mappings(value.get("sidecars"))
    issues = [_issue(one, "") for one in mappings(value.get("issues"))]
    issues += [_issue(one, _text(car.get("id"))) for car in sidecars for one in mappings(car.get("issues"))]
    return Instance(
        id=_text(value.get("instanceId") or value.get("id")),
        version=_text(value.get("version")),
        age=ago(seconds) if seconds is not None else "never",
        silent=seconds is None or seconds > SILENT_AFTER,
        cursor=_text(value.get("cursor")),
        lag=_text(value.get("lag")),
        source=_text(value.get("source")),
        sidecars=tuple(
            Sidecar(
                _text(one.get("id")),
                _text(one.get("version")),
                _text(one.get("cursor")),
                one.get("connected") is not False,
                _text(one.get("requests")),
                _text(one.get("failures")),
            )
            for one in sidecars
        ),
        issues=tuple(issues),
        shrunk=any(one.get("code") == "ConfigurationShrunk" for one in mappings(value.get("issues"))),
    )


def ago(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return f"{max(0, int(seconds))} s ago"


def _issue(value: Mapping[str, Any], sidecar: str) -> str:
    """Who, where, what: "sidecar-1: /apis/orders/policies/policy, set-header, line 4, column 7: …"."""
    element, line, column = value.get("element"), value.get("line"), value.get("column")
    where = [
        _text(value.get("resourceId") or value.get("code")),
        _text(element),
        f"line {line}" if line else "",
        f"column {column}" if column else "",
    ]
    return ": ".join(part for part in (sidecar, ", ".join(filter(None, where)), _text(value.get("message"))) if part)


def _time(value: Any) -> datetime.datetime | None:
    try:
        moment = datetime.datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


def _text(value: Any) -> str:
    return "" if value is None else str(value)
