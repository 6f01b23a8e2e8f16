"""Reading a backup from its directory: one generation with the changes behind it, or the state of them all. Nothing
here writes, locks or renames, so that it can be done beside a running agent.

`inspect` and `contents` are for people and commands: what is there, what is wrong with it, and what is in it.
"""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from syncagent import backup_changes
from syncagent.backup_changes import Damaged, Entry
from syncagent.backup_file import BackupError, CorruptBackup, Header, find_key, open_sealed, read_header
from syncagent.backup_keys import KeyRing, KeysUnavailable
from syncagent.snapshot import Snapshot, apply

GENERATIONS = ("current", "prev-1", "prev-2", "prev-3")
CHANGES, FORMER_CHANGES = "changes", "changes-1"
QUARANTINE = ".bad"
MAX_FILE = 1024 * 1024 * 1024


@dataclass(slots=True, frozen=True)
class Loaded:
    """A generation and `changes` changes behind it. `saved` is Unix seconds, of the last of them; `present`: written
    with the present key; `complaints`: changes that could not be used."""

    snapshot: Snapshot
    header: Header
    saved: float
    changes: int
    present: bool
    complaints: tuple[str, ...]


@dataclass(slots=True, frozen=True)
class Inspection:
    """What is known of one file of a backup. What stands in `header` is authentic when `readable`; `dataset`, `cursor`
    and `saved` (Unix seconds) are after the changes then, `resources` is how many there are.

    `problem` says why it would not be served, or what of its changes would not; empty when all is well.
    """

    name: str
    path: Path
    size: int
    readable: bool = False
    damaged: bool = False
    header: Header | None = None
    dataset: str = ""
    cursor: int = 0
    saved: float = 0.0
    resources: int = 0
    changes: int = 0
    present_key: bool = False
    problem: str = ""


def load(path: Path, keys: KeyRing, gateway: str | None) -> Loaded:
    """One generation, which must be of `gateway` (None: of any). Raises BackupError, KeysUnavailable, OSError."""
    content = read_file(path)
    header = read_header(content)
    if gateway is not None and header.gateway != gateway:
        raise BackupError(f"it belongs to another gateway ({header.gateway}); give each gateway a directory of its own")
    key, present = find_key(keys, header.salt, header.key)
    resources = open_sealed(content, header, key)
    whole = Snapshot(header.dataset, header.cursor, resources, header.fingerprint)
    # A kill between two renames leaves the changes of what has just become the first of the former ones.
    names = (CHANGES,) if path.name == GENERATIONS[0] else (CHANGES, FORMER_CHANGES)
    complaints: list[str] = []
    if path.name.removesuffix(QUARANTINE) in GENERATIONS:
        for name in names:
            entries = _entries(path.with_name(name), key, header.nonce.hex(), complaints)
            if not entries:
                continue
            last = entries[-1]
            operations = itertools.chain.from_iterable(entry.operations for entry in entries)
            snapshot = apply(whole, operations, last.dataset, last.cursor)
            if snapshot.fingerprint == last.fingerprint:
                return Loaded(snapshot, header, last.saved, len(entries), present, tuple(complaints))
            complaints.append(f"{name}: they do not add up; what was saved before them is used")
    return Loaded(whole, header, header.saved, 0, present, tuple(complaints))


def _entries(path: Path, key: bytes, nonce: str, complaints: list[str]) -> list[Entry]:
    """Those behind the generation with this nonce, up to the first that cannot be used."""
    entries: list[Entry] = []
    try:
        entries.extend(backup_changes.decode(read_file(path), key, nonce))
    except FileNotFoundError:
        pass
    except (Damaged, BackupError, OSError) as error:
        complaints.append(f"{path.name}: {error}; what was saved before them is used")
    return entries


def read_file(path: Path) -> bytes:
    """Raises OSError, and BackupError for what is no file or larger than a backup may be."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise BackupError("it is no file")
        if status.st_size > MAX_FILE:
            raise BackupError(f"larger than {MAX_FILE} bytes")
        return file.read(MAX_FILE)


def inspect(path: Path, keys: Iterable[str]) -> list[Inspection]:
    """A backup directory: its generations, newest first, and what was set aside; or one file. No entry for what is not
    there. Raises OSError when `path` cannot be read at all."""
    ring = KeyRing(lambda: list(keys))
    if not path.is_dir():
        return [_inspect(path, ring)]
    names = [*GENERATIONS, *(f"{name}{QUARANTINE}" for name in GENERATIONS)]
    there = set(os.listdir(path))
    return [_inspect(path / name, ring) for name in names if name in there]


def contents(path: Path, keys: Iterable[str]) -> Snapshot:
    """What one file holds, with the changes behind it; for a directory the newest that can be read. Raises BackupError,
    KeysUnavailable, OSError."""
    ring = KeyRing(lambda: list(keys))
    if not path.is_dir():
        return load(path, ring, None).snapshot
    problems = []
    for name in GENERATIONS:
        try:
            return load(path / name, ring, None).snapshot
        except FileNotFoundError:
            continue
        except (BackupError, OSError) as error:
            problems.append(f"{name}: {error}")
    raise BackupError("; ".join(problems) or f"there is no backup in {path}")


def _inspect(path: Path, keys: KeyRing) -> Inspection:
    size, header = path.stat().st_size, None
    try:
        header = read_header(read_file(path))
        loaded = load(path, keys, None)
    except (BackupError, KeysUnavailable) as error:
        told = (header.dataset, header.cursor, header.saved) if header is not None else ("", 0, 0.0)
        corrupt = isinstance(error, CorruptBackup)
        return Inspection(path.name, path, size, False, corrupt, header, *told, problem=str(error))
    snapshot = loaded.snapshot
    return Inspection(
        name=path.name,
        path=path,
        size=size,
        readable=True,
        damaged=bool(loaded.complaints),
        header=loaded.header,
        dataset=snapshot.dataset,
        cursor=snapshot.cursor,
        saved=loaded.saved,
        resources=len(snapshot.resources),
        changes=loaded.changes,
        present_key=loaded.present,
        problem="; ".join(loaded.complaints),
    )
