"""The encrypted copy of the configuration on disk: what makes a cold start without the plane possible.

Rules
1. A save writes a temporary file in the same directory, fsyncs it, moves the generations on, renames, fsyncs the
   directory. Whatever instant the process dies at, a whole generation can be loaded, and none that is older than what
   was saved before.
2. Files are 0600, a directory we make is 0700. Generations: `current`, `prev-1` .. `prev-3`, newest first. One that
   proves corrupt becomes `*.bad`; one of another key, gateway or a newer format is left as it is.
3. One agent writes per volume: it holds the lock. A second one reads only, and sets nothing aside.
4. What changes a large configuration a little is put behind others in the file `changes` and fsynced, until these are
   half as large as the generation that they belong to; then a whole one follows. See `backup_changes.py`.
5. What was restored with a complaint, or with a former key, is written whole by the next save though nothing changed:
   the volume heals itself, and a former key can be taken away.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from syncagent import backup_changes
from syncagent.backup_file import BackupError, CorruptBackup, find_key, new_salt, seal
from syncagent.backup_keys import KeyRing
from syncagent.backup_reading import CHANGES, FORMER_CHANGES, GENERATIONS, QUARANTINE, load
from syncagent.snapshot import Snapshot, changes_of

WHOLE_BELOW = 1024 * 1024  # bytes of a generation that is always written whole
MOST_CHANGES = 1_000

# What tells whether another agent has written since a file was read: device, inode, time, size.
Mark = tuple[int, int, int, int]


class ReadOnlyBackup(Exception):
    """Another agent holds the lock of the volume."""


@dataclass(slots=True, frozen=True)
class Restored:
    """`saved` is Unix seconds; `complaints` tell what was passed over on the way to this generation; `present`: written
    with the present key."""

    snapshot: Snapshot | None
    generation: str
    saved: float
    complaints: tuple[str, ...]
    present: bool = True


@dataclass(slots=True)
class Base:
    """The generation that this process wrote last, and what stands behind it: how many changes, and their bytes."""

    nonce: str
    size: int
    count: int = 0
    changes: int = 0


class Backup:
    """The generations in one directory, for one gateway. Not for two threads at once."""

    def __init__(self, directory: Path, gateway_id: str, keys: list[str] | Callable[[], list[str]]) -> None:
        """`keys`: their texts, or what answers them or raises OSError, ValueError (see `backup_keys.py`)."""
        self._directory = directory
        self._gateway = gateway_id
        self._keys = KeyRing(keys if callable(keys) else lambda: keys)
        self._salt = b""
        self._lock: int | None = None
        self._written: tuple[str, int] | None = None
        self._seen: tuple[Mark | None, Mark | None] = (None, None)
        self._base: Base | None = None

    def restore(self) -> Restored:
        """The newest generation that is whole and ours; `snapshot` is None when there is none.

        Raises KeysUnavailable.
        """
        _ = self._keys.texts
        complaints: list[str] = []
        for name in GENERATIONS:
            path = self._directory / name
            seen = (_mark(path), _mark(self._directory / CHANGES))
            try:
                loaded = load(path, self._keys, self._gateway)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except CorruptBackup as error:
                aside = self._set_aside(path, seen[0])
                complaints.append(f"{name}: {error}; {aside}")
            except (BackupError, OSError) as error:
                complaints.append(f"{name}: {error}")
            else:
                complaints += loaded.complaints
                self._salt = loaded.header.salt
                if name == GENERATIONS[0] and loaded.present and not loaded.complaints:
                    self._written, self._seen = loaded.snapshot.content, seen
                return Restored(loaded.snapshot, name, loaded.saved, tuple(complaints), loaded.present)
        return Restored(None, "", 0.0, tuple(complaints))

    def save(self, snapshot: Snapshot) -> bool:
        """Write a new generation; false when the newest already holds this content. Raises OSError, ReadOnlyBackup,
        KeysUnavailable."""
        self.claim()
        if self._written == snapshot.content:
            return False
        former, self._written = self._written, None
        if former is None or not self._append(snapshot, former):
            self._save_whole(snapshot)
        self._written = snapshot.content
        return True

    def _append(self, snapshot: Snapshot, former: tuple[str, int]) -> bool:
        """Put what changed since `former` behind the last generation; false when a whole one is due."""
        base, self._base = self._base, None
        ids = snapshot.touched_since(former)
        if base is None or ids is None or base.size < WHOLE_BELOW or base.count >= MOST_CHANGES:
            return False
        changes = changes_of(snapshot, ids)
        key = self._keys.first(self._salt)
        entry = backup_changes.encode(key, base.nonce, base.count, snapshot, changes, time.time())
        if base.changes + len(entry) > base.size // 2:
            return False
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | (0 if base.count else os.O_TRUNC)
        with open(os.open(self._directory / CHANGES, flags, 0o600), "wb") as file:
            file.seek(base.changes)
            file.write(entry)
            file.flush()
            os.fsync(file.fileno())
        if not base.count:
            self.sync_directory()
        self._base = Base(base.nonce, base.size, base.count + 1, base.changes + len(entry))
        return True

    def _save_whole(self, snapshot: Snapshot) -> None:
        self._salt = self._salt or new_salt()
        sealed, nonce = seal(snapshot, self._gateway, self._keys.first(self._salt), self._salt, time.time())
        temporary = self._directory / f".saving-{os.getpid()}"
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with open(descriptor, "wb") as file:
                for piece in sealed:
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            self._move_generations()
            temporary.replace(self._directory / GENERATIONS[0])
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        with contextlib.suppress(FileNotFoundError):
            (self._directory / CHANGES).replace(self._directory / FORMER_CHANGES)
        self.sync_directory()
        self._base = Base(nonce, sum(map(len, sealed)))

    def close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _move_generations(self) -> None:
        for newer, older in reversed(tuple(itertools.pairwise(GENERATIONS))):
            with contextlib.suppress(FileNotFoundError):
                (self._directory / newer).replace(self._directory / older)

    def sync_directory(self) -> None:
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def newest_key(self, salt: bytes) -> bytes:
        """Raises KeysUnavailable."""
        return self._keys.first(salt)

    def find_key(self, salt: bytes, name: str) -> bytes:
        """Raises BackupError when none of our keys has that name, KeysUnavailable."""
        return find_key(self._keys, salt, name)[0]

    def _set_aside(self, path: Path, seen: Mark | None) -> str:
        """What became of a damaged file: whoever holds the lock may be writing another in its place."""
        name = f"{path.name}{QUARANTINE}"
        try:
            self.claim()
            if _mark(path) == seen:
                path.replace(path.with_name(name))
                return f"set aside as {name}"
        except (OSError, ReadOnlyBackup):
            pass
        return "it stays where it is"

    def claim(self) -> None:
        """Become the one that writes on this volume; raises ReadOnlyBackup, OSError.

        Also sweeps what a killed predecessor left half-written.
        """
        if self._lock is not None:
            return
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(self._directory, os.W_OK):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        # Not for writing: a file that is open for writing keeps its file system from being made read-only.
        descriptor = os.open(self._directory / "lock", os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise ReadOnlyBackup("another agent writes the backup on this volume") from None
        except BaseException:
            os.close(descriptor)
            raise
        self._lock, self._base = descriptor, None
        if self._seen != (_mark(self._directory / GENERATIONS[0]), _mark(self._directory / CHANGES)):
            self._written = None  # another agent wrote after we had read
        for leftover in self._directory.glob(".saving-*"):
            leftover.unlink(missing_ok=True)


def _mark(path: Path) -> Mark | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
