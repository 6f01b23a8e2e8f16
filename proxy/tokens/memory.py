"""What was once found out about a token, so that the same token costs microseconds the next time.

Rules
1. What is kept is a fact for ever: the bytes with this digest carry a right signature of the key with that fingerprint.
   Whether that key is still trusted, and whether the claims still hold, is asked at every use.
2. A token is known by its SHA-256; the token itself is not kept, nor is one that has expired.
3. At most MAX_TOKENS and MAX_SIZE; the one that was not used for longest goes first.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field

from proxy.tokens.compact import Json

MAX_TOKENS = 4096
MAX_SIZE = 8 * 1024 * 1024  # characters of all the tokens together


@dataclass(slots=True, frozen=True)
class Verified:
    """A token whose signature is right. `key` is the fingerprint of the signer, empty for an unsigned token;
    `opened_by` that of the decryption key, empty when it was not encrypted."""

    header: Json = field(repr=False)
    payload: Json = field(repr=False)
    key: bytes
    opened_by: bytes
    size: int


class TokenMemory:
    """A bounded map from digest to `Verified`."""

    def __init__(self, tokens: int = MAX_TOKENS, size: int = MAX_SIZE) -> None:
        self._held: OrderedDict[bytes, Verified] = OrderedDict()
        self._tokens, self._limit, self._size = tokens, size, 0

    def __len__(self) -> int:
        return len(self._held)

    def find(self, digest: bytes) -> Verified | None:
        found = self._held.get(digest)
        if found is not None:
            self._held.move_to_end(digest)
        return found

    def keep(self, digest: bytes, verified: Verified) -> None:
        self.drop(digest)
        self._held[digest] = verified
        self._size += verified.size
        while len(self._held) > self._tokens or self._size > self._limit:
            self.drop(next(iter(self._held)))

    def drop(self, digest: bytes) -> None:
        gone = self._held.pop(digest, None)
        if gone is not None:
            self._size -= gone.size


MEMORY = TokenMemory()


def digest_of(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
