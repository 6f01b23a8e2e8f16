"""The log for people: who made which revision, and what is different between two of them. Ours, not ARM's.

    GET {service}/revisions                    newest first: who, when, how much, and the first of what changed
    GET {service}/differences?from=11&to=12    resource by resource, what it was and what it became
    GET {service}/differences?from=20&to=12    what a roll back from 20 to 12 would do

Rules
1. Both reach back as far as the log does.
2. No secret is told; `secrets` names the fields that are different and secret.
3. What one text holds beyond `LONGEST` characters is left out, and says so; the documents of imports are large.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, overload

from sqlalchemy import bindparam, func, select

from management.declare import Call
from management.documents import copied
from management.errors import invalid
from management.schema import authors, former, log
from management.store import Row
from management.transaction import BATCH, COLUMNS, Transaction, row_of

NAMED = 5  # resources of a revision that its line in the list names
LONGEST = 100_000  # characters
Item = dict[str, Any]
# made once: to say it in SQL anew costs more than to ask it
NAMES = (
    select(log.c.id, log.c.op)
    .where(log.c.service == bindparam("service"), log.c.revision == bindparam("revision"))
    .order_by(log.c.id)
    .limit(NAMED)
)


class Revisions(Sequence[Item]):
    """Newest first; a page costs a page."""

    def __init__(self, tx: Transaction, first: int, count: int) -> None:
        self._tx, self._first, self._count = tx, first, count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, at: int) -> Item: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[Item]: ...

    def __getitem__(self, at: int | slice) -> Item | Sequence[Item]:
        if isinstance(at, int):
            return self._told(self._first - at, self._first - at)[0]
        start, stop, _ = at.indices(self._count)
        return self._told(self._first - stop + 1, self._first - start) if stop > start else []

    def named(self, name: str) -> list[Item]:
        at = self._first - int(name) if name.isascii() and name.isdecimal() and len(name) < 10 else -1
        return [self[at]] if 0 <= at < self._count else []

    def _told(self, low: int, high: int) -> list[Item]:
        tx = self._tx
        mine = (log.c.service == tx.service.number) & (log.c.revision >= low) & (log.c.revision <= high)
        counted = select(log.c.revision, log.c.op, func.count(), func.min(log.c.time)).where(mine)
        told: dict[int, Item] = {
            each: {"name": str(each), "revision": each, "time": None, "author": None, "client": "", "restored": None}
            | {"stored": 0, "deleted": 0, "resources": []}
            for each in range(high, low - 1, -1)
        }
        for revision, op, count, time in tx.connection.execute(counted.group_by(log.c.revision, log.c.op)):
            told[revision] |= {"time": time, "stored" if op == "put" else "deleted": count}
        for revision, item in told.items():
            found = tx.connection.execute(NAMES, {"service": tx.service.number, "revision": revision})
            item["resources"] = [{"id": id, "operation": op} for id, op in found]
        by = (authors.c.service == tx.service.number) & (authors.c.revision >= low) & (authors.c.revision <= high)
        who = select(authors.c.revision, authors.c.name, authors.c.client, authors.c.restored).where(by)
        for revision, name, client, restored in tx.connection.execute(who):
            told[revision] |= {"author": name, "client": client, "restored": restored}
        return list(told.values())


def revisions(call: Call) -> Revisions:
    service = call.tx.service
    return Revisions(call.tx, service.revision, service.revision - service.horizon)


class Differences(Sequence[Item]):
    """What is different after `start` and after `end`, in the order of keys; a page costs a page."""

    def __init__(self, tx: Transaction, start: int, end: int) -> None:
        self._tx, self._start, self._end = tx, start, end
        low, high = min(start, end), max(start, end)
        self._mine = (former.c.service == tx.service.number) & (former.c.revision > low) & (former.c.revision <= high)

    def __len__(self) -> int:
        return self._tx.connection.scalar(select(func.count(former.c.key.distinct())).where(self._mine)) or 0

    @overload
    def __getitem__(self, at: int) -> Item: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[Item]: ...

    def __getitem__(self, at: int | slice) -> Item | Sequence[Item]:
        if isinstance(at, int):
            return self._told(at, at + 1)[0]
        start, stop, _ = at.indices(len(self))
        return self._told(start, stop)

    def _told(self, start: int, stop: int) -> list[Item]:
        keys = select(former.c.key).where(self._mine).distinct().order_by(former.c.key)
        page = keys.limit(max(0, stop - start)).offset(start)
        found = self._tx.connection.scalars(page).all()
        before, after = states_at(self._tx, found, self._start), states_at(self._tx, found, self._end)
        return [_difference(key, before.get(key), after.get(key)) for key in found]


def _difference(key: str, before: Row | None, after: Row | None) -> Item:
    shown = after or before
    done = "create" if before is None else "delete" if after is None else "update"
    same = before is None if after is None else before is not None and before.same(after)
    return {
        "id": shown.id if shown else key,
        "name": shown.name if shown else key.rsplit("/", 1)[1],
        "kind": shown.type if shown else "",
        "operation": "none" if same else done,
        "before": None if before is None else _bounded(copied(before.body)),
        "after": None if after is None else _bounded(copied(after.body)),
        "secrets": _secrets(before, after),
    }


def differences(call: Call) -> Differences:
    return Differences(call.tx, _number(call.query, "from", call.tx), _number(call.query, "to", call.tx))


def states_at(tx: Transaction, keys: Sequence[str], revision: int) -> dict[str, Row]:
    """What the resources `keys` were after `revision`; without those that were not there."""
    found: dict[str, Row] = {}
    for start in range(0, len(keys), BATCH):
        part = keys[start : start + BATCH]
        later = (former.c.service == tx.service.number) & former.c.key.in_(part) & (former.c.revision > revision)
        first = select(former.c.key, func.min(former.c.revision).label("revision")).where(later).group_by(former.c.key)
        changed = first.subquery()
        query = select(former.c.key, former.c.row, former.c.sealed).join(
            changed,
            (former.c.service == tx.service.number)
            & (former.c.key == changed.c.key)
            & (former.c.revision == changed.c.revision),
        )
        past = {key: (row, sealed) for key, row, sealed in tx.connection.execute(query)}
        tx.prefetch(key for key in part if key not in past)
        for key in part:
            row = _row(tx, *past[key]) if key in past else tx.get(key)
            if row is not None:
                found[key] = row
    return found


def _row(tx: Transaction, text: str | None, sealed: bytes | None) -> Row | None:
    if text is None:
        return None
    values = json.loads(text) | {"sealed": sealed}
    return row_of([values[column.name] for column in COLUMNS], tx.vault, tx.service.number)


def _secrets(before: Row | None, after: Row | None) -> list[str]:
    old, new = (dict(each.hidden) if each else {} for each in (before, after))
    return sorted({".".join(map(str, path)) for path in old.keys() | new.keys() if old.get(path) != new.get(path)})


def _bounded(value: Any) -> Any:
    if isinstance(value, str):
        left_out = len(value) - LONGEST
        return value if left_out <= 0 else f"{value[:LONGEST]}\n… {left_out} more characters"
    if isinstance(value, dict):
        return {key: _bounded(each) for key, each in value.items()}
    return [_bounded(each) for each in value] if isinstance(value, list) else value


def _number(query: Mapping[str, str], name: str, tx: Transaction) -> int:
    text = query.get(name, "")
    low, high = tx.service.horizon, tx.service.revision
    if not text.isascii() or not text.isdecimal() or len(text) > 9 or not low <= int(text) <= high:
        raise invalid(name, f"{name} must be the number of a revision from {low} to {high}.")
    return int(text)
