"""What changed since a generation of the backup, entry behind entry: a small change costs a small write. Pure.

    magic (8) | format (u16) | header length (u32) | length of the rest (u32) | header (JSON) | AES-256-GCM of the rest
    the rest: length of ids (u32) | removed ids, newline-separated | records of what was set

Rules
1. Everything before the ciphertext is authenticated with it. The header names the generation that the changes belong
   to, by its nonce, and their number, so that nothing can be left out, repeated or put elsewhere.
2. The last one may be cut short by a kill; it was not acknowledged then, and is passed over.
"""

from __future__ import annotations

import json
import secrets
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from syncagent import records
from syncagent.snapshot import Changes, Operation, Snapshot

MAGIC = b"PSRLCHGS"
FORMAT = 1
PREFIX = struct.Struct(">8sHII")
IDS = struct.Struct(">I")


class Damaged(Exception):
    """Changes that are whole but not ours, or not where they belong."""


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
    aad = PREFIX.pack(MAGIC, FORMAT, len(text), len(plain) + 16) + text
    return aad + AESGCM(key).encrypt(nonce, plain, aad)


def decode(content: bytes, key: bytes, base: str) -> Iterator[Entry]:
    """Those of the generation `base`, in order; none when the file belongs to another one. Raises Damaged."""
    at = number = 0
    while at + PREFIX.size <= len(content):
        magic, version, header_size, size = PREFIX.unpack_from(content, at)
        if magic != MAGIC or version != FORMAT:
            raise Damaged("they are not changes of a format that is known here")
        start = at + PREFIX.size + header_size
        if start + size > len(content):
            return
        entry = _entry(content[at:start], content[start : start + size], key, base, number)
        if entry is None:
            return
        yield entry
        at, number = start + size, number + 1


def _entry(aad: bytes, sealed: bytes, key: bytes, base: str, number: int) -> Entry | None:
    try:
        header = json.loads(aad[PREFIX.size :])
        if header["base"] != base:
            return None
        plain = AESGCM(key).decrypt(bytes.fromhex(header["nonce"]), sealed, aad)
        if header["number"] != number:
            raise Damaged(f"number {header['number']} stands where {number} should")
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
    except (InvalidTag, KeyError, TypeError, ValueError, struct.error, records.RecordsError):
        raise Damaged("they do not authenticate") from None
