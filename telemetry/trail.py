"""What a killed process leaves: each record that a sidecar handed to telemetry, until it is safe.

Between the end of a request and a file of the spool a record is in the memory of the sidecar, in a pipe and in the
memory of the telemetry child. So the sidecar also writes it to a trail, a file of the memory file system that it shares
with its child, and the child says in it up to which record everything is on disk or delivered. When both are killed,
the next child sends the rest.

    head      by taker: the number of the first record that is not safe yet; the first is that of all (`recovery.py`)
    segment   number of its first record; then length and `marshal` of each, up to a length of 0      (SEGMENTS times)

Rules
1. Writing costs about a microsecond and never waits: memory only, and all of it reserved at the start. What finds no
   room, because the child is that far behind, is not on the trail, and goes on its way as always.
2. A trail lies where no disk is (`SHARED`), in a folder of this user (0700) that is named after the spool's path, so
   that gateways with different spools do not meet. It is there only when some destination is kept on disk.
3. Sidecar and child hold a shared lock on it. Who gets it alone may take what is left: at once when it is of its own
   instance, after `ADOPT_AFTER` when it is of another that does not come back. What lies in the folder of a spool that
   is not used any more is removed when it is a week old.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import marshal
import mmap
import os
import stat
import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from telemetry.frames import packed
from telemetry.spool import ADOPT_AFTER, safe

SHARED = Path("/dev/shm")  # noqa: S108 - the folder in it is checked
SLOTS = 32
HEAD = SLOTS * 8  # bytes
SEGMENTS = 8
SEGMENT = 1024 * 1024  # bytes
BATCH = 512  # records
FORGOTTEN = 7 * 86_400.0  # seconds, of a trail whose spool is not used any more
EVENTS = ".events"  # at the end of the name: what policies said is on a trail of its own, where one slot is enough
_NUMBER = 8  # bytes
_LENGTH = struct.Struct("<I")
_END = _LENGTH.pack(0)
_NOTHING = marshal.dumps(None)
_put_length = _LENGTH.pack_into


class Trail:
    """The sidecar's side. `number` counts records since the start."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self.path = path
        self.number = 0
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_SH)
            os.posix_fallocate(self._file, 0, HEAD + SEGMENTS * SEGMENT)
            self._map = mmap.mmap(self._file, HEAD + SEGMENTS * SEGMENT)
        except OSError:
            os.close(self._file)
            path.unlink(missing_ok=True)
            raise
        self._bytes = memoryview(self._map)
        self._numbers = self._bytes.cast("Q")
        self._segment = SEGMENTS - 1
        self._last = [0] * SEGMENTS  # the number after the last record of each segment
        self._at = self._end = 0  # no segment yet
        self._turn()

    @property
    def safe(self) -> int:
        return self._numbers[0]

    def write(self, row: tuple[Any, ...]) -> bytes | tuple[Any, ...]:
        """One record; answers what is to be sent: the record packed, or as it is when it cannot be packed."""
        taken: bytes | tuple[Any, ...]
        try:
            taken = data = packed(row)
        except ValueError:
            taken, data = row, _NOTHING  # it has a number all the same
        at = self._at
        end = at + 4 + len(data)
        if end >= self._end:
            if self._end:
                self._last[self._segment] = self.number
            if not self._turn() or len(data) + 2 * _NUMBER > SEGMENT:
                self._at = self._end = 0  # what follows has another number than the next place
                self.number += 1
                return taken
            at = self._at
            end = at + 4 + len(data)
        self._bytes[at + 4 : end + 4] = data + _END
        _put_length(self._map, at, len(data))  # last, so that a record is whole or not there
        self._at = end
        self.number += 1
        return taken

    def close(self) -> None:
        """Take it away when nothing on it is needed any more."""
        done = self.safe >= self.number
        self._numbers.release()
        self._bytes.release()
        self._map.close()
        if done:
            _remove(self.path)
        os.close(self._file)

    def _turn(self) -> bool:
        """Go to the next segment; False while records in it are still needed."""
        segment = (self._segment + 1) % SEGMENTS
        if self._last[segment] > self._numbers[0]:
            return False
        self._segment = segment
        start = HEAD + segment * SEGMENT
        _LENGTH.pack_into(self._map, start + _NUMBER, 0)
        self._numbers[start // _NUMBER] = self.number
        self._at, self._end = start + _NUMBER, start + SEGMENT - len(_END)
        return True


class Reader:
    """The child's side of one trail, and of what a dead pair left. Raises OSError or ValueError when it is none."""

    def __init__(self, path: Path | str, alone: bool = False) -> None:
        """`alone`: only when nobody else has it; BlockingIOError otherwise."""
        self.path = Path(path)
        self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            fcntl.flock(self._file, fcntl.LOCK_NB | (fcntl.LOCK_EX if alone else fcntl.LOCK_SH))
            self._map = mmap.mmap(self._file, HEAD + SEGMENTS * SEGMENT)
        except (OSError, ValueError):
            os.close(self._file)
            raise
        self._numbers = memoryview(self._map).cast("Q")

    def safe(self, slot: int) -> int:
        return self._numbers[slot]

    def keep(self, slot: int, number: int) -> None:
        """All records before `number` are safe for that taker."""
        if number > self._numbers[slot]:
            self._numbers[slot] = number

    def left(self, first: int, before: int) -> Iterator[list[tuple[int, tuple[Any, ...]]]]:
        """Numbered records that are still there, in order."""
        found: list[tuple[int, tuple[Any, ...]]] = []
        for start in sorted(range(HEAD, HEAD + SEGMENTS * SEGMENT, SEGMENT), key=self._number):
            for number, row in self._rows(start):
                if first <= number < before and row is not None:
                    found.append((number, row))
                    if len(found) == BATCH:
                        yield found
                        found = []
        if found:
            yield found

    def remove(self) -> None:
        _remove(self.path)
        self.close()

    def close(self) -> None:
        self._numbers.release()
        self._map.close()
        os.close(self._file)

    def _number(self, start: int) -> int:
        return self._numbers[start // _NUMBER]

    def _rows(self, start: int) -> Iterator[tuple[int, Any]]:
        number, at, end = self._number(start), start + _NUMBER, start + SEGMENT
        while at + 4 <= end:
            (length,) = _LENGTH.unpack_from(self._map, at)
            if not length or at + 4 + length > end:
                return
            try:
                # Only this user's own sidecar writes here.
                row = marshal.loads(self._map[at + 4 : at + 4 + length])  # noqa: S302
            except (ValueError, EOFError, TypeError):
                return  # it is being written over, so it has been safe for long
            yield number, row
            number += 1
            at += 4 + length


class Left:
    """What dead pairs left in the folder of the trails."""

    def __init__(self, settings: Mapping[str, str], instance: str) -> None:
        self._folder = folder(settings)
        self._own = f"{safe(instance)}."
        self._unheld: dict[str, float] = {}

    def claim(self) -> list[Reader]:
        """Those that are ours to finish now, oldest first."""
        claimed: list[Reader] = []
        now = time.monotonic()
        names: list[str] = []
        if self._folder is not None and _ours(self._folder):
            with contextlib.suppress(FileNotFoundError):
                names = sorted(os.listdir(self._folder))
        self._unheld = {name: since for name, since in self._unheld.items() if name in names}
        for name in names:
            assert self._folder
            try:
                reader = Reader(self._folder / name, alone=True)
            except (OSError, ValueError):
                self._unheld.pop(name, None)
                continue
            if name.startswith(self._own) or now - self._unheld.setdefault(name, now) >= ADOPT_AFTER:
                claimed.append(reader)
            else:
                reader.close()
        return claimed


def sweep(now: float) -> int:
    """Remove trails of any spool of this user that nobody holds and nobody came back for; answers how many."""
    removed = 0
    with contextlib.suppress(OSError):
        for place in SHARED.glob(f"passerelle-{os.geteuid()}-*"):
            for path in sorted(place.iterdir()) if _ours(place) else ():
                with contextlib.suppress(OSError, ValueError):
                    if now - path.stat().st_mtime > FORGOTTEN:
                        Reader(path, alone=True).remove()
                        removed += 1
    return removed


def _ours(path: Path) -> bool:
    """Is it a folder that nobody but this user can have written to?"""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
        path.parent.rmdir()  # the last one does


def folder(settings: Mapping[str, str]) -> Path | None:
    """Where trails lie; None when nothing is kept on disk or there is no memory file system."""
    spool = settings.get("telemetry.spool.path", "").strip()
    if spool == "none" or not SHARED.is_dir():
        return None
    return SHARED / f"passerelle-{os.geteuid()}-{hashlib.blake2s(spool.encode(), digest_size=6).hexdigest()}"


def begin(settings: Mapping[str, str], instance: str, kind: str = "") -> Trail | None:
    """A new trail; None where there can be none. `kind` is "" for records, or EVENTS."""
    where = folder(settings)
    if where is None:
        return None
    sweep(time.time())
    for _ in range(3):
        try:
            where.mkdir(mode=0o700, exist_ok=True)
            if not _ours(where) and where.exists():
                return None  # somebody else was there first
            return Trail(where / f"{safe(instance)}.{time.time_ns():020d}.{os.getpid()}{kind}")
        except FileNotFoundError:
            continue  # the last one has just removed it
        except OSError:
            return None
    return None
