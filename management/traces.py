"""Traces of requests: the last ones of each gateway, until somebody reads them with listTrace."""

from __future__ import annotations

import datetime
import json
import re
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from management.errors import invalid
from management.schema import traces
from management.store import Service
from management.transaction import Transaction
from management.vault import Vault

KEPT = 100  # of a gateway, the newest ones
LIFE = datetime.timedelta(hours=24)
LARGEST = 1024 * 1024  # characters of one
BATCH = 100
ID = re.compile(r"[0-9a-f]{32}")


def check(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """(id, trace) of what an agent sent."""
    listed = document.get("traces")
    if not isinstance(listed, list) or not 0 < len(listed) <= BATCH:
        raise invalid("traces", f"traces must be a list of 1 to {BATCH} traces.")
    found = []
    for each in listed:
        id, trace = (each.get("id"), each.get("document")) if isinstance(each, dict) else (None, None)
        if not isinstance(id, str) or not ID.fullmatch(id) or not isinstance(trace, dict):
            raise invalid("traces", "A trace has an id of 32 hexadecimal digits and a document, which is an object.")
        found.append((id, trace))
    return found


def keep(
    connection: Connection, vault: Vault, service: Service, gateway: str, found: list[tuple[str, dict[str, Any]]]
) -> None:
    gateway, now = gateway.lower(), datetime.datetime.now(datetime.UTC)
    mine = (traces.c.service == service.number) & (traces.c.gateway == gateway)
    for id, trace in found:
        text = json.dumps(trace, ensure_ascii=False, separators=(",", ":"))
        if len(text) > LARGEST:
            raise invalid("traces", f"Trace '{id}' has more than {LARGEST} characters.")
        same = (traces.c.service == service.number) & (traces.c.id == id)
        holder = connection.scalar(select(traces.c.gateway).where(same))
        if holder is not None and holder != gateway:  # ids are drawn at random: this one was read somewhere
            continue
        connection.execute(delete(traces).where(same))
        values = {
            "service": service.number,
            "id": id,
            "gateway": gateway,
            "received": now.isoformat(timespec="microseconds"),
            "sealed": vault.seal(text.encode("utf-8", "surrogatepass"), _place(id)),
        }
        connection.execute(insert(traces).values(**values))
    old = (now - LIFE).isoformat(timespec="microseconds")
    connection.execute(delete(traces).where(mine, traces.c.received < old))
    newest = select(traces.c.id).where(mine).order_by(traces.c.received.desc()).limit(KEPT)
    connection.execute(delete(traces).where(mine, traces.c.id.not_in(newest)))


def find(tx: Transaction, id: str, gateway: str | None) -> dict[str, Any] | None:
    """The trace of that id, of one gateway or (None) of any."""
    query = select(traces.c.sealed).where(traces.c.service == tx.service.number, traces.c.id == id)
    if gateway is not None:
        query = query.where(traces.c.gateway == gateway.lower())
    sealed = tx.connection.scalar(query)
    if sealed is None:
        return None
    found: dict[str, Any] = json.loads(tx.vault.unseal(sealed, _place(id)).decode("utf-8", "surrogatepass"))
    return found


def _place(id: str) -> str:
    return f"/traces/{id}"
