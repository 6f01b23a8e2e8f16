"""Keys of the backup: where their texts come from, and what is derived from them.

Rules
1. The first text encrypts, all of them decrypt. Former keys come behind the present one, so that a backup of before a
   rotation is still read.
2. A key is derived with scrypt from its text and the salt of the file. Its id tells a wrong key from a damaged file,
   and tells nothing else about the key.
3. A key file that is absent is made, 0600, whole or not at all. A file of former keys that cannot be read is not needed
   to start.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from collections.abc import Callable
from pathlib import Path

MOST_KEYS = 16


class KeysUnavailable(OSError):
    """The key cannot be had now; the message says why and what to do. It may be there later, as a volume may."""


class KeyRing:
    """The texts as `read` answers them, asked for when they are needed and until they are there."""

    def __init__(self, read: Callable[[], list[str]]) -> None:
        self._read = read
        self._texts: list[str] = []
        self._derived: dict[tuple[str, bytes], bytes] = {}

    @property
    def texts(self) -> list[str]:
        """Raises KeysUnavailable."""
        if not self._texts:
            try:
                texts = self._read()
            except (OSError, ValueError) as error:
                raise KeysUnavailable(
                    f"there is no backup: its directory or its key cannot be used ({error}); "
                    "set config.backup.path or config.backup.key"
                ) from None
            if not texts:
                raise ValueError("a backup needs a key")
            self._texts = texts
        return self._texts

    def first(self, salt: bytes) -> bytes:
        """The 32 bytes that encrypt. Raises KeysUnavailable."""
        return self._derive(self.texts[0], salt)

    def find(self, salt: bytes, id: str) -> tuple[bytes, bool] | None:
        """The 32 bytes that a file says it was written with, and whether they are the present key's."""
        for number, text in enumerate(self.texts):
            key = self._derive(text, salt)
            if hmac.compare_digest(key_id(key).encode(), id.encode()):
                return key, number == 0
        return None

    def _derive(self, text: str, salt: bytes) -> bytes:
        if (text, salt) not in self._derived:
            self._derived[text, salt] = hashlib.scrypt(text.encode(), salt=salt, n=2**14, r=8, p=1, dklen=32)
        return self._derived[text, salt]


def key_id(key: bytes) -> str:
    return hmac.digest(key, b"passerelle backup key id", "sha256")[:8].hex()


def read_keys(text: str, file: Path | None, former: str = "", former_file: Path | None = None) -> list[str]:
    """The lines of the key text or of its file, then those of the former keys. Raises OSError, ValueError."""
    if not text and file is not None:
        try:
            text = file.read_text(encoding="utf-8")
        except FileNotFoundError:
            text = _make_key_file(file)
    present = _lines(text)
    if not present:
        raise ValueError(f"the backup key {f'in {file} ' if file else ''}is empty")
    if former_file is not None:
        with contextlib.suppress(FileNotFoundError):  # who has taken it away does not need it any more
            former = f"{former}\n{former_file.read_text(encoding='utf-8')}"
    keys = list(dict.fromkeys([*present, *_lines(former)]))
    if len(keys) > MOST_KEYS:
        raise ValueError(f"there are {len(keys)} backup keys; at most {MOST_KEYS} are tried")
    return keys


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _make_key_file(file: Path) -> str:
    """Whole or not at all: a second agent that starts at the same time must not read half a key."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = secrets.token_urlsafe(32)
    temporary = file.with_name(f".{file.name}-{os.getpid()}")
    temporary.unlink(missing_ok=True)  # of one that was killed here
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as opened:
        try:
            opened.write(key + "\n")
            opened.flush()
            os.fsync(opened.fileno())
            os.link(temporary, file)
        except FileExistsError:
            return file.read_text(encoding="utf-8")
        finally:
            temporary.unlink()
    return key
