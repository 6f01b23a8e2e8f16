"""Canonical JSON, digests and fingerprints, as docs/configuration-feed.md defines them."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

MODULUS = 2**256


def canonical(document: Any) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(text: str) -> str:
    """SHA-256 of a canonical text, in hexadecimal."""
    return sha256(text.encode()).hexdigest()


def term(id: str, digest_hex: str) -> int:
    """What one resource adds to the fingerprint of a set."""
    return int.from_bytes(sha256(f"{id}\0{digest_hex}".encode()).digest(), "big")


def text(total: int) -> str:
    return f"{total % MODULUS:064x}"
