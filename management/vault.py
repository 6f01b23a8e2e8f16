"""Secrets at rest: AES-256-GCM with a key that lives in its own file (0600) beside the store.

A sealed value is 12 bytes of nonce and the ciphertext; the place it belongs to is bound in, so that a blob moved to
another row does not open.

Beside `store.key` there may be `store.key.former`: what the key before it sealed opens, and nothing is sealed with it
any more. `passerelle rekey` makes both and seals the store anew. A process that runs meanwhile reads the files again
when it meets what its keys do not open, and when it is to seal with a key that they have no more.
"""

from __future__ import annotations

import contextlib
import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE, LENGTH = 12, 32
NAMES = b"names of sealed rows"


class VaultBroken(Exception):
    """The key file is damaged, or is not the one that this store was written with."""


@dataclass(frozen=True, slots=True)
class _Held:
    """The keys of one moment, the present one first. Swapped whole, since several threads seal and unseal."""

    keys: tuple[bytes, ...]
    ciphers: tuple[AESGCM, ...]
    names: tuple[bytes, ...]

    @classmethod
    def of(cls, key: bytes, former: bytes | None) -> _Held:
        keys = (key, former) if former else (key,)
        return cls(keys, tuple(map(AESGCM, keys)), tuple(hmac.digest(each, NAMES, "sha256") for each in keys))


class Vault:
    def __init__(self, key: bytes, former: bytes | None = None, path: Path | None = None) -> None:
        self._path, self._files = path, _files(None)
        self._held = _Held.of(key, former)

    @classmethod
    def open(cls, path: Path) -> Vault:
        """The key of `path`, made on first use, and the former one beside it."""
        return cls(read_or_make(path, lambda: os.urandom(LENGTH), length=LENGTH), _read_former(path), path)

    def name(self, clear: str) -> str:
        """What stands for a text that must be found again and not be read: the same one for the same text."""
        return self.names(clear)[0]

    def names(self, clear: str) -> list[str]:
        """The same, and what stood for it with the former key."""
        text = clear.encode("utf-8", "surrogatepass")
        return [hmac.digest(each, text, "sha256").hex() for each in self._sealing().names]

    def seal(self, clear: bytes, place: str) -> bytes:
        nonce = os.urandom(NONCE)
        return nonce + self._sealing().ciphers[0].encrypt(nonce, clear, place.encode())

    def unseal(self, sealed: bytes, place: str) -> bytes:
        """Raises VaultBroken."""
        while True:
            held = self._held
            for cipher in held.ciphers:
                if (clear := _opened(cipher, sealed, place)) is not None:
                    return clear
            if self._read_again() is held:
                raise VaultBroken(
                    f"A secret of {place} does not open: the key file in management.data is not the one "
                    "that the store was written with. Put the former key file back."
                )

    def is_present(self, sealed: bytes, place: str) -> bool:
        """Whether it opens with the key that seals now."""
        return _opened(self._held.ciphers[0], sealed, place) is not None

    def _sealing(self) -> _Held:
        """What is held, unless the files have its key no more: what is sealed with it would never open again. While it
        is the former one there, it goes on, since other planes may not have the new one yet."""
        if (files := _files(self._path)) == self._files:
            return self._held
        held, new = self._held, self._in_files()
        if held.keys[0] not in new.keys:
            self._held = new
        self._files = files
        return self._held

    def _read_again(self) -> _Held:
        """What is held, which is what it was when the files say nothing else."""
        new = self._in_files()
        if new.keys != self._held.keys:
            self._held = new
        return self._held

    def _in_files(self) -> _Held:
        try:
            return _Held.of(_read(self._path), _read_former(self._path)) if self._path is not None else self._held
        except OSError:
            return self._held


def former_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.former")


def _read_former(path: Path) -> bytes | None:
    try:
        return _read(former_of(path))
    except FileNotFoundError:
        return None


def _files(path: Path | None) -> list[tuple[int, int]]:
    """Other ones for other content: files of keys are replaced, and never written in place."""
    found = []
    for each in (path, former_of(path)) if path is not None else ():
        with contextlib.suppress(OSError):
            status = each.stat()
            found.append((status.st_ino, status.st_mtime_ns))
    return found


def _opened(cipher: AESGCM, sealed: bytes, place: str) -> bytes | None:
    try:
        return cipher.decrypt(sealed[:NONCE], sealed[NONCE:], place.encode())
    except InvalidTag:
        return None


def renew(path: Path) -> None:
    """A new key in `path`, the present one beside it. Killed between the two, both are the present one."""
    write_private(former_of(path), read_or_make(path, lambda: os.urandom(LENGTH), length=LENGTH))
    write_private(path, os.urandom(LENGTH))


def read_or_make(path: Path, make: Callable[[], bytes], length: int | None = None) -> bytes:
    """The content of a secret file; made once, readable by its owner only, complete or not there."""
    try:
        return _read(path, length)
    except FileNotFoundError:
        return _whole(path, _make(path, make()), length)


def _read(path: Path, length: int | None = LENGTH) -> bytes:
    """Raises OSError, VaultBroken."""
    return _whole(path, path.read_bytes(), length)


def _whole(path: Path, content: bytes, length: int | None) -> bytes:
    if length is not None and len(content) != length:
        raise VaultBroken(f"{path.name} has {len(content)} bytes instead of {length}: restore it from your backup.")
    return content


def write_private(path: Path, content: bytes) -> None:
    """Write whole and 0600 through a temporary file, so that a crash leaves the former file or the new one."""
    _temporary(path, content).replace(path)
    _sync(path.parent)


def _make(path: Path, content: bytes) -> bytes:
    """What stands in `path` from now on: of two processes that make it at the same time, one wins."""
    temporary = _temporary(path, content)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return path.read_bytes()
    except OSError:  # a volume without hard links
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync(path.parent)
    return content


def _temporary(path: Path, content: bytes) -> Path:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return temporary


def _sync(directory: Path) -> None:
    """A name is on the disk only once its directory is: a lost host must not cost the key of a store that it left."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
