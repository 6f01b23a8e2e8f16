"""Secrets at rest: AES-256-GCM with a key that lives in its own file (0600) beside the store.

A sealed value is 12 bytes of nonce and the ciphertext; the place it belongs to is bound in, so that a blob moved to
another row does not open.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE = 12


class VaultBroken(Exception):
    """The key file is damaged, or is not the one that this store was written with."""


class Vault:
    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._names = hmac.digest(key, b"names of sealed rows", "sha256")

    @classmethod
    def open(cls, path: Path) -> Vault:
        """The key of `path`; made on first use."""
        return cls(read_or_make(path, lambda: os.urandom(32), length=32))

    def name(self, clear: str) -> str:
        """What stands for a text that must be found again and not be read: the same one for the same text."""
        return hmac.digest(self._names, clear.encode("utf-8", "surrogatepass"), "sha256").hex()

    def seal(self, clear: bytes, place: str) -> bytes:
        nonce = os.urandom(NONCE)
        return nonce + self._cipher.encrypt(nonce, clear, place.encode())

    def unseal(self, sealed: bytes, place: str) -> bytes:
        try:
            return self._cipher.decrypt(sealed[:NONCE], sealed[NONCE:], place.encode())
        except InvalidTag:
            raise VaultBroken(
                f"A secret of {place} does not open: the key file in management.data is not the one "
                "that the store was written with. Put the former key file back."
            ) from None


def read_or_make(path: Path, make: Callable[[], bytes], length: int | None = None) -> bytes:
    """The content of a secret file; made once, readable by its owner only, complete or not there."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        content = _make(path, make())
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
