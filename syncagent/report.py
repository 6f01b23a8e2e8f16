"""What a heartbeat tells the plane, in the shape of docs/configuration-feed.md. Pure."""

from __future__ import annotations

import datetime
from typing import Any

from syncagent.hub import Hub, Issue, Sidecar
from syncagent.snapshot import Snapshot

# Per sidecar: a heartbeat stays small however broken a configuration is.
MAX_ISSUES = 50


def heartbeat(
    *,
    instance_id: str,
    software_version: str,
    started: float,
    source: str,
    held: Snapshot | None,
    hub: Hub,
    problems: dict[str, str],
) -> dict[str, Any]:
    """The body of a heartbeat. `started` is Unix seconds."""
    return {
        "instanceId": instance_id,
        "version": software_version,
        "startedAt": datetime.datetime.fromtimestamp(started, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "dataset": held.dataset if held else "",
        "cursor": held.cursor if held else 0,
        "source": source,
        "sidecars": [_sidecar(each, held, hub.current) for each in hub.sidecars.values()],
        "issues": [{"code": code, "message": message} for code, message in sorted(problems.items())],
    }


def _sidecar(sidecar: Sidecar, held: Snapshot | None, published: Snapshot | None) -> dict[str, Any]:
    dataset, number = sidecar.held if sidecar.held is not None else ("", 0)
    # Revisions that change nothing for this gateway are not sent on: who holds the published version is current.
    if held and published and held.content == published.content and (dataset, number) == _version(published):
        number = held.cursor
    return {
        "id": sidecar.id,
        "version": sidecar.software_version,
        "dataset": dataset,
        "cursor": number,
        "connected": sidecar.connected,
        "requests": sidecar.requests,
        "failures": sidecar.failures,
        "issues": _issues((*(Issue("/", 0, 0, "", each) for each in sidecar.problems), *sidecar.issues)),
    }


def _issues(issues: tuple[Issue, ...]) -> list[dict[str, Any]]:
    told = issues[:MAX_ISSUES]
    if len(issues) > len(told):
        told += (Issue("/", 0, 0, "", f"{len(issues) - len(told)} more issues are in the log of the agent"),)
    return [
        {
            "resourceId": issue.resource_id,
            "line": issue.line,
            "column": issue.column,
            "element": issue.element,
            "message": issue.message,
        }
        for issue in told
    ]


def _version(snapshot: Snapshot) -> tuple[str, int]:
    return (snapshot.dataset, snapshot.cursor)
