"""The store: resources of services, their secrets, and the numbered log of changes.

Rules
1. A transaction that writes takes the next revision number of its service, once, for all that it touches; the number,
   the rows, their log entries and the fingerprints are committed together or not at all. So there are no gaps.
2. Writers come one at a time, of all processes on one database (SQLite: BEGIN IMMEDIATE; PostgreSQL: an advisory lock
   that ends with the transaction); readers see one consistent state and wait for nobody.
3. An acknowledged change is on the disk (SQLite: `synchronous=FULL`): it outlives a killed process and a lost host.
4. Everything in a transaction is plain, blocking code in a thread: a change is a dozen statements of some 50 µs, and
   handing each of them to another thread and back would cost more than all of them.
5. Nothing outside this file and `transaction.py` knows SQL, but for the read-only queries of the feed.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, delete, event, make_url, select, update
from sqlalchemy.exc import ArgumentError, OperationalError

from management import migrations, schema
from management.fingerprint import canonical
from management.secret_fields import Hidden, merge
from management.vault import Vault

Result = TypeVar("Result")

READERS = 4
BUSY_SECONDS = 30
CACHE_KIB = 16 * 1024  # of pages, for each transaction; the system's cache has the rest
LOG_REVISIONS = 100_000
LOG_ENTRIES = 2_000_000
TRIMMED_AT_ONCE = 1_000  # revisions
WRITERS_LOCK = 0x5041_5353  # any number, the same for all


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

    def same(self, other: Row) -> bool:
        """Whether both say the same, whenever they were stored."""
        mine = (self.id, self.type, self.audience, self.body, self.hidden, self.lookup, self.wire)
        return mine == (other.id, other.type, other.audience, other.body, other.hidden, other.lookup, other.wire)

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
    """Opened with `Store.open(...)`, ended with `store.close()`.

    The event loop comes in by `read` and `write`, which run a function in a thread of the store's own; the function
    opens its transaction there.
    """

    def __init__(self, writer: Engine, readers: Engine, vault: Vault) -> None:
        self._writer = writer
        self._readers = readers
        self._threads = ThreadPoolExecutor(READERS + 1, thread_name_prefix="store")
        self._reading = asyncio.Semaphore(READERS)
        self._writing = asyncio.Semaphore(1)
        self.vault = vault
        self.strict = True  # policies are refused that name what does not exist

    @classmethod
    def open(cls, url: str, vault: Vault) -> Store:
        """Connect, and bring the tables to this program's version. Raises StoreUnusable."""
        try:
            store = cls(_engine(url, writer=True), _engine(url, writer=False), vault)
        except (ArgumentError, ImportError) as error:
            raise StoreUnusable(f"management.store.url: {error}. It is sqlite:/// or postgresql://...") from None
        try:
            with store.writing() as connection:
                upgraded = migrations.upgrade(connection, vault)
            if upgraded:
                store.wipe()
        except migrations.StepUnknown as step:
            store.close()
            raise StoreUnusable(
                f"The store was written by a later version (its last step is {step}): run that version, or start with "
                "another management.data or management.store.url."
            ) from None
        except OperationalError as error:
            store.close()
            raise StoreUnusable(f"The store cannot be reached: {str(error.orig).strip()}") from None
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Waits for what is under way."""
        self._threads.shutdown()
        self._writer.dispose()
        self._readers.dispose()

    async def read(self, work: Callable[[], Result]) -> Result:
        async with self._reading:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def write(self, work: Callable[[], Result]) -> Result:
        """One at a time, first come first served: who waits holds no thread."""
        async with self._writing:
            # the author of the change goes along
            run = contextvars.copy_context().run
            return await asyncio.get_running_loop().run_in_executor(self._threads, run, work)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A consistent view of the whole store."""
        with self._readers.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The only writer; commits at the end, or nothing is written when the block raises."""
        with self._writer.begin() as connection:
            yield connection

    def trim_log(self, keep: int = LOG_REVISIONS, entries: int = LOG_ENTRIES) -> bool:
        """Forget what is older than the last `keep` revisions of a service, and than its last `entries` changes of
        resources; agents behind that get a snapshot. A part of it, so that nobody waits long; True when more is left.
        """
        more = False
        with self.writing() as connection:
            found = connection.execute(
                select(schema.services.c.number, schema.services.c.revision, schema.services.c.horizon)
            )
            for number, revision, held in found.all():
                of_log = select(schema.log.c.revision).where(schema.log.c.service == number)
                oldest = connection.scalar(of_log.order_by(schema.log.c.revision.desc()).offset(entries).limit(1))
                wanted = max(held, revision - keep, min(oldest or 0, revision - 1))
                horizon = min(wanted, held + TRIMMED_AT_ONCE)
                more = more or horizon < wanted
                if horizon == held:
                    continue
                for table in (schema.log, schema.former, schema.authors):
                    connection.execute(delete(table).where(table.c.service == number, table.c.revision <= horizon))
                mine = schema.services.c.number == number
                connection.execute(update(schema.services).where(mine).values(horizon=horizon))
        return more

    def wipe(self) -> None:
        """Leave nothing of what was deleted or replaced in the files of the database, as far as it can be said here.

        PostgreSQL keeps it in the pages of the table until it needs them, and in its log.
        """
        held = self._writer.raw_connection()
        driver: Any = held.driver_connection
        try:
            if self._writer.dialect.name == "sqlite":  # transactions are not begun by themselves
                driver.execute("VACUUM")
                driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            else:
                driver.autocommit = True
                driver.execute("VACUUM")
                driver.autocommit = False
        finally:
            held.close()


def sqlite_url(path: Path) -> str:
    return f"sqlite:///{path}"


def _engine(url: str, writer: bool) -> Engine:
    pool_size = 1 if writer else READERS
    name, _, rest = url.partition("://")
    if name in ("postgres", "postgresql"):
        url = f"postgresql+psycopg://{rest}"
    options = {"pool_size": pool_size, "max_overflow": 0, "pool_timeout": BUSY_SECONDS}
    if url.startswith("sqlite"):
        if writer:
            _own(url)
        return _sqlite(create_engine(url, **options), "BEGIN IMMEDIATE" if writer else "BEGIN")
    level = "READ COMMITTED" if writer else "REPEATABLE READ"
    engine = create_engine(url, isolation_level=level, pool_pre_ping=True, **options)
    return _one_writer(engine) if writer else engine


def _own(url: str) -> None:
    """Make the file for its owner alone; SQLite gives the mode on to the files beside it."""
    path = make_url(url).database
    if not path or path == ":memory:" or path.startswith("file:"):
        return
    try:
        # never opened when it is there: to close it would end the locks of this process
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        for each in (path, f"{path}-wal", f"{path}-shm"):  # of an earlier version, and of a process that was killed
            with contextlib.suppress(FileNotFoundError):
                if os.stat(each).st_uid == os.geteuid():
                    os.chmod(each, 0o600)
    except OSError as error:
        raise StoreUnusable(f"The store cannot be opened: {path}: {error.strerror}") from None


def _sqlite(engine: Engine, begin: str) -> Engine:
    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions are ours to begin
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "secure_delete=FAST",  # what was sealed again, or deleted, is not left in the page that it was on
            f"busy_timeout={BUSY_SECONDS * 1000}",
            f"cache_size=-{CACHE_KIB}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def start(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    @event.listens_for(engine, "checkin")
    def give_back(connection: Any, _: Any) -> None:
        """Pages of the transaction that ended: a process would grow with its store, by each page that it ever wrote."""
        if connection is not None:
            connection.execute("PRAGMA shrink_memory")

    return engine


def _one_writer(engine: Engine) -> Engine:
    """PostgreSQL: wait for the turn of this transaction, not for ever."""

    @event.listens_for(engine, "begin")
    def start(connection: Any) -> None:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS_LOCK})")

    return engine


def encode_hidden(hidden: Hidden) -> bytes:
    return canonical([[list(path), value] for path, value in hidden]).encode()


def decode_hidden(text: bytes) -> Hidden:
    return tuple((tuple(path), value) for path, value in json.loads(text))
