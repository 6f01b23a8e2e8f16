"""Passwords of users, as they are kept: scrypt (RFC 7914) with a salt of its own for each. Pure but for the salt.

    scrypt$15$8$3$<salt>$<hash>      log2 of N, r, p, and both texts in base64

N = 2^15, r = 8, p = 3 is one of the settings that OWASP's password storage cheat sheet recommends: 32 MiB and some
hundred milliseconds for each try, so callers hash outside of transactions and not on an event loop. What is kept says
how it was made, so that stronger settings may come later.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets

from management.errors import invalid

LOG_N, R, P = 15, 8, 3
SALT, LENGTH = 16, 32  # bytes
SHORTEST, LONGEST = 10, 256  # characters
MEMORY = 128 * 1024 * 1024  # bytes that a try may use


def check(password: object, email: str = "") -> str:
    """The password, if it may be one. Raises ArmError."""
    if not isinstance(password, str) or not SHORTEST <= len(password) <= LONGEST:
        raise invalid("password", f"A password has {SHORTEST} to {LONGEST} characters.")
    if len(set(password)) < 4 or password.lower() in (email.lower(), email.lower().partition("@")[0]):
        raise invalid("password", "This password is too easy to guess.")
    return password


def hashed(password: str) -> str:
    salt = secrets.token_bytes(SALT)
    return "$".join(["scrypt", str(LOG_N), str(R), str(P), _text(salt), _text(_scrypt(password, salt, LOG_N, R, P))])


def matches(password: str, kept: str) -> bool:
    """Is this the password that was kept? False, after as much work, when none was."""
    try:
        name, log_n, r, p, salt, expected = (kept or NOBODY).split("$")
        found = _scrypt(password[:LONGEST], base64.b64decode(salt), int(log_n), int(r), int(p))
        return name == "scrypt" and hmac.compare_digest(found, base64.b64decode(expected)) and bool(kept)
    except (ValueError, binascii.Error):
        return False


def _scrypt(password: str, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    text = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(text, salt=salt, n=1 << min(log_n, 17), r=r, p=p, maxmem=MEMORY, dklen=LENGTH)


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


# what the password of nobody is compared with
NOBODY = "$".join(["scrypt", str(LOG_N), str(R), str(P), _text(bytes(SALT)), _text(bytes(LENGTH))])
