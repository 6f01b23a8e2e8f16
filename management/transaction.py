"""One transaction on one service: reads see its own writes, and all writes are one revision.

Writes wait in memory and go to the database together (before a query that must see them, and at the end), so an import
of a thousand operations is a handful of statements.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, delete, func, insert, select, update

from management import fingerprint
from management.author import AUTHOR
from management.schema import authors, former, links, log, resources, services
from management.store import Row, Service, Store, decode_hidden, encode_hidden
from management.sums import Sums
from management.vault import Vault

COLUMNS = (
    resources.c.id,
    resources.c.type,
    resources.c.audience,
    resources.c.body,
    resources.c.sealed,
    resources.c.lookup,
    resources.c.wire,
    resources.c.digest,
    resources.c.revision,
)

# the last words of types whose documents are sealed whole: people write secrets into policies
SEALED_WHOLE = ("policies", "policyfragments")
BATCH = 500  # rows that are read at once where there may be many

# made once: to say it in SQL anew costs more than to ask it
ONE = select(*COLUMNS).where(resources.c.service == bindparam("service"), resources.c.key == bindparam("key"))

# (source key, target key, rule)
StoredLink = tuple[str, str, str]


def below(column: Any, key: str) -> ColumnElement[bool]:
    """Keys below `key`: a range of the index ("0" is the character after "/")."""
    prefix = "" if key == "/" else key
    condition: ColumnElement[bool] = (column >= f"{prefix}/") & (column < f"{prefix}0")
    return condition


class Transaction:
    """Made by `reading` and `writing` below."""

    def __init__(self, connection: Connection, vault: Vault, service: Service, strict: bool = True) -> None:
        self.connection = connection
        self.strict = strict
        self.thrifty = False  # a resource that is stored again as it is keeps its revision
        self.restored: int | None = None  # the revision that this one goes back to
        self.service = service
        self.vault = vault
        self._seen: dict[str, Row | None] = {}
        self._whole = False  # all that there is has been seen
        self._before: dict[str, Row | None] = {}
        self._former_links: dict[str, list[tuple[str, str]]] = {}
        # keys that the database certainly does not have: nothing to delete before an insert
        self._absent: set[str] = set()
        self._waiting: dict[str, Row | None] = {}
        self._waiting_links: dict[str, list[StoredLink]] = {}

    def outer(self) -> Transaction | None:
        """The service around a workspace."""
        if "/workspaces/" not in self.service.id.lower():
            return None
        service = find_service(self.connection, self.service.id.rsplit("/", 2)[0])
        return self.inside(service) if service else None

    def inside(self, service: Service) -> Transaction:
        """The same transaction, seen from another container."""
        return Transaction(self.connection, self.vault, service, self.strict)

    @property
    def revision(self) -> int:
        """The number that this transaction's changes get."""
        return self.service.revision + 1

    @property
    def changed(self) -> bool:
        return any(self._seen[key] is not before for key, before in self._before.items())

    def changes(self) -> Iterator[tuple[Row | None, Row | None]]:
        """(what it was before this transaction, what it is now) of everything that was touched."""
        for key, before in self._before.items():
            yield before, self._seen[key]

    def get(self, key: str) -> Row | None:
        key = key.lower()
        if key not in self._seen:
            found = None
            if not self._whole:
                found = self.connection.execute(ONE, {"service": self.service.number, "key": key}).first()
            self._seen[key] = row_of(found, self.vault, self.service.number) if found is not None else None
            if found is None:
                self._absent.add(key)
        return self._seen[key]

    def prefetch(self, keys: Iterable[str]) -> None:
        """Read what will be asked for one by one in a few statements."""
        wanted = [key for key in dict.fromkeys(map(str.lower, keys)) if key not in self._seen]
        for start in range(0, len(wanted), BATCH):
            part = wanted[start : start + BATCH]
            rows = {row.key: row for row in self._fetch(self._select().where(resources.c.key.in_(part)))}
            self._seen.update((key, rows.get(key)) for key in part)
            self._absent.update(key for key in part if key not in rows)

    def load(self) -> None:
        """See everything at once, for who is going to ask for most of it one by one."""
        for row in self._fetch(self._select()):
            self._seen.setdefault(row.key, row)
        self._whole = True

    def size(self) -> int:
        """How many resources there are."""
        query = select(func.count()).select_from(resources).where(resources.c.service == self.service.number)
        return int(self.connection.scalar(query) or 0)

    def find(self, lookup: str) -> list[Row]:
        """Resources by their second name."""
        self.flush()
        return self._fetch(self._select().where(resources.c.lookup == lookup))

    def children(self, collection: str, top: int | None = None, skip: int = 0) -> list[Row]:
        self.flush()
        query = self._select().where(resources.c.collection == collection.lower()).order_by(resources.c.key)
        return self._fetch(query.limit(top).offset(skip) if top is not None else query)

    def matching(self, collection: str, may_fit: Callable[[str, str], bool]) -> Iterator[Row]:
        """Those of `children` whose id and body may fit, a few at a time: nobody holds all of them."""
        self.flush()
        query = self._select().where(resources.c.collection == collection.lower()).order_by(resources.c.key)
        with self.connection.execute(query.execution_options(yield_per=BATCH)) as found:
            for values in found:
                if values.body == "" or may_fit(values.id, values.body):  # what is sealed whole is looked at below
                    yield row_of(values, self.vault, self.service.number)

    def count(self, collection: str) -> int:
        self.flush()
        query = (
            select(func.count())
            .select_from(resources)
            .where(resources.c.service == self.service.number, resources.c.collection == collection.lower())
        )
        return int(self.connection.scalar(query) or 0)

    def names(self, collection: str) -> list[str]:
        """Names in a collection, as written."""
        self.flush()
        query = select(resources.c.id).where(
            resources.c.service == self.service.number, resources.c.collection == collection
        )
        return [str(id).rsplit("/", 1)[1] for (id,) in self.connection.execute(query)]

    def of_type(self, type: str) -> list[Row]:
        """All resources of a type, wherever they stand: "apis/issues"."""
        self.flush()
        return self._fetch(self._select().where(resources.c.type == type.lower()).order_by(resources.c.key))

    def count_of_type(self, type: str) -> int:
        self.flush()
        mine = (resources.c.service == self.service.number) & (resources.c.type == type.lower())
        return int(self.connection.scalar(select(func.count()).select_from(resources).where(mine)) or 0)

    def below(self, key: str) -> list[Row]:
        """Everything below a resource, in order of keys."""
        self.flush()
        return self._fetch(self._select().where(below(resources.c.key, key.lower())).order_by(resources.c.key))

    def siblings(self, prefix: str) -> list[Row]:
        """Resources of one collection whose keys start with `prefix`."""
        self.flush()
        return self._fetch(
            self._select()
            .where(resources.c.collection == prefix.rsplit("/", 1)[0])
            .where(resources.c.key >= prefix, resources.c.key < prefix + "\uffff")
            .order_by(resources.c.key)
        )

    def links_to(self, key: str, with_below: bool = False) -> list[StoredLink]:
        self.flush()
        target: ColumnElement[bool] = links.c.target == key
        if with_below:
            target = target | below(links.c.target, key)
        query = select(links.c.source, links.c.target, links.c.rule).where(
            links.c.service == self.service.number, target
        )
        return [(source, target, rule) for source, target, rule in self.connection.execute(query)]

    def links_from(self, key: str) -> list[StoredLink]:
        self.flush()
        query = select(links.c.source, links.c.target, links.c.rule).where(
            links.c.service == self.service.number, links.c.source == key
        )
        return [(source, target, rule) for source, target, rule in self.connection.execute(query)]

    def put(self, row: Row, targets: Iterable[tuple[str, str]] = ()) -> Row:
        """Store a resource and whom it refers to: (target key, rule). Returns it with its revision."""
        if self.thrifty:
            held, former = self.get(row.key), self._before.get(row.key)
            if held is not None and held.same(row):
                return held
            if former is not None and former.same(row):  # it was another one in between
                self._touch(row.key, former)
                self._waiting_links[row.key] = [(row.key, target, rule) for target, rule in dict(targets).items()]
                return former
        row = replace(row, revision=self.revision)
        self._touch(row.key, row)
        self._waiting_links[row.key] = [(row.key, target, rule) for target, rule in dict(targets).items()]
        return row

    def remove(self, key: str) -> None:
        self._touch(key, None)
        self._waiting_links[key] = []

    def _touch(self, key: str, row: Row | None) -> None:
        if key not in self._before:
            self._before[key] = self.get(key)
        self._seen[key] = self._waiting[key] = row

    def flush(self) -> None:
        """Bring what waits to the database; still uncommitted."""
        if not self._waiting:
            return
        number = self.service.number
        keys = list(self._waiting)
        stored = [key for key in keys if key not in self._absent]
        self._absent -= set(keys)
        self._note_links([key for key in stored if key not in self._former_links])
        self._forget(resources, resources.c.key, stored)
        self._forget(links, links.c.source, stored)
        rows = [self._values(row) for row in self._waiting.values() if row is not None]
        if rows:
            self.connection.execute(insert(resources), rows)
        wanted = [
            {"service": number, "source": source, "target": target, "rule": rule}
            for key in keys
            for source, target, rule in self._waiting_links[key]
        ]
        if wanted:
            self.connection.execute(insert(links), wanted)
        self._waiting.clear()
        self._waiting_links.clear()

    def _note_links(self, keys: list[str]) -> None:
        """Whom these resources referred to before this transaction."""
        for start in range(0, len(keys), 500):
            part = keys[start : start + 500]
            self._former_links |= {key: [] for key in part}
            query = select(links.c.source, links.c.target, links.c.rule)
            query = query.where(links.c.service == self.service.number, links.c.source.in_(part))
            for source, target, rule in self.connection.execute(query):
                self._former_links[source].append((target, rule))

    def finish(self) -> int:
        """Number the changes; returns the revision now in force."""
        self.flush()
        for key in [key for key, before in self._before.items() if self._seen[key] is before]:
            del self._before[key]
        if not self._before:
            return self.service.revision
        time = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        entries: list[dict[str, Any]] = []
        change: dict[str, int] = {}
        for key, old in self._before.items():
            new = self._seen[key]
            for row, sign in ((old, -1), (new, 1)):
                if row is not None and row.audience != "-":
                    change[row.audience] = change.get(row.audience, 0) + sign * fingerprint.term(
                        row.id, row.digest or ""
                    )
            entries += [
                {
                    "service": self.service.number,
                    "revision": self.revision,
                    "key": key,
                    "id": row.id,
                    "audience": row.audience,
                    "op": op,
                    "time": time,
                }
                for row, op in ((old, "delete"), (new, "put"))
                # a row that was replaced is one entry, unless its spelling changed
                if row is not None and (op == "put" or new is None or new.id != row.id)
            ]
        if entries:
            self.connection.execute(insert(log), entries)
        self._remember()
        name, client = AUTHOR.get()
        by = {"name": name, "client": client, "restored": self.restored}
        self.connection.execute(insert(authors).values(service=self.service.number, revision=self.revision, **by))
        self._add_to_sums({audience: difference for audience, difference in change.items() if difference})
        self.connection.execute(
            update(services).where(services.c.number == self.service.number).values(revision=self.revision)
        )
        return self.revision

    def _remember(self) -> None:
        """Keep what the changed resources were, so that this revision can be taken back."""
        rows = []
        for key, old in self._before.items():
            stored = self._values(old) if old is not None else {}
            sealed = stored.pop("sealed", None)
            text = json.dumps(stored | {"links": self._former_links.get(key, [])}) if old is not None else None
            values = {"service": self.service.number, "revision": self.revision, "key": key}
            rows.append(values | {"row": text, "sealed": sealed})
        self.connection.execute(insert(former), rows)

    def restore(self, key: str, text: str | None, sealed: bytes | None) -> None:
        """Make the resource `key` what `_remember` kept; links included, its type not asked."""
        if text is None:
            self.remove(key)
            return
        stored = json.loads(text)
        targets = [(target, rule) for target, rule in stored.pop("links")]
        values = stored | {"sealed": sealed}
        row = row_of([values[column.name] for column in COLUMNS], self.vault, self.service.number)
        self.put(row, targets)

    def _add_to_sums(self, differences: dict[str, int]) -> None:
        associated: dict[str, set[str]] = {}
        parted: dict[str, set[str]] = {}
        for key, old in self._before.items():
            new = self._seen[key]
            if key.startswith("/gateways/") and "/apis/" in key and (old is None) != (new is None):
                _, _, gateway, _, api = key.split("/")
                (parted if new is None else associated).setdefault(gateway, set()).add(f"api:{api}")
        Sums(self.connection, self.vault, self.service.number).add(differences, associated, parted)

    def _forget(self, table: Any, column: Any, keys: list[str]) -> None:
        for start in range(0, len(keys), 500):
            self.connection.execute(
                delete(table).where(table.c.service == self.service.number, column.in_(keys[start : start + 500]))
            )

    def _select(self) -> Select[Any]:
        return select(*COLUMNS).where(resources.c.service == self.service.number)

    def _fetch(self, query: Select[Any]) -> list[Row]:
        return [row_of(each, self.vault, self.service.number) for each in self.connection.execute(query)]

    def _values(self, row: Row) -> dict[str, Any]:
        return values_of(row, self.vault, self.service.number)


def values_of(row: Row, vault: Vault, number: int) -> dict[str, Any]:
    """A row as the table has it. Of what is sealed whole nothing else is there to be read."""
    sealed, whole = None, row.type.rpartition("/")[2] in SEALED_WHOLE
    if row.hidden or whole:
        content = [row.digest, encode_hidden(row.hidden).decode(), *([row.body, row.wire] if whole else [])]
        sealed = vault.seal(json.dumps(content).encode(), place_of(number, row.key))
    return {
        "service": number,
        "key": row.key,
        "id": row.id,
        "type": row.type,
        "collection": row.collection,
        "audience": row.audience,
        "lookup": row.lookup,
        "body": "" if whole else fingerprint.canonical(row.body),
        "wire": None if whole else row.wire,
        "digest": None if sealed else row.digest,
        "sealed": sealed,
        "revision": row.revision,
    }


def row_of(values: Any, vault: Vault, number: int) -> Row:
    """A row from `COLUMNS`."""
    id, type_, audience, body, sealed, lookup, wire, digest, revision = values
    row = Row(id, type_, audience, json.loads(body) if body else {}, (), lookup, wire, digest, revision)
    if sealed is not None:
        row.digest, hidden, *whole = json.loads(vault.unseal(sealed, place_of(number, row.key)))
        row.hidden = decode_hidden(hidden.encode())
        if whole:
            row.body, row.wire = whole
    return row


def place_of(number: int, key: str) -> str:
    return f"{number}:{key}"


def find_service(connection: Connection, id: str, lock: bool = False) -> Service | None:
    query = select(services.c.number, services.c.id, services.c.dataset, services.c.revision, services.c.horizon)
    query = query.where(services.c.key == id.lower())
    found = (connection.execute(query.with_for_update() if lock else query)).first()
    return Service(*found) if found else None


def find_services(connection: Connection, scope: str) -> list[Service]:
    """Those whose id begins with `scope`, in the order of their making; containers inside them are left out."""
    query = select(services.c.number, services.c.id, services.c.dataset, services.c.revision, services.c.horizon)
    query = query.where(services.c.key.startswith(scope, autoescape=True))
    query = query.where(services.c.key.like("%/service/%"), services.c.key.not_like("%/service/%/%"))
    query = query.order_by(services.c.number)
    return [Service(*found) for found in connection.execute(query)]


def find_outside(connection: Connection, scope: str) -> list[Service]:
    """What holds the gateways outside of services in a subscription or a resource group."""
    query = select(services.c.number, services.c.id, services.c.dataset, services.c.revision, services.c.horizon)
    query = query.where(services.c.key.startswith(scope.rstrip("/") + "/", autoescape=True))
    query = query.where(services.c.key.like("%/resourcegroups/%/providers/microsoft.apimanagement"))
    return [Service(*found) for found in connection.execute(query.order_by(services.c.key))]


@contextmanager
def reading(store: Store, service_id: str) -> Iterator[Transaction | None]:
    """A consistent view of one service; None when there is none."""
    with store.reading() as connection:
        service = find_service(connection, service_id)
        yield Transaction(connection, store.vault, service, store.strict) if service else None


@contextmanager
def writing(store: Store, service_id: str) -> Iterator[Transaction | None]:
    """Changes of one service; committed and numbered at the end, or not at all."""
    with store.writing() as connection:
        service = find_service(connection, service_id, lock=True)
        if service is None:
            yield None
            return
        transaction = Transaction(connection, store.vault, service, store.strict)
        yield transaction
        transaction.finish()
