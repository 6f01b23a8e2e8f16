"""What a heartbeat tells the plane, and when the next one is due. Pure."""

from __future__ import annotations

import datetime
from typing import Any

from syncagent.hub import Hub, Sidecar
from syncagent.snapshot import Snapshot


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
    """The body of a heartbeat, see docs/configuration-feed.md. `started` is Unix seconds."""
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
        "issues": [
            {
                "resourceId": issue.resource_id,
                "line": issue.line,
                "column": issue.column,
                "element": issue.element,
                "message": issue.message,
            }
            for issue in sidecar.issues
        ],
    }


def _version(snapshot: Snapshot) -> tuple[str, int]:
    return (snapshot.dataset, snapshot.cursor)
