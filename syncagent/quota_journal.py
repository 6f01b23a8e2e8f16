"""The totals of quotas on disk, beside the backup: what an agent counts on from when everything was killed.

    magic (8) | format (u16) | header length (u32) | header (JSON) | entries: length (u32) | nonce (12) | AES-256-GCM

Rules
1. An entry is what changed since the one before. It is authenticated with the header, the gateway and its place: a
   damaged, foreign or moved one is never counted, and what stands before it is.
2. Entries are fsynced. When they have grown to twice what all totals need, a whole file takes the place of the old one
   (temporary file, fsync, rename, fsync of the directory), without windows that have passed.
3. Who may write the backup of this volume may write this; so one agent does. Not for two threads at once.
4. Nothing here keeps an agent from starting: what cannot be read is set aside and said.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import struct
import time
import zlib
from collections.abc import Iterable
from concurrent.futures import Executor
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from syncagent.backup import Backup, ReadOnlyBackup
from syncagent.backup_file import BackupError
from syncagent.backup_keys import key_id
from syncagent.quotas import Counted, Name, Quotas, Total

NAME = "quotas"
MAGIC = b"PSRLQUOT"
FORMAT = 1
PREFIX = struct.Struct(">8sHI")
LENGTH = struct.Struct(">I")
MAX_HEADER = 64 * 1024
MAX_FILE = 256 * 1024 * 1024
MAX_ENTRY = 64 * 1024 * 1024  # of what it holds
NONCE = 12
SMALL = 1024 * 1024  # bytes of entries that are never worth a whole file


class Unusable(Exception):
    """The file cannot be used; the message says why. `damaged`: nobody ever will."""

    def __init__(self, message: str, damaged: bool = False) -> None:
        super().__init__(message)
        self.damaged = damaged


class QuotaJournal:
    """The journal beside `backup`."""

    def __init__(self, directory: Path, gateway_id: str, backup: Backup) -> None:
        self._path = directory / NAME
        self._gateway, self._backup = gateway_id, backup
        self._head = b""
        self._key: AESGCM | None = None
        self._count = self._size = self._whole = 0  # entries; bytes now, and of the first entry

    def load(self) -> tuple[list[Counted], list[str]]:
        """The totals, and what was wrong. Never raises."""
        complaints: list[str] = []
        found: dict[Name, Total] = {}
        try:
            self._load(found)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except Unusable as problem:
            aside = f"; set aside as {NAME}.bad" if problem.damaged else ""
            complaints.append(f"{NAME}: {problem}{aside}; {len(found)} counters are known from it")
            if problem.damaged:
                with contextlib.suppress(OSError):
                    self._path.replace(self._path.with_name(f"{NAME}.bad"))
        except OSError as problem:
            complaints.append(f"{NAME}: {problem.strerror or problem}")
        self._count = 0  # the next save writes a whole file
        return list(found.items()), complaints

    def save(self, changed: list[Counted], everything: Iterable[Counted], now: float) -> None:
        """Make what changed durable; `everything` is all totals, for when a whole file is due. Raises OSError,
        ReadOnlyBackup."""
        self._backup.claim()
        if self._count and self._size < max(2 * self._whole, self._whole + SMALL):
            count, self._count = self._count, 0  # what fails halfway is written whole the next time
            entry = self._seal(changed, count)
            with open(os.open(self._path, os.O_WRONLY | os.O_NOFOLLOW), "r+b", buffering=0) as file:
                file.seek(self._size)
                file.write(entry)
                os.fsync(file.fileno())
            self._count, self._size = count + 1, self._size + len(entry)
            return
        self._count = 0
        self._begin()
        lasting = [(name, total) for name, total in everything if not _passed(name, total, now)]
        entry = self._seal(lasting, 0)
        temporary = self._path.with_name(f".saving-{NAME}-{os.getpid()}")
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
            with open(os.open(temporary, flags, 0o600), "wb") as file:
                file.write(self._head + entry)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        self._backup.sync_directory()
        self._count, self._size = 1, len(self._head) + len(entry)
        self._whole = self._size

    def _begin(self) -> None:
        salt = secrets.token_bytes(16)
        key = self._backup.newest_key(salt)
        header = {"gateway": self._gateway, "salt": salt.hex(), "key": key_id(key), "id": secrets.token_hex(12)}
        text = json.dumps(header).encode()
        self._head, self._key = PREFIX.pack(MAGIC, FORMAT, len(text)) + text, AESGCM(key)

    def _seal(self, counted: Iterable[Counted], number: int) -> bytes:
        assert self._key is not None
        plain = zlib.compress(json.dumps([[*name, *total] for name, total in counted]).encode(), 1)
        nonce = secrets.token_bytes(NONCE)
        sealed = nonce + self._key.encrypt(nonce, plain, self._head + LENGTH.pack(number))
        return LENGTH.pack(len(sealed)) + sealed

    def _load(self, found: dict[Name, Total]) -> None:
        with open(os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            content = file.read(MAX_FILE + 1)
        if len(content) > MAX_FILE:
            raise Unusable(f"larger than {MAX_FILE} bytes", True)
        at, key = self._open(content)
        number = 0
        head = content[:at]
        while at < len(content):
            end = at + LENGTH.size
            size = LENGTH.unpack(content[at:end])[0] if end <= len(content) else 0
            if size < NONCE or end + size > len(content):
                raise Unusable(f"entry {number} is cut short: it was being written when the agent ended, or is damaged")
            sealed = content[end : end + size]
            try:
                plain = key.decrypt(sealed[:NONCE], sealed[NONCE:], head + LENGTH.pack(number))
            except (InvalidTag, ValueError):
                raise Unusable(f"it is damaged at entry {number}", True) from None
            _read(plain, found)
            at, number = end + size, number + 1
        if not number:
            raise Unusable("it ends behind its header", True)

    def _open(self, content: bytes) -> tuple[int, AESGCM]:
        """Where the entries begin, and their key."""
        try:
            magic, version, length = PREFIX.unpack_from(content)
            if magic != MAGIC or length > MAX_HEADER:
                raise ValueError
            if version != FORMAT:
                raise Unusable(f"its format is {version}; this agent reads format {FORMAT}")
            header = json.loads(content[PREFIX.size : PREFIX.size + length])
            gateway, salt, name = str(header["gateway"]), bytes.fromhex(header["salt"]), str(header["key"])
        except (struct.error, ValueError, KeyError, TypeError):
            raise Unusable("its header is damaged", True) from None
        if gateway != self._gateway:
            raise Unusable("it belongs to another gateway; give each gateway a directory of its own")
        try:
            return PREFIX.size + length, AESGCM(self._backup.find_key(salt, name))
        except BackupError as problem:
            raise Unusable(str(problem)) from None


def restore(journal: QuotaJournal, quotas: Quotas) -> str:
    """Count on from the journal; answers what was wrong with it, or nothing."""
    counted, complaints = journal.load()
    quotas.hold(counted)
    return f"at start: {'; '.join(complaints)}" if complaints else ""


async def keep(journal: QuotaJournal | None, quotas: Quotas, saver: Executor) -> str | None:
    """Write what changed, in the thread of `saver`; answers what was wrong, or None when there was nothing to write."""
    changed = quotas.unsaved()
    if journal is None or not changed:
        return None
    loop = asyncio.get_running_loop()
    try:
        await loop.run_in_executor(saver, journal.save, changed, quotas.all(), time.time())
    except (OSError, ReadOnlyBackup) as problem:
        quotas.not_saved(changed)
        return f"quota counters cannot be written: {getattr(problem, 'strerror', None) or problem}"
    return ""


def _read(plain: bytes, found: dict[Name, Total]) -> None:
    """Written by an agent that had the key, so what is wrong here is a bug, and still no reason not to start."""
    try:
        for key, start, period, window, calls, size in json.loads(zlib.decompressobj().decompress(plain, MAX_ENTRY)):
            found[Name(str(key), float(start), int(period))] = Total(int(window), int(calls), int(size))
    except (zlib.error, ValueError, TypeError):
        raise Unusable("it holds what are no counters", True) from None


def _passed(name: Name, total: Total, now: float) -> bool:
    return bool(name.period) and name.start + (total.window + 1) * name.period < now
