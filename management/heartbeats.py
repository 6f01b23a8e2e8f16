"""Heartbeats of gateways: the last one of each instance, as docs/configuration-feed.md defines them."""

from __future__ import annotations

import datetime
import json
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from management.errors import invalid
from management.schema import heartbeats
from management.store import Service
from management.transaction import Transaction

INSTANCES = 1000  # a gateway's instances that are remembered, the most recent ones
LONGEST_ID = 200
LARGEST = 4 * 1024 * 1024  # bytes of one: a thousand are kept of each gateway


def instance_of(document: dict[str, Any]) -> str:
    """Who sends it. Raises ArmError."""
    instance = document.get("instanceId")
    if not isinstance(instance, str) or not 0 < len(instance) <= LONGEST_ID:
        raise invalid("instanceId", f"instanceId must be a text of 1 to {LONGEST_ID} characters.")
    return instance


def check(document: dict[str, Any]) -> None:
    """Only what this plane relies on; the rest is shown as it came."""
    instance_of(document)
    if document.get("cursor") is not None and not isinstance(document["cursor"], int):
        raise invalid("cursor", "cursor must be a whole number.")
    for name in ("sidecars", "issues"):
        if not isinstance(document.get(name, []), list):
            raise invalid(name, f"{name} must be a list.")


def keep(connection: Connection, service: Service, gateway: str, document: dict[str, Any]) -> None:
    gateway = gateway.lower()
    mine = (heartbeats.c.service == service.number) & (heartbeats.c.gateway == gateway)
    connection.execute(delete(heartbeats).where(mine, heartbeats.c.instance == document["instanceId"]))
    values = {
        "service": service.number,
        "gateway": gateway,
        "instance": document["instanceId"],
        "received": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "document": json.dumps(document),
    }
    connection.execute(insert(heartbeats).values(**values))
    newest = select(heartbeats.c.instance).where(mine).order_by(heartbeats.c.received.desc()).limit(INSTANCES)
    connection.execute(delete(heartbeats).where(mine, heartbeats.c.instance.not_in(newest)))


def instances(tx: Transaction, gateway: str) -> list[dict[str, Any]]:
    """What each instance last told, newest first. `lag` is revisions behind; None when it holds another dataset."""
    query = (
        select(heartbeats.c.instance, heartbeats.c.received, heartbeats.c.document)
        .where(heartbeats.c.service == tx.service.number, heartbeats.c.gateway == gateway.lower())
        .order_by(heartbeats.c.received.desc())
    )
    return [
        _shown(tx.service, instance, received, json.loads(document))
        for instance, received, document in tx.connection.execute(query)
    ]


def _shown(service: Service, instance: str, received: str, document: dict[str, Any]) -> dict[str, Any]:
    cursor = document.get("cursor")
    comparable = document.get("dataset") == service.dataset and isinstance(cursor, int)
    return {
        "id": instance,
        "lastHeartbeat": received,
        "version": document.get("version"),
        "startedAt": document.get("startedAt"),
        "source": document.get("source"),
        "dataset": document.get("dataset"),
        "cursor": cursor,
        "lag": max(0, service.revision - cursor) if comparable and isinstance(cursor, int) else None,
        "sidecars": document.get("sidecars", []),
        "issues": document.get("issues", []),
    }
