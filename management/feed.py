"""The configuration feed of one gateway: what docs/configuration-feed.md says, from the tables.

Rules
1. One answer is built in one read transaction, so it is one revision of the service.
2. A row is visible to a gateway by its audience: "*", "gateway:<it>", and "api:<a>" for each API associated with it;
   to "", which is no gateway resource, every API is.
3. A change answer tells the present state of every id that was touched since the cursor, and of everything of an API
   whose association was touched. What was never visible in between is not mentioned.
4. The fingerprint comes from the kept sums; no resource is read for it.
5. A snapshot says that it is complete to who holds nothing or this dataset. Who holds another one, of a store that was
   lost or of another plane, hears it once an operator has accepted this dataset for the gateway: until then it takes
   the snapshot only when that loses at most half.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, literal, select

from management import fingerprint
from management.resources import TYPES
from management.schema import log, resources
from management.store import Service
from management.sums import Sums
from management.transaction import COLUMNS, row_of
from management.vault import Vault
from management.wire import wire_text

BATCH = 1000
# SQLite binds at most 32,766 values to one statement
CHUNK = 5000

# key -> (the ids it was written as, its audience)
Touched = dict[str, tuple[set[str], str]]


@dataclass(slots=True)
class Fingerprints:
    """The last fingerprint of each gateway; only a memo, so it may be lost at any time."""

    known: dict[tuple[int, str], tuple[str, int, str]]

    def get(self, service: Service, gateway: str) -> str | None:
        found = self.known.get((service.number, gateway))
        return found[2] if found and found[:2] == (service.dataset, service.revision) else None

    def keep(self, service: Service, gateway: str, text: str) -> None:
        self.known[(service.number, gateway)] = (service.dataset, service.revision, text)


class Feed:
    """One answer to gateway `gateway` (its id in lower case)."""

    def __init__(
        self,
        connection: Connection,
        vault: Vault,
        service: Service,
        gateway: str,
        memo: Fingerprints,
        complete: bool = True,
    ) -> None:
        self.complete = complete
        self.connection = connection
        self.vault = vault
        self.service = service
        self.gateway = gateway
        self.memo = memo

    def lines(self, dataset: str | None, cursor: int | None) -> Iterator[str]:
        """The answer in pieces of many lines each."""
        service = self.service
        if cursor is None or not self.knows(dataset, cursor):
            yield self._header("snapshot", 0)
            count = 0
            for text, lines in self._snapshot():
                count += lines
                yield text
        elif cursor == service.revision:
            yield self._header("none", cursor)
            count = 0
        else:
            yield self._header("changes", cursor)
            changes = self._changes(cursor)
            count = len(changes)
            yield "".join(changes)
        yield f"E\t{count}\t{self._fingerprint()}\n"

    def knows(self, dataset: str | None, cursor: int | None) -> bool:
        """Whether the way on from `cursor` is known; otherwise a snapshot is the answer."""
        service = self.service
        return dataset == service.dataset and cursor is not None and service.horizon <= cursor <= service.revision

    def _header(self, kind: str, start: int) -> str:
        header: dict[str, Any] = {
            "kind": kind,
            "dataset": self.service.dataset,
            "from": start,
            "cursor": self.service.revision,
        }
        if kind == "snapshot" and self.complete:
            header["complete"] = True
        return f"H\t{json.dumps(header)}\n"

    def _snapshot(self) -> Iterator[tuple[str, int]]:
        query = select(*COLUMNS).where(resources.c.service == self.service.number, self._sees(resources.c.audience))
        with self.connection.execute(query.execution_options(yield_per=BATCH)) as found:
            for rows in found.partitions(BATCH):
                yield "".join(self._upsert(row) for row in rows), len(rows)

    def _changes(self, cursor: int) -> list[str]:
        touched = self._touched(cursor)
        associated, reassociated = self._associations(touched)
        seen = {"*", f"gateway:{self.gateway}"} | associated | reassociated
        ids = {key: spellings for key, (spellings, audience) in touched.items() if audience in seen}
        present: dict[str, Any] = {}
        for keys in _chunks(list(ids)):
            for row in self._rows(resources.c.key.in_(keys)):
                present[row.id.lower()] = row
        for audiences in _chunks(list(reassociated)):
            for row in self._rows(resources.c.audience.in_(audiences)):
                present[row.id.lower()] = row
        visible = {"*", f"gateway:{self.gateway}"} | associated
        shown = {row.id: row for row in present.values() if row.audience in visible}
        gone = {id for spellings in ids.values() for id in spellings} | {row.id for row in present.values()}
        removals = [f"D\t{id}\n" for id in sorted(gone - shown.keys())]
        return removals + [self._upsert(row) for _, row in sorted(shown.items())]

    def _touched(self, cursor: int) -> Touched:
        """What changed after the cursor, but for what no gateway sees."""
        query = (
            select(log.c.key, log.c.id, log.c.audience)
            .where(log.c.service == self.service.number, log.c.revision > cursor, log.c.audience != "-")
            .order_by(log.c.revision)
        )
        touched: Touched = {}
        for key, id, audience in self.connection.execute(query):
            touched.setdefault(key, (set(), audience))[0].add(id)
        return touched

    def _associations(self, touched: Touched) -> tuple[set[str], set[str]]:
        """(touched audiences of APIs associated now, audiences whose association was touched)."""
        collection = f"/gateways/{self.gateway}/apis"
        changed = {f"api:{_last(key)}" for key in touched if key.startswith(f"{collection}/")}
        asked = changed | {audience for _, audience in touched.values() if audience.startswith("api:")}
        now = set()
        for keys in _chunks([f"{collection}/{audience[4:]}" for audience in asked]):
            query = select(resources.c.key).where(resources.c.service == self.service.number, resources.c.key.in_(keys))
            now |= {f"api:{_last(key)}" for key in self.connection.scalars(query)}
        return now, changed

    def _rows(self, condition: ColumnElement[bool]) -> Iterator[Any]:
        query = select(*COLUMNS).where(resources.c.service == self.service.number, condition)
        yield from self.connection.execute(query)

    def _sees(self, audience: ColumnElement[str]) -> ColumnElement[bool]:
        if not self.gateway:
            return (audience == "*") | audience.startswith("api:")
        collection = f"/gateways/{self.gateway}/apis"
        associated = select(literal("api:").concat(func.substr(resources.c.key, len(collection) + 2))).where(
            resources.c.service == self.service.number, resources.c.collection == collection
        )
        return audience.in_(["*", f"gateway:{self.gateway}"]) | audience.in_(associated)

    def _upsert(self, values: Any) -> str:
        if values.sealed is None:
            text, digest = values.wire or values.body, values.digest
        else:
            row = row_of(values, self.vault, self.service.number)
            stored = None if row.hidden else row.wire or fingerprint.canonical(row.body)
            text, digest = stored or wire_text(TYPES[row.type], row, self.service.id), row.digest
        return f"U\t{values.id}\t{digest}\t{text}\n"

    def _fingerprint(self) -> str:
        known = self.memo.get(self.service, self.gateway)
        if known is not None:
            return known
        total = Sums(self.connection, self.vault, self.service.number).of_gateway(self.gateway)
        text = fingerprint.text(total)
        self.memo.keep(self.service, self.gateway, text)
        return text


def _last(key: str) -> str:
    return key.rsplit("/", 1)[1]


def _chunks(items: list[str]) -> list[list[str]]:
    return [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]
