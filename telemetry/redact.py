"""Secrets that travel in a URL do not reach a log, a span or a metric."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote_plus

SHOWN = "REDACTED"
_USER = re.compile(r"^([a-z]+://)[^/?#@]*@", re.IGNORECASE)
_PARAMETER = re.compile(r"([?&;])([^=&;#]*)=([^&;#]*)")
# Every name of _SECRET has one of these, and most queries have none: quicker to see than to search.
_HINTS = ("key", "token", "sig", "secret", "pass", "pwd", "assertion", "code", "jwt", "sas", "auth", "session",
          "credential", "sid", "%", "cookie", "ticket")  # fmt: skip
# Names in lower case, decoded. A place in a list of results (page_token) is no secret, nor is a kind of token.
_SECRET = re.compile(
    r"(?!.*(?:page|next|continuation|skip|sort|partition|row)[-_. ]?(?:token|key)$)"
    r"(?:(?:.*[-_.\[ ])?(?:key|token|secret|password|passwd|passphrase|pwd|pass|assertion|signature|credentials?"
    r"|jwt|sas|auth|authorization|session|sessionid|sid|sig|cookie|ticket|bearer)\]?"
    r"|.*(?:api|access|subscription|secret|private|shared|account|function|functions|master|host|auth)key(?:id)?"
    r"|.*(?:access|id|refresh|auth|session|bearer|security|csrf|sas|reset)token"
    r"|.*(?:client|app|api|shared)secret|.*password|code)"
)


def url(text: str) -> str:
    """`text` with the values of query parameters whose names are those of secrets replaced by REDACTED."""
    if "@" in text:
        text = _USER.sub(r"\1", text)
    at = text.find("?")
    if at < 0:
        return text
    small = text[at:].lower()
    if not any(hint in small for hint in _HINTS):
        return text
    return text[:at] + _PARAMETER.sub(_hidden, text[at:])


def _hidden(found: re.Match[str]) -> str:
    mark, name, value = found.groups()
    return f"{mark}{name}={SHOWN}" if value and _secret(name) else found[0]


@lru_cache(maxsize=1024)
def _secret(name: str) -> bool:
    for _ in range(3):  # a name may be encoded more than once, for a reader further on
        if "%" not in name and "+" not in name:
            break
        name = unquote_plus(name)
    return len(name) <= 256 and _SECRET.fullmatch(name.strip().lower()) is not None


_SPEAKING = re.compile(
    r"token|secret|passw|pwd|passphrase|credential|assertion|signature|session|cookie|auth|key|^(?:sig|code|jwt|sas|pin)$",
    re.IGNORECASE,
)


def shown_url(text: str) -> str:
    """`text` for pages that people read: without the values of all query parameters whose names speak of a secret."""
    at = text.find("?")
    return text if at < 0 else text[:at] + _PARAMETER.sub(_unsaid, text[at:])


def _unsaid(found: re.Match[str]) -> str:
    mark, name, value = found.groups()
    plain = unquote_plus(unquote_plus(name))
    return f"{mark}{name}={SHOWN}" if value and (_SPEAKING.search(plain) or _secret(name)) else found[0]
