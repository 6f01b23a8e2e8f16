"""The store: resources of services, their secrets, and the numbered log of changes.

Rules
1. A transaction that writes takes the next revision number of its service, once, for all that it touches; the number,
   the rows, their log entries and the fingerprints are committed together or not at all. So there are no gaps.
2. Writers come one at a time (BEGIN IMMEDIATE, one connection); readers see one consistent state and wait for nobody.
3. An acknowledged change is on the disk (`synchronous=FULL`): it outlives a killed process and a lost host.
4. Nothing outside this file and `transaction.py` knows SQL, but for the read-only queries of the feed.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import delete, event, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from management import schema
from management.fingerprint import canonical
from management.secret_fields import Hidden, merge
from management.vault import Vault

READERS = 4
BUSY_SECONDS = 30
LOG_REVISIONS = 100_000


class StoreUnusable(Exception):
    """The database is not one that this version can work with; the message says what to do."""


@dataclass(slots=True)
class Row:
    """One resource. `body` is public; `hidden` its secrets. Treat both as read-only."""

    id: str
    type: str
    audience: str
    body: dict[str, Any]
    hidden: Hidden = field(default=(), repr=False)
    lookup: str | None = None
    wire: str | None = None
    digest: str | None = None
    revision: int = 0

    @property
    def key(self) -> str:
        return self.id.lower()

    @property
    def name(self) -> str:
        return self.id.rsplit("/", 1)[1]

    @property
    def collection(self) -> str:
        return collection_of(self.key)

    @property
    def etag(self) -> str:
        """A quoted tag; the revision is enough, since every change of a resource has another one."""
        return f'"{self.revision:016x}"'

    def clear(self) -> dict[str, Any]:
        """The whole document with secrets; a copy."""
        return merge(self.body, self.hidden)


@dataclass(slots=True, frozen=True)
class Service:
    """A service instance. `id` is its full ARM id, `number` its number in the store."""

    number: int
    id: str
    dataset: str
    revision: int
    horizon: int


def collection_of(key: str) -> str:
    """The key without its name: "/apis/a/operations" of "/apis/a/operations/b"."""
    return key.rsplit("/", 1)[0] if key != "/" else ""


class Store:
    """Opened with `await Store.open(...)`, ended with `await store.close()`."""

    def __init__(self, writer: AsyncEngine, readers: AsyncEngine, vault: Vault) -> None:
        self._writer = writer
        self._readers = readers
        self.vault = vault

    @classmethod
    async def open(cls, url: str, vault: Vault) -> Store:
        writer = _engine(url, "BEGIN IMMEDIATE", pool_size=1)
        readers = _engine(url, "BEGIN", pool_size=READERS)
        store = cls(writer, readers, vault)
        try:
            async with writer.begin() as connection:
                await connection.run_sync(schema.metadata.create_all)
                await _check_version(connection)
        except BaseException:
            await store.close()
            raise
        return store

    async def close(self) -> None:
        await self._writer.dispose()
        await self._readers.dispose()

    async def trim_log(self, keep: int = LOG_REVISIONS) -> None:
        """Forget what is older than the last `keep` revisions of a service; agents behind that get a snapshot."""
        async with self.writing() as connection:
            found = await connection.execute(select(schema.services.c.number, schema.services.c.revision))
            for number, revision in found.all():
                horizon = max(0, revision - keep)
                mine = schema.services.c.number == number
                await connection.execute(
                    delete(schema.log).where(schema.log.c.service == number, schema.log.c.revision <= horizon)
                )
                later = schema.services.c.horizon < horizon
                await connection.execute(update(schema.services).where(mine, later).values(horizon=horizon))

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A consistent view of the whole store."""
        async with self._readers.begin() as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """The only writer; commits at the end, or nothing is written when the block raises."""
        async with self._writer.begin() as connection:
            yield connection


def sqlite_url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


def _engine(url: str, begin: str, pool_size: int) -> AsyncEngine:
    engine = create_async_engine(url, pool_size=pool_size, max_overflow=0, pool_timeout=BUSY_SECONDS)
    if engine.dialect.name != "sqlite":
        return engine

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions are ours to begin
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            f"busy_timeout={BUSY_SECONDS * 1000}",
            "cache_size=-65536",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def start(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine


async def _check_version(connection: AsyncConnection) -> None:
    found = await connection.scalar(select(schema.meta.c.value).where(schema.meta.c.name == "schema"))
    if found is None:
        await connection.execute(insert(schema.meta).values(name="schema", value=schema.SCHEMA_VERSION))
    elif found != schema.SCHEMA_VERSION:
        raise StoreUnusable(
            f"The store has schema version {found}, this program works with {schema.SCHEMA_VERSION}: "
            "run the version that wrote it, or start with another management.data."
        )


def encode_hidden(hidden: Hidden) -> bytes:
    return canonical([[list(path), value] for path, value in hidden]).encode()


def decode_hidden(text: bytes) -> Hidden:
    return tuple((tuple(path), value) for path, value in json.loads(text))
