"""The compact form: a signed token in three segments, an encrypted one in five.

Rules
1. At most MAX_TOKEN characters of the base64url alphabet, without padding.
2. Header and payload are JSON objects in which no name stands twice; NaN and Infinity are no JSON.
3. A `crit` header, or a `kid` that is no text, refuses the token. `jku`, `x5u`, `jwk` and `x5c` are never looked at.
Source: RFC 7515, RFC 7516, RFC 7519.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Any

from proxy.tokens.refusal import INVALID, TokenRefused

MAX_TOKEN = 64 * 1024  # characters
MAX_KID = 1024
_SEGMENTS = re.compile(r"[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*){1,5}")

Json = dict[str, Any]


@dataclass(slots=True, frozen=True)
class Signed:
    """`covered` are the bytes that the signature covers."""

    header: Json
    payload: Json
    covered: bytes
    signature: bytes


@dataclass(slots=True, frozen=True)
class Encrypted:
    """`associated` are the bytes that the tag covers besides the text."""

    header: Json
    wrapped_key: bytes
    nonce: bytes
    text: bytes
    tag: bytes
    associated: bytes


def read(token: str) -> Signed | Encrypted:
    """The token in parts; nothing of it is trusted yet. Raises TokenRefused."""
    if len(token) > MAX_TOKEN:
        raise malformed("The token is too long.", f"{len(token)} characters; at most {MAX_TOKEN} are read")
    if not _SEGMENTS.fullmatch(token):
        raise malformed("JWT is not well formed.")
    segments = token.split(".")
    try:
        if len(segments) == 3:
            header = _header(segments[0])
            covered = token[: token.rindex(".")].encode()
            return Signed(header, json_object(decode(segments[1])), covered, decode(segments[2]))
        if len(segments) == 5:
            wrapped, nonce, text, tag = (decode(each) for each in segments[1:])
            return Encrypted(_header(segments[0]), wrapped, nonce, text, tag, segments[0].encode())
    except (ValueError, RecursionError, binascii.Error) as wrong:
        raise malformed("JWT is not well formed.", str(wrong)) from wrong
    raise malformed("JWT is not well formed.", "a signed token has three segments, an encrypted one five")


def malformed(message: str, detail: str = "") -> TokenRefused:
    return TokenRefused(INVALID, message, detail)


def decode(segment: str) -> bytes:
    """Base64url without padding. Raises ValueError."""
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def json_object(content: bytes) -> Json:
    """A JSON object in which no name stands twice. Raises ValueError."""
    found = json.loads(content.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return found


def _header(segment: str) -> Json:
    header = json_object(decode(segment))
    if "crit" in header:
        raise ValueError("the header has critical extensions that are not understood")
    if not isinstance(header.get("alg"), str):
        raise ValueError("the header names no algorithm")
    for name in ("kid", "x5t"):
        value = header.get(name, "")
        if not isinstance(value, str) or len(value) > MAX_KID:
            raise ValueError(f"the header's {name} is no text of at most {MAX_KID} characters")
    return header


def _unique(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")
