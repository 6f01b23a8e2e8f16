"""Secrets that travel in a query string do not reach a log, a span or a metric."""

from __future__ import annotations

import re

_SECRET = re.compile(
    r"([?&](?:subscription-key|api[-_]?key|access_token|id_token|refresh_token|client_secret|client_assertion|secret"
    r"|password|passwd|passphrase|pwd|sig|signature|awsaccesskeyid|x-amz-security-token|x-(?:amz|goog)-signature)=)"
    r"[^&#]*",
    re.IGNORECASE,
)


def url(text: str) -> str:
    """`text` with the values of well-known secret query parameters replaced by REDACTED."""
    if "?" not in text:
        return text
    # Every name above has one of these, and most queries have none: quicker to see than to search.
    small = text.lower()
    if "key" in small or "token" in small or "sig" in small or "secret" in small or "pass" in small:
        return _SECRET.sub(r"\1REDACTED", text)
    if "pwd" in small or "assertion" in small:
        return _SECRET.sub(r"\1REDACTED", text)
    return text


_SPEAKING = re.compile(
    r"([?&][^=&#]*(?:token|secret|passw|pwd|passphrase|credential|assertion|signature|session|cookie|auth|key)[^=&#]*="
    r"|[?&](?:sig|code|jwt|sas|pin)=)[^&#]*",
    re.IGNORECASE,
)


def shown_url(text: str) -> str:
    """`text` for pages that people read: without the values of all query parameters whose names speak of a secret."""
    return _SPEAKING.sub(r"\1REDACTED", text) if "?" in text else text
