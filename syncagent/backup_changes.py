"""What changed since a generation of the backup, entry behind entry: a small change costs a small write. Pure.

    magic (8) | format (u16) | header length (u32) | length of the rest (u32) | header (JSON) | check (u32)
    | AES-256-GCM of the rest
    the rest: length of ids (u32) | removed ids, newline-separated | records of what was set

Rules
1. Everything before the ciphertext is authenticated with it. The header names the generation that the changes belong
   to, by its nonce, and their number, so that nothing can be left out, repeated or put elsewhere.
2. The last one may be cut short by a kill; it was not acknowledged then, and what is before it counts. It is told all
   the same, since damage looks alike.
3. The check is the CRC-32 of all that stands before it in the entry, so that a changed length does not pass for a cut.
   Format 1 had none.
"""

from __future__ import annotations

import json
import secrets
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from syncagent import records
from syncagent.snapshot import Changes, Operation, Snapshot

MAGIC = b"PSRLCHGS"
FORMAT = 2
UNCHECKED = 1
PREFIX = struct.Struct(">8sHII")
CHECK = struct.Struct(">I")
IDS = struct.Struct(">I")


class Damaged(Exception):
    """Changes that are cut short, not ours, or not where they belong."""


@dataclass(slots=True, frozen=True)
class Entry:
    """One change of the configuration, to `dataset`, `cursor` and `fingerprint`; `saved` is Unix seconds."""

    dataset: str
    cursor: int
    fingerprint: int
    saved: float
    operations: tuple[Operation, ...]


def encode(key: bytes, base: str, number: int, snapshot: Snapshot, changes: Changes, saved: float) -> bytes:
    nonce = secrets.token_bytes(12)
    header = {
        "base": base,
        "number": number,
        "dataset": snapshot.dataset,
        "cursor": snapshot.cursor,
        "fingerprint": f"{snapshot.fingerprint:064x}",
        "saved": saved,
        "nonce": nonce.hex(),
    }
    text = json.dumps(header).encode()
    ids = "\n".join(changes.removals).encode()
    plain = IDS.pack(len(ids)) + ids + records.pack(changes.upserts)
    head = PREFIX.pack(MAGIC, FORMAT, len(text), len(plain) + 16) + text
    aad = head + CHECK.pack(zlib.crc32(head))
    return aad + AESGCM(key).encrypt(nonce, plain, aad)


def decode(content: bytes, key: bytes, base: str) -> Iterator[Entry]:
    """Those of the generation `base`, in order; none when the file belongs to another one. Raises Damaged."""
    at = number = 0
    while at < len(content):
        head, start, size = _head(content, at)
        try:
            header = json.loads(head)
            if header["base"] != base:
                return
            entry = _entry(header, content[at:start], content[start : start + size], key)
        except (InvalidTag, KeyError, TypeError, ValueError, struct.error, records.RecordsError):
            raise Damaged("they do not authenticate") from None
        if header["number"] != number:
            raise Damaged(f"number {header['number']} stands where {number} should")
        yield entry
        at, number = start + size, number + 1


def _head(content: bytes, at: int) -> tuple[bytes, int, int]:
    """Of the entry at `at`: its header, where the rest begins, and the length of that. Raises Damaged."""
    if at + PREFIX.size > len(content):
        raise Damaged("the last of them is cut short")
    magic, version, header_size, size = PREFIX.unpack_from(content, at)
    if magic != MAGIC or not UNCHECKED <= version <= FORMAT:
        raise Damaged("they are not changes of a format that is known here")
    end = at + PREFIX.size + header_size
    start = end + (CHECK.size if version != UNCHECKED else 0)
    if start <= len(content) and start != end:
        (check,) = CHECK.unpack_from(content, end)
        if check != zlib.crc32(memoryview(content)[at:end]):
            raise Damaged("the head of one of them is damaged")
    if start + size > len(content):
        raise Damaged("the last of them is cut short")
    return content[at + PREFIX.size : end], start, size


def _entry(header: dict[str, Any], aad: bytes, sealed: bytes, key: bytes) -> Entry:
    plain = AESGCM(key).decrypt(bytes.fromhex(header["nonce"]), sealed, aad)
    (size,) = IDS.unpack_from(plain)
    removed = plain[IDS.size : IDS.size + size].decode()
    upserts = records.unpack(plain[IDS.size + size :])
    return Entry(
        str(header["dataset"]),
        int(header["cursor"]),
        int(header["fingerprint"], 16),
        float(header["saved"]),
        (*(removed.split("\n") if removed else ()), *upserts.values()),
    )
