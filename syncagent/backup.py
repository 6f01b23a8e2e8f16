"""The encrypted copy of the configuration on disk: what makes a cold start without the plane possible.

    magic (8) | format (u16) | header length (u32) | header (JSON) | AES-256-GCM of the zlib-compressed records

Rules
1. Everything before the ciphertext is authenticated with it, the gateway id included: a changed byte, or the backup of
   another gateway, is never served.
2. A save writes a temporary file in the same directory, fsyncs it, moves the generations on, renames, fsyncs the
   directory. Whatever instant the process dies at, a whole generation can be loaded.
3. Files are 0600, a directory we make is 0700. Generations: `current`, `prev-1` .. `prev-3`, newest first. One that
   proves corrupt becomes `*.bad`; one of another key, gateway or a newer format is left as it is.
4. One agent writes per volume: it holds the lock. A second one reads only.
5. What changes a large configuration a little is put behind others in the file `changes` and fsynced, until these are
   half as large as the generation that they belong to; then a whole one follows. See `backup_changes.py`.
6. The key text may have several lines: the first encrypts, the others are older ones that still decrypt.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import itertools
import json
import os
import secrets
import struct
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from syncagent import backup_changes, records
from syncagent.backup_changes import Damaged, Entry
from syncagent.snapshot import Snapshot, apply, changes_of

MAGIC = b"PSRLBKUP"
FORMAT = 1
PREFIX = struct.Struct(">8sHI")
MAX_HEADER = 64 * 1024
MAX_FILE = 1024 * 1024 * 1024
GENERATIONS = ("current", "prev-1", "prev-2", "prev-3")
CHANGES = "changes"
WHOLE_BELOW = 1024 * 1024  # bytes of a generation that is always written whole
MOST_CHANGES = 1_000


class BackupError(Exception):
    """This generation cannot be used; the message says why and what to do."""


class CorruptBackup(BackupError):
    """Damaged: quarantine it."""


class ReadOnlyBackup(Exception):
    """Another agent holds the lock of the volume."""


@dataclass(slots=True, frozen=True)
class Restored:
    """`saved` is Unix seconds; `complaints` tell what was passed over on the way to this generation."""

    snapshot: Snapshot | None
    generation: str
    saved: float
    complaints: tuple[str, ...]


@dataclass(slots=True)
class Base:
    """The generation that this process wrote last, and what stands behind it: how many changes, and their bytes."""

    nonce: str
    size: int
    count: int = 0
    changes: int = 0


class Backup:
    """The generations in one directory, for one gateway. Not for two threads at once."""

    def __init__(self, directory: Path, gateway_id: str, keys: list[str]) -> None:
        if not keys:
            raise ValueError("a backup needs a key")
        self._directory = directory
        self._gateway = gateway_id
        self._keys = keys
        self._salt = b""
        self._derived: dict[tuple[str, bytes], bytes] = {}
        self._lock: int | None = None
        self._written: tuple[str, int] | None = None
        self._base: Base | None = None

    def restore(self) -> Restored:
        """The newest generation that is whole and ours; `snapshot` is None when there is none. Never raises."""
        complaints: list[str] = []
        for name in GENERATIONS:
            path = self._directory / name
            try:
                snapshot, saved = self._load(path, complaints)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except CorruptBackup as error:
                complaints.append(f"{name}: {error}; set aside as {name}.bad")
                with contextlib.suppress(OSError):
                    path.replace(path.with_name(f"{name}.bad"))
            except (BackupError, OSError) as error:
                complaints.append(f"{name}: {error}")
            else:
                if name == GENERATIONS[0]:
                    self._written = snapshot.content
                return Restored(snapshot, name, saved, tuple(complaints))
        return Restored(None, "", 0.0, tuple(complaints))

    def save(self, snapshot: Snapshot) -> bool:
        """Write a new generation; false when the newest already holds this content. Raises OSError, ReadOnlyBackup."""
        if self._written == snapshot.content:
            return False
        self.claim()
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
        key = self._derive(self._keys[0], self._salt)
        changes = changes_of(snapshot, ids)
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
        sealed, nonce = self._seal(snapshot)
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
        (self._directory / CHANGES).unlink(missing_ok=True)
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

    def claim(self) -> None:
        """Become the one that writes on this volume; raises ReadOnlyBackup, OSError.

        Also sweeps what a killed predecessor left half-written.
        """
        if self._lock is not None:
            return
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise ReadOnlyBackup("another agent writes the backup on this volume") from None
        except BaseException:
            os.close(descriptor)
            raise
        self._lock, self._base = descriptor, None  # another agent may have written meanwhile
        for leftover in self._directory.glob(".saving-*"):
            leftover.unlink(missing_ok=True)

    def _seal(self, snapshot: Snapshot) -> tuple[tuple[bytes, bytes], str]:
        """(the parts of the file, the nonce in hexadecimal)."""
        self._salt = self._salt or secrets.token_bytes(16)
        key = self._derive(self._keys[0], self._salt)
        nonce = secrets.token_bytes(12)
        header = {
            "gateway": self._gateway,
            "dataset": snapshot.dataset,
            "cursor": snapshot.cursor,
            "fingerprint": f"{snapshot.fingerprint:064x}",
            "saved": time.time(),
            "salt": self._salt.hex(),
            "key": key_id(key),
            "nonce": nonce.hex(),
        }
        text = json.dumps(header).encode()
        aad = PREFIX.pack(MAGIC, FORMAT, len(text)) + text
        return (aad, AESGCM(key).encrypt(nonce, records.pack(snapshot.resources.values()), aad)), nonce.hex()

    def _load(self, path: Path, complaints: list[str]) -> tuple[Snapshot, float]:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size > MAX_FILE:
                raise BackupError(f"larger than {MAX_FILE} bytes")
            content = file.read(MAX_FILE + 1)
        header, body = _split(content)
        try:
            if header["gateway"] != self._gateway:
                raise BackupError("it belongs to another gateway; give each gateway a directory of its own")
            salt, nonce, key_name = bytes.fromhex(header["salt"]), bytes.fromhex(header["nonce"]), str(header["key"])
            dataset, cursor, saved = str(header["dataset"]), int(header["cursor"]), float(header["saved"])
            fingerprint = int(header["fingerprint"], 16)
        except (KeyError, TypeError, ValueError):
            raise CorruptBackup("its header is damaged") from None
        key = self.find_key(salt, key_name)
        try:
            plain = AESGCM(key).decrypt(nonce, memoryview(content)[body:], content[:body])
        except (InvalidTag, ValueError):
            raise CorruptBackup("it is damaged: its contents do not authenticate") from None
        try:
            resources = records.unpack(plain)
        except records.RecordsError as error:
            raise BackupError(str(error)) from None
        self._salt = salt
        whole = Snapshot(dataset, cursor, resources, fingerprint)
        if path.name != GENERATIONS[0]:
            return whole, saved
        return self._with_changes(whole, saved, key, nonce.hex(), complaints)

    def _with_changes(
        self, whole: Snapshot, saved: float, key: bytes, nonce: str, complaints: list[str]
    ) -> tuple[Snapshot, float]:
        entries: list[Entry] = []
        try:
            with open(self._directory / CHANGES, "rb") as file:
                content = file.read(MAX_FILE)
            entries.extend(backup_changes.decode(content, key, nonce))
        except FileNotFoundError:
            return whole, saved
        except (Damaged, OSError) as error:
            complaints.append(f"{CHANGES}: {error}; what was saved before them is used")
        if not entries:
            return whole, saved
        last = entries[-1]
        operations = itertools.chain.from_iterable(entry.operations for entry in entries)
        snapshot = apply(whole, operations, last.dataset, last.cursor)
        if snapshot.fingerprint != last.fingerprint:
            complaints.append(f"{CHANGES}: they do not add up; what was saved before them is used")
            return whole, saved
        return snapshot, last.saved

    def find_key(self, salt: bytes, name: str) -> bytes:
        """Raises BackupError when none of our keys has that name."""
        for text in self._keys:
            key = self._derive(text, salt)
            if hmac.compare_digest(key_id(key).encode(), name.encode()):
                return key
        raise BackupError("it was written with another key; put that key on a further line of the key to read it")

    def newest_key(self, salt: bytes) -> bytes:
        return self._derive(self._keys[0], salt)

    def _derive(self, text: str, salt: bytes) -> bytes:
        if (text, salt) not in self._derived:
            self._derived[text, salt] = hashlib.scrypt(text.encode(), salt=salt, n=2**14, r=8, p=1, dklen=32)
        return self._derived[text, salt]


def key_id(key: bytes) -> str:
    """Tells a wrong key from a damaged file, and tells nothing else about the key."""
    return hmac.digest(key, b"passerelle backup key id", "sha256")[:8].hex()


def _split(content: bytes) -> tuple[dict[str, Any], int]:
    """The header, and where the ciphertext begins."""
    try:
        magic, version, length = PREFIX.unpack_from(content)
    except struct.error:
        raise CorruptBackup("it is cut short") from None
    if magic != MAGIC:
        raise CorruptBackup("it is not a backup")
    if version != FORMAT:
        raise BackupError(f"its format is {version}; this agent reads format {FORMAT}")
    body = PREFIX.size + length
    if length > MAX_HEADER or body > len(content):
        raise CorruptBackup("it is cut short")
    try:
        header = json.loads(content[PREFIX.size : body])
    except ValueError:
        raise CorruptBackup("its header is damaged") from None
    if not isinstance(header, dict):
        raise CorruptBackup("its header is damaged")
    return header, body


def read_keys(text: str, file: Path | None) -> list[str]:
    """The lines of the key text. A key file that is absent is made, 0600. Raises OSError, ValueError."""
    if not text and file is not None:
        try:
            text = file.read_text(encoding="utf-8")
        except FileNotFoundError:
            text = _make_key_file(file)
    keys = [line.strip() for line in text.splitlines() if line.strip()]
    if not keys:
        raise ValueError(f"the backup key {f'in {file} ' if file else ''}is empty")
    return keys


def _make_key_file(file: Path) -> str:
    """Whole or not at all: a second agent that starts at the same time must not read half a key."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = secrets.token_urlsafe(32)
    temporary = file.with_name(f".{file.name}-{os.getpid()}")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(key + "\n")
        opened.flush()
        os.fsync(opened.fileno())
    try:
        os.link(temporary, file)
    except FileExistsError:
        return file.read_text(encoding="utf-8")
    finally:
        temporary.unlink()
    return key
