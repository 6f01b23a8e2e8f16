"""What changed between two revisions of a service, and the way back to one of them. Ours, not ARM's.

    GET  {service}/changes?from=12&to=20      what each of the revisions 13 to 20 did; with &made=TIME it is refused
                                              where revision 12 was made at another time, so there is another past
    POST {service}/rollback {"revision": 12}  everything as it was after revision 12, as one new revision

Both reach back as far as the log does. Workspaces have a log of their own: ask below the workspace. One that was not
there yet goes with all that is in it; one that was deleted comes back empty, since its log went with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select

from management.containers import make_container, remove_container
from management.declare import Answer, Call
from management.errors import ArmError, invalid
from management.schema import former, log
from management.store import Row
from management.transaction import Transaction, find_service

WORKSPACE = re.compile(r"/workspaces/[^/]+")
MOST_REVISIONS = 1000  # that one GET tells


def changes(call: Call) -> list[dict[str, Any]]:
    last = call.tx.service.revision
    start = _number(call.query, "from", max(call.tx.service.horizon, last - MOST_REVISIONS))
    end = _number(call.query, "to", last)
    if not call.tx.service.horizon <= start <= end <= last or end - start > MOST_REVISIONS:
        raise invalid(
            "from",
            f"from and to must be revisions from {call.tx.service.horizon} to {last}, at most {MOST_REVISIONS} apart.",
        )
    made = call.query.get("made")
    if made is not None and made != time_of(call.tx, start):
        raise invalid("made", f"Revision {start} was not made at {made[:40]}: this plane has another past.")
    query = (
        select(log.c.revision, log.c.time, log.c.op, log.c.id)
        .where(log.c.service == call.tx.service.number, log.c.revision > start, log.c.revision <= end)
        .order_by(log.c.revision, log.c.id)
    )
    told: dict[int, dict[str, Any]] = {}
    for revision, time, op, id in call.tx.connection.execute(query):
        entry = told.setdefault(revision, {"name": str(revision), "revision": revision, "time": time, "changes": []})
        entry["changes"].append({"operation": op, "id": id})
    return list(told.values())


def roll_back(call: Call) -> Answer:
    tx, target = call.tx, call.body.get("revision")
    tx.restored = target if isinstance(target, int) else None
    if not isinstance(target, int) or isinstance(target, bool):
        raise invalid("revision", "revision must be the number of the revision to go back to.")
    if not tx.service.horizon <= target <= tx.service.revision:
        raise ArmError(
            400,
            "ValidationError",
            f"Revision {target} is out of reach: choose one from {tx.service.horizon} to {tx.service.revision}.",
        )
    restored = restore(tx, target)
    return Answer(200, {"revision": tx.revision if restored else tx.service.revision, "restored": restored})


def time_of(tx: Transaction, revision: int) -> str | None:
    """When a revision was made; None when the log has it no longer."""
    query = select(log.c.time).where(log.c.service == tx.service.number, log.c.revision == revision).limit(1)
    return tx.connection.scalar(query)


def times_of(tx: Transaction, row: Row) -> dict[str, str]:
    """When a resource was made and last changed, as far back as the log goes."""
    mine = (log.c.service == tx.service.number) & (log.c.key == row.key) & (log.c.op == "put")
    made, changed = tx.connection.execute(select(func.min(log.c.time), func.max(log.c.time)).where(mine)).one()
    return {"createdDateTime": made, "updatedDateTime": changed} if made else {}


def restore(tx: Transaction, target: int, spare: str = "") -> int:
    """Put back what each resource was before its first change after `target`; how many there were. What stands in the
    collection `spare` stays."""
    query = (
        select(former.c.key, former.c.row, former.c.sealed)
        .where(former.c.service == tx.service.number, former.c.revision > target)
        .order_by(former.c.revision)
    )
    oldest: dict[str, tuple[str | None, bytes | None]] = {}
    for key, row, sealed in tx.connection.execute(query):
        if not spare or not key.startswith(f"{spare}/"):
            oldest.setdefault(key, (row, sealed))
    for key, (row, sealed) in oldest.items():
        tx.restore(key, row, sealed)
        if WORKSPACE.fullmatch(key):
            _contain(tx, key)
    return len(oldest)


def _contain(tx: Transaction, key: str) -> None:
    """What stands in a workspace is there when the workspace is."""
    row = tx.get(key)
    held = find_service(tx.connection, tx.service.id + key) is not None
    if row is None and held:
        remove_container(tx, key)
    elif row is not None and not held:
        make_container(tx, row.id)


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not text.isdecimal() or len(text) > 12:
        raise invalid(name, f"{name} must be the number of a revision.")
    return int(text)
