"""Secret values in texts that leave the process: URLs, messages, what policies said. Pure.

What is known to be secret is looked for as it is, in a URL, in JSON and in Base64; a value of fewer than SHORTEST
characters, a short number and a flag are not, since that would hide half of the text.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import quote, quote_plus

HIDDEN = "***"
SHORTEST = 4  # characters
_PLAIN = re.compile(r"[0-9]{1,5}|true|false|null", re.IGNORECASE)  # a flag that somebody called secret


def variants(secret: str) -> set[str]:
    """The texts in which a secret appears; nothing of a short one."""
    if len(secret) < SHORTEST:
        return set()
    content = secret.encode("utf-8", "replace")
    packed = base64.b64encode(content).decode()
    return {
        secret,
        quote(content, safe=""),
        quote_plus(content),
        json.dumps(secret, ensure_ascii=False)[1:-1],
        packed,
        quote(packed, safe=""),
        packed.rstrip("="),
        base64.urlsafe_b64encode(content).decode().rstrip("="),
        content.hex(),
    }


@lru_cache(maxsize=4)
def hider(secrets: frozenset[str]) -> Callable[[str], str] | None:
    """What takes these out of a text; None where there is nothing to take out."""
    found = {form for secret in secrets if not _PLAIN.fullmatch(secret) for form in variants(secret)}
    if not found:
        return None
    longest_first = sorted(found, key=lambda form: (-len(form), form))
    search = re.compile("|".join(map(re.escape, longest_first))).sub
    return lambda text: search(HIDDEN, text)
