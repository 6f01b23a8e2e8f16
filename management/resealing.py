"""Seal again what is not sealed as it should be: with a former key, or not at all where it now is.

Rules
1. A page at a time, each in a transaction of its own: other writers wait for a page, readers for nobody, and whoever is
   killed leaves a store that opens with the two keys. To go on is to begin again.
2. A value that opens with the present key is left alone, so a second pass writes nothing.
3. No resource changes by it: no revision, no log, nothing for gateways.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, literal, or_, select, tuple_, update
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from management import schema
from management.store import Store, StoreUnusable
from management.transaction import COLUMNS, SEALED_WHOLE, place_of, row_of, values_of
from management.vault import Vault

PAGE = 500
Values = dict[str, Any]
NAMES = tuple(column.name for column in COLUMNS)
PLACES: dict[str, Callable[[Any], str]] = {
    "resources": lambda row: place_of(row["service"], row["key"]),
    "former": lambda row: place_of(row["service"], row["key"]),
    "sums": lambda row: f"sum:{row['service']}:{row['audience']}",
    "traces": lambda row: f"/traces/{row['id']}",
    "requests": lambda row: "/requests",
    "quotas": lambda row: "/quotas",
}
# quotas first: they are found by what the key makes of their names
TABLES = tuple(schema.metadata.tables[name] for name in ("quotas", *(name for name in PLACES if name != "quotas")))


@contextmanager
def opened(url: str, key: Path) -> Iterator[Store]:
    """The store with the keys that are in the files now. Raises StoreUnusable, VaultBroken."""
    store = Store.open(url, Vault.open(key))
    try:
        yield store
    except SQLAlchemyError as error:
        told = str(getattr(error, "orig", error)).strip().splitlines()[0]
        raise StoreUnusable(f"The store: {told}. Call it again: it goes on where it was.") from None
    finally:
        store.close()


def reseal_all(url: str, key: Path, told: Callable[[], None]) -> int:
    """Until nothing is left: a plane may seal with the former key until it meets the new one. Raises as `opened`."""
    count = 0
    while True:
        with opened(url, key) as store:
            done = reseal(store, told)
            if not done:
                _wipe(store)
                return count
        count += done


def _wipe(store: Store) -> None:
    try:
        store.wipe()
    except OperationalError as error:
        raise StoreUnusable(
            f"Everything is sealed with the new key, but the database could not be cleaned of the rest ({error.orig}): "
            "make room on its disk and call it again, which makes another key."
        ) from None


def reseal(store: Store, told: Callable[[], None] = lambda: None) -> int:
    """Seal with the present key whatever a former one sealed; how many values that were. `told` hears of each page."""
    count = 0
    for table in TABLES:
        last: list[Any] | None = []
        while last is not None:
            with store.writing() as connection:
                rows, last = _page(connection, table, last)
                count += _again(connection, store.vault, table, rows)
            told()
    return count


def seal_whole(connection: Connection, vault: Vault) -> None:
    """Seal the documents that an earlier release left open."""
    for table, is_open in (
        (schema.resources, or_(*(schema.resources.c.type.endswith(word) for word in SEALED_WHOLE))),
        (schema.former, or_(*(schema.former.c.row.contains(f'{word}"') for word in SEALED_WHOLE))),
    ):
        last: list[Any] | None = []
        while last is not None:
            rows, last = _page(connection, table, last, is_open)
            _whole(connection, vault, table, rows)


def needs_former(store: Store) -> int:
    """How many values only a former key opens. Raises VaultBroken for one that no key opens."""
    count = 0
    with store.reading() as connection:
        for table in TABLES:
            query = select(table).where(table.c.sealed.is_not(None)).execution_options(yield_per=PAGE)
            with connection.execute(query) as found:
                for row in found.mappings():
                    place = PLACES[table.name](row)
                    if not store.vault.is_present(row["sealed"], place):
                        store.vault.unseal(row["sealed"], place)
                        count += 1
    return count


def _page(
    connection: Connection, table: Table, last: list[Any], *conditions: Any
) -> tuple[list[Any], list[Any] | None]:
    """The rows after `last` in the order of the primary key, and where the next page begins; None at the end."""
    key = list(table.primary_key)
    query = select(table).where(*conditions).order_by(*key).limit(PAGE)
    if last:
        query = query.where(tuple_(*key) > tuple_(*(literal(value) for value in last)))
    rows = list(connection.execute(query).mappings())
    return rows, [rows[-1][column.name] for column in key] if len(rows) == PAGE else None


def _again(connection: Connection, vault: Vault, table: Table, rows: list[Any]) -> int:
    changed = []
    for row in rows:
        place = PLACES[table.name](row)
        if row["sealed"] is None or vault.is_present(row["sealed"], place):
            continue
        clear = vault.unseal(row["sealed"], place)
        values: Values = {"sealed": vault.seal(clear, place)}
        if table is schema.quotas:
            values["key"] = vault.name(clear.decode("utf-8", "surrogatepass"))
            if _told_since(connection, row, values["key"]):
                connection.execute(delete(table).where(*_is(table, row)))
                continue
        changed.append((row, values))
    _store(connection, table, changed)
    return len(changed)


def _told_since(connection: Connection, row: Any, name: str) -> bool:
    """Whether the counter stands under its present name already."""
    query = select(schema.quotas.c.key).where(*_is(schema.quotas, {**row, "key": name}))
    return connection.scalar(query) is not None


def _is(table: Table, row: Any) -> list[Any]:
    return [column == row[column.name] for column in table.primary_key]


def _whole(connection: Connection, vault: Vault, table: Table, rows: list[Any]) -> int:
    changed = []
    for row in rows:
        held: Values = dict(row) if table is schema.resources else json.loads(row["row"])
        if held["type"].rpartition("/")[2] not in SEALED_WHOLE or not held["body"]:
            continue
        values = held | {"sealed": row["sealed"]}
        new = values_of(row_of([values[name] for name in NAMES], vault, row["service"]), vault, row["service"])
        if table is schema.former:
            sealed = new.pop("sealed")
            new = {"row": json.dumps(new | {"links": held["links"]}), "sealed": sealed}
        changed.append((row, {name: value for name, value in new.items() if name in table.c}))
    _store(connection, table, changed)
    return len(changed)


def _store(connection: Connection, table: Table, changed: list[tuple[Any, Values]]) -> None:
    if not changed:
        return
    key = [column.name for column in table.primary_key]
    statement = update(table).where(*(table.c[name] == bindparam(f"of_{name}") for name in key))
    values: Values = {name: bindparam(f"new_{name}") for name in changed[0][1]}
    connection.execute(
        statement.values(values),
        [
            {f"of_{name}": row[name] for name in key} | {f"new_{name}": value for name, value in new.items()}
            for row, new in changed
        ],
    )
