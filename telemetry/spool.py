"""Payloads that wait for their destination on disk: one file each, in the order in which they were made.

    {telemetry.spool.path}/{instance}/lock
                                     /{destination}/{key}-{count}-{bytes}[.z]

`key` is Unix nanoseconds, growing within a destination; `count` is items; `.z` is a payload that zlib has compressed.

Rules
1. A file appears whole: written under a temporary name, then renamed. There is no fsync: files outlive every process,
   not a power cut; one that was cut off is told by its length.
2. Who holds the lock is the only one to write below an instance's folder. A successor waits for it as long as a child
   may take to end; when somebody else of the same name lives, it takes `{instance}~2`, and so on.
3. A folder whose lock nobody holds for `ADOPT_AFTER` seconds has no successor: its files move to whoever looks first.
4. Folders are 0700, files 0600. Every method that touches the disk may raise OSError; the caller goes on in memory.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ADOPT_AFTER = 30.0  # seconds
LOCK_WAIT = 3.0  # seconds; a child that ends has 2
NAMESAKES = 16
BLOCK = 4096  # bytes; what a file takes is a multiple of it
_NAME = re.compile(r"(\d{20})-(\d{1,9})-(\d{1,10})(\.z)?")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(slots=True, frozen=True, order=True)
class Stored:
    """One file. `size` is its length in bytes, `count` the items in it."""

    key: int
    count: int
    size: int
    packed: bool = False

    @property
    def name(self) -> str:
        return f"{self.key:020d}-{self.count}-{self.size}{'.z' if self.packed else ''}"

    @property
    def room(self) -> int:
        """Bytes that it takes on disk."""
        return -(-self.size // BLOCK) * BLOCK


class Folder:
    """The files of one destination; one lane at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        _make(path)

    def index(self) -> tuple[list[Stored], list[Stored]]:
        """What is there, oldest first, and what was cut off, which is removed together with temporary files."""
        whole: list[Stored] = []
        broken: list[Stored] = []
        for stored, length in _listed(self._path):
            (whole if length == stored.size else broken).append(stored)
        for stored in broken:
            self.remove(stored)
        return sorted(whole), broken

    def write(self, key: int, data: bytes, count: int, pack: bool) -> Stored:
        stored = self.stage(key, data, count, pack)
        self.publish(stored)
        return stored

    def stage(self, key: int, data: bytes, count: int, pack: bool) -> Stored:
        """Write it under a temporary name."""
        if pack:
            data = zlib.compress(data, 1)
        stored = Stored(key, count, len(data), pack)
        try:
            _write(self._temporary(stored), data)
        except FileNotFoundError:
            _make(self._path)  # somebody cleared the folder away: the next payload finds it
            raise
        except OSError:
            self.withdraw(stored)
            raise
        return stored

    def publish(self, stored: Stored) -> None:
        """Give what was staged its name."""
        os.rename(self._temporary(stored), self._path / stored.name)

    def withdraw(self, stored: Stored) -> None:
        with contextlib.suppress(OSError):
            self._temporary(stored).unlink(missing_ok=True)

    def _temporary(self, stored: Stored) -> Path:
        return self._path / f"{stored.name}.tmp"

    def read(self, stored: Stored) -> bytes:
        """Raises OSError or ValueError when it is not what was written."""
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # nothing but a file, whoever put it there
        with os.fdopen(os.open(self._path / stored.name, flags), "rb") as file:
            data = file.read(stored.size + 1)
        if len(data) != stored.size:
            raise ValueError(f"{stored.name} has not {stored.size} bytes")
        try:
            return zlib.decompress(data) if stored.packed else data
        except zlib.error as failure:
            raise ValueError(f"{stored.name}: {failure}") from None

    def remove(self, stored: Stored) -> None:
        (self._path / stored.name).unlink(missing_ok=True)


class Desk:
    """The folder of one instance, while this process holds its lock."""

    def __init__(self, root: Path, instance: str) -> None:
        """Raises OSError."""
        self._root = root
        self._unheld: dict[str, float] = {}  # folders that nobody holds, since when
        _make(root)
        self.path, self._lock = _take(root, safe(instance))
        self._names = {self.path.name}

    def folder(self, destination: str) -> Folder:
        """Raises OSError."""
        return Folder(self.path / safe(destination))

    def adopt(self) -> dict[str, list[Stored]]:
        """Take over what nobody comes back for: the moved files by destination. Raises OSError."""
        moved: dict[str, list[Stored]] = {}
        now = time.monotonic()
        found = {entry.name for entry in os.scandir(self._root) if entry.is_dir(follow_symlinks=False)} - self._names
        self._unheld = {name: since for name, since in self._unheld.items() if name in found}
        for name in sorted(found):
            lock = _hold(self._root / name, make=False)
            if lock is None:
                self._unheld.pop(name, None)
                continue
            try:
                if now - self._unheld.setdefault(name, now) >= ADOPT_AFTER:
                    with contextlib.suppress(OSError):  # the next look goes on with the rest
                        for destination, stored in self._move(self._root / name):
                            moved.setdefault(destination, []).append(stored)
            finally:
                os.close(lock)
        return moved

    def expire(self, before: int, known: Iterable[str]) -> None:
        """Remove what is older than the key `before` in folders of destinations that are not `known` any more."""
        names = set(map(safe, known))
        for entry in list(os.scandir(self.path)):
            if entry.is_dir(follow_symlinks=False) and entry.name not in names:
                for stored, _ in _listed(Path(entry.path)):
                    if stored.key < before:
                        (Path(entry.path) / stored.name).unlink(missing_ok=True)
                with contextlib.suppress(OSError):
                    os.rmdir(entry.path)  # only when it is empty

    def close(self) -> None:
        """Let another process have it."""
        os.close(self._lock)

    def _move(self, orphan: Path) -> Iterator[tuple[str, Stored]]:
        for entry in list(os.scandir(orphan)):
            if not entry.is_dir(follow_symlinks=False):
                continue
            target = self.path / entry.name
            _make(target)
            for stored, _ in _listed(Path(entry.path)):
                moved = stored
                while (target / moved.name).exists():
                    moved = Stored(moved.key + 1, moved.count, moved.size, moved.packed)
                os.rename(Path(entry.path) / stored.name, target / moved.name)
                yield entry.name, moved
            with contextlib.suppress(OSError):
                os.rmdir(entry.path)
        (orphan / "lock").unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            os.rmdir(orphan)


def safe(name: str) -> str:
    """A file name for any text; different texts have different names."""
    plain = _UNSAFE.sub("_", name)[:80]
    if plain == name and plain.strip("."):
        return plain
    return f"{plain.strip('.')}-{hashlib.blake2s(name.encode(), digest_size=4).hexdigest()}"


def _make(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def _take(root: Path, name: str) -> tuple[Path, int]:
    """The first folder of that name that is free, and its lock. Raises OSError."""
    end = time.monotonic() + LOCK_WAIT
    while (lock := _hold(root / name)) is None:
        if time.monotonic() >= end:
            break
        time.sleep(0.05)
    else:
        return root / name, lock
    for number in range(2, NAMESAKES + 1):
        path = root / f"{name}~{number}"
        if (lock := _hold(path)) is not None:
            return path, lock
    raise BlockingIOError(f"{NAMESAKES} processes named {name} use {root}; give each its own instance.id")


def _hold(path: Path, make: bool = True) -> int | None:
    """The lock of a folder; None while another process holds it, or when there is none and it is not to be made."""
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT if make else 0)
    while True:
        if make:
            _make(path)
        try:
            lock = os.open(path / "lock", flags, 0o600)
        except FileNotFoundError:
            if make:
                continue  # moved away in this moment
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        if os.fstat(lock).st_nlink:
            return lock
        os.close(lock)  # whoever held it has moved everything away


def _listed(path: Path) -> Iterator[tuple[Stored, int]]:
    """The files with their lengths in bytes; temporary ones of a writer that died are removed."""
    for entry in list(os.scandir(path)):
        if entry.name.endswith(".tmp"):
            os.unlink(entry.path)
        elif found := _NAME.fullmatch(entry.name):
            key, count, size, packed = found.groups()
            yield Stored(int(key), int(count), int(size), packed is not None), entry.stat(follow_symlinks=False).st_size


def _write(path: Path, data: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(file, view) :]
    finally:
        os.close(file)
