"""One generation of the backup as bytes; docs/backups.md has the layout. Pure, but for the random salt and nonce.

    magic (8) | format (u16) | header length (u32) | header (JSON) | check (u32)
    | AES-256-GCM of the zlib-compressed records

Rules
1. Everything before the ciphertext is authenticated with it, the gateway id included: a changed byte, or the backup of
   another gateway, is never served.
2. The check is the CRC-32 of all that stands before it. It tells damage from what is another's: without it, a changed
   bit in the name of a key would send the operator to look for that key. Nothing is believed because of it.
3. Magic, format, header and check stay where they are in every later format, so that a file of a newer release is known
   as such. Format 1 had no check.
"""

from __future__ import annotations

import json
import secrets
import struct
import zlib
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from syncagent import records
from syncagent.backup_keys import KeyRing, key_id
from syncagent.snapshot import Resource, Snapshot

MAGIC = b"PSRLBKUP"
FORMAT = 2
UNCHECKED = 1
PREFIX = struct.Struct(">8sHI")
CHECK = struct.Struct(">I")
MAX_HEADER = 64 * 1024
SALT, NONCE = 16, 12  # bytes


class BackupError(Exception):
    """This generation cannot be used; the message says why and what to do."""


class CorruptBackup(BackupError):
    """Damaged: quarantine it."""


@dataclass(slots=True, frozen=True)
class Header:
    """What can be told without the key, and is authentic only once the rest was decrypted. `saved` is Unix seconds,
    `body` is where the ciphertext begins."""

    format: int
    gateway: str
    dataset: str
    cursor: int
    fingerprint: int
    saved: float
    salt: bytes
    key: str
    nonce: bytes
    body: int


def new_salt() -> bytes:
    return secrets.token_bytes(SALT)


def seal(snapshot: Snapshot, gateway: str, key: bytes, salt: bytes, saved: float) -> tuple[tuple[bytes, bytes], str]:
    """(the parts of the file, the nonce in hexadecimal)."""
    nonce = secrets.token_bytes(NONCE)
    header = {
        "gateway": gateway,
        "dataset": snapshot.dataset,
        "cursor": snapshot.cursor,
        "fingerprint": f"{snapshot.fingerprint:064x}",
        "saved": saved,
        "salt": salt.hex(),
        "key": key_id(key),
        "nonce": nonce.hex(),
    }
    text = json.dumps(header).encode()
    head = PREFIX.pack(MAGIC, FORMAT, len(text)) + text
    aad = head + CHECK.pack(zlib.crc32(head))
    return (aad, AESGCM(key).encrypt(nonce, records.pack(snapshot.resources.values()), aad)), nonce.hex()


def read_header(content: bytes) -> Header:
    """Raises CorruptBackup, or BackupError for a format of a newer release."""
    try:
        magic, version, length = PREFIX.unpack_from(content)
    except struct.error:
        raise CorruptBackup("it is cut short") from None
    if magic != MAGIC:
        raise CorruptBackup("it is not a backup")
    end = PREFIX.size + length
    if length > MAX_HEADER or end > len(content):
        raise CorruptBackup("it is cut short")
    body = end
    if version != UNCHECKED:
        body += CHECK.size
        if body > len(content):
            raise CorruptBackup("it is cut short")
        if CHECK.unpack_from(content, end)[0] != zlib.crc32(memoryview(content)[:end]):
            raise CorruptBackup("its header is damaged")
    if not UNCHECKED <= version <= FORMAT:
        raise BackupError(f"its format is {version}; this agent reads formats {UNCHECKED} to {FORMAT}")
    try:
        told = json.loads(content[PREFIX.size : end])
        return _header(told, version, body)
    except (KeyError, TypeError, ValueError):
        raise CorruptBackup("its header is damaged") from None


def _header(told: dict[str, Any], version: int, body: int) -> Header:
    return Header(
        format=version,
        gateway=str(told["gateway"]),
        dataset=str(told["dataset"]),
        cursor=int(told["cursor"]),
        fingerprint=int(told["fingerprint"], 16),
        saved=float(told["saved"]),
        salt=bytes.fromhex(told["salt"]),
        key=str(told["key"]),
        nonce=bytes.fromhex(told["nonce"]),
        body=body,
    )


def find_key(keys: KeyRing, salt: bytes, name: str) -> tuple[bytes, bool]:
    """The key that it was written with, and whether that is the present one. Raises BackupError, KeysUnavailable."""
    found = keys.find(salt, name)
    if found is None:
        raise BackupError(
            "it was written with another key; set config.backup.key.former to that key, or "
            "config.backup.key.former.file to a file with it"
        )
    return found


def open_sealed(content: bytes, header: Header, key: bytes) -> dict[str, Resource]:
    """The records behind the header. Raises BackupError."""
    try:
        plain = AESGCM(key).decrypt(header.nonce, memoryview(content)[header.body :], content[: header.body])
    except (InvalidTag, ValueError):
        raise CorruptBackup("it is damaged: its contents do not authenticate") from None
    try:
        return records.unpack(plain)
    except records.RecordsError as error:
        raise BackupError(str(error)) from None
