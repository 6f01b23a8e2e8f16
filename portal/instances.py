"""Gateway instances as the plane last heard of them, read tolerantly. Pure: the time is given."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from portal.model import mappings

SILENT_AFTER = 150.0  # seconds: two heartbeats of 60 s missed, and some
GONE_AFTER = 24 * 3600.0  # seconds; who was not heard of for so long is likely not to come back

# what an agent may complain about: what it means, and what to do
ALARMS = {
    "InstanceIdTaken": (
        "Two agents have the same name",
        "Of their heartbeats and quota counters the last one told stands, so quotas are counted wrong. Give each agent "
        "of the gateway an instance.id of its own.",
    ),
    "BackupFailed": (
        "The backup is not written",
        "Requests are served. If the agent starts again while the plane is away, it will serve an older version or "
        "none: look at the disk of config.backup.path (full, read-only, gone?).",
    ),
    "BackupReadOnly": (
        "The backup belongs to somebody else",
        "Another agent holds the lock of this backup, so this one may not write it. Give each a folder of its own.",
    ),
    "BackupLocationNotFound": (
        "There is no backup",
        "Its folder or its key cannot be used. Requests are served; an agent that starts while the plane is away will "
        "have nothing to serve. See config.backup.path and config.backup.key.",
    ),
    "BackupUnusable": (
        "The backup cannot be used",
        "What lies in config.backup.path is damaged or has another key. It is written anew from the plane.",
    ),
    "ConfigurationShrunk": (
        "Much of the configuration is gone",
        "The agent keeps what it holds, since the plane lost more than half of it. If that is meant, accept it.",
    ),
    "FeedRefused": (
        "The configuration was refused",
        "What the plane sent did not pass the agent's checks; the last good configuration stays in force.",
    ),
    "PlaneRefuses": (
        "The plane refuses this agent",
        "Its token is wrong, has expired or was revoked, or the gateway is gone. Make a new token and put it where "
        "config.service.auth.key.file says; the agent reads it without a restart.",
    ),
    "QuotasNotSaved": (
        "Quotas are not written",
        "They are counted. If the agent ends, what the plane was not told yet is lost: look at the disk of "
        "config.backup.path.",
    ),
    "QuotasUnusable": (
        "The file of quotas was damaged",
        "What was whole of it counts, and so does what the plane has. It is written anew.",
    ),
    "SyncCertificate": (
        "Certificates between agent and sidecars",
        "They cannot be used, and those that were read last go on, or they end soon: look at the files of "
        "config.sync.tls.*; new ones are taken without a restart.",
    ),
    "GatewayTokenNearExpiry": (
        "The gateway token ends soon",
        "Make a new one and put it where config.service.auth.key.file says; the agent reads it without a restart.",
    ),
}


@dataclass(frozen=True)
class Alarm:
    """What an agent complains of: `title`, its own `words`, what to do."""

    title: str
    words: str
    remedy: str


@dataclass(frozen=True)
class Issue:
    """Something wrong in the configuration that a sidecar holds; `link` leads to its line, "" where nothing can."""

    sidecars: tuple[str, ...]
    resource: str
    place: str
    message: str
    link: str


@dataclass(frozen=True)
class Sidecar:
    """`behind` is how many revisions it lags behind the plane, "" where nobody knows."""

    id: str
    version: str
    cursor: str
    behind: str
    connected: bool
    requests: str
    failures: str
    issues: int


@dataclass(frozen=True)
class Instance:
    """`age` is how long ago the plane heard of it, in words; `state` is alive, silent or gone; `shrunk`: it refuses a
    configuration that lost more than half, until somebody accepts it."""

    id: str
    version: str
    age: str
    state: str
    started: str
    cursor: str
    lag: str
    source: str
    sidecars: tuple[Sidecar, ...]
    alarms: tuple[Alarm, ...]
    issues: tuple[Issue, ...]
    shrunk: bool = False

    @property
    def silent(self) -> bool:
        return self.state != "alive"

    @property
    def well(self) -> bool:
        return (
            not self.silent
            and not self.alarms
            and not self.issues
            and self.source != "backup"
            and all(car.connected for car in self.sidecars)
        )


def read(value: Mapping[str, Any], now: datetime.datetime) -> Instance:
    received = _time(value.get("receivedAt") or value.get("lastHeartbeat"))
    seconds = (now - received).total_seconds() if received else None
    started = _time(value.get("startedAt"))
    lag, cursor = value.get("lag"), value.get("cursor")
    newest = cursor + lag if isinstance(cursor, int) and isinstance(lag, int) else None
    sidecars = mappings(value.get("sidecars"))
    state = "silent" if seconds is None or seconds > SILENT_AFTER else "alive"
    return Instance(
        id=_text(value.get("instanceId") or value.get("id")),
        version=_text(value.get("version")),
        age=ago(seconds) if seconds is not None else "never",
        state="gone" if seconds is not None and seconds > GONE_AFTER else state,
        started=ago((now - started).total_seconds()) if started else "",
        cursor=_text(cursor),
        lag=_text(lag),
        source=_text(value.get("source")),
        sidecars=tuple(_sidecar(one, newest, value.get("dataset")) for one in sidecars),
        alarms=tuple(map(_alarm, mappings(value.get("issues")))),
        issues=_issues(sidecars),
        shrunk=any(one.get("code") == "ConfigurationShrunk" for one in mappings(value.get("issues"))),
    )


def _sidecar(told: Mapping[str, Any], newest: int | None, dataset: object) -> Sidecar:
    cursor = told.get("cursor")
    known = newest is not None and isinstance(cursor, int) and told.get("dataset", dataset) == dataset
    return Sidecar(
        id=_text(told.get("id")),
        version=_text(told.get("version")),
        cursor=_text(cursor),
        behind=_text(max(0, newest - cursor)) if known and newest is not None and isinstance(cursor, int) else "",
        connected=told.get("connected") is not False,
        requests=_text(told.get("requests")),
        failures=_text(told.get("failures")),
        issues=len(mappings(told.get("issues"))),
    )


def ago(seconds: float) -> str:
    """`3 min ago`; `never` for infinity."""
    if seconds == float("inf"):
        return "never"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return f"{max(0, int(seconds))} s ago"


def _alarm(told: Mapping[str, Any]) -> Alarm:
    code = _text(told.get("code"))
    title, remedy = ALARMS.get(code, (code or "The agent complains", ""))
    return Alarm(title, _text(told.get("message")), remedy)


def _issues(sidecars: list[Mapping[str, Any]]) -> tuple[Issue, ...]:
    """What is wrong, each once, with all sidecars that say so."""
    found: dict[tuple[str, str, str, str], list[str]] = {}
    for car in sidecars:
        for told in mappings(car.get("issues")):
            resource, line, column = _text(told.get("resourceId")), told.get("line"), told.get("column")
            element = _text(told.get("element"))
            place = ", ".join(
                filter(
                    None,
                    (
                        f"<{element}>" if element else "",
                        f"line {line}" if line else "",
                        f"column {column}" if column else "",
                    ),
                )
            )
            key = (resource, place, _text(told.get("message")), _link(resource, line))
            found.setdefault(key, []).append(_text(car.get("id")))
    return tuple(
        Issue(tuple(dict.fromkeys(cars)), resource, place, message, link)
        for (resource, place, message, link), cars in found.items()
    )


def _link(resource: str, line: object) -> str:
    """To the line in the editor, for a policy or a fragment."""
    scope = resource.removesuffix("/policies/policy")
    if scope == resource and not resource.lower().startswith("/policyfragments/"):
        return ""
    return f"/console/policy?scope={quote(scope, safe='/')}#L{line if isinstance(line, int) and line > 0 else 1}"


def _time(value: Any) -> datetime.datetime | None:
    try:
        moment = datetime.datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


def _text(value: Any) -> str:
    return "" if value is None else str(value)
