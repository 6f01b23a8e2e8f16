"""Header fields that belong to one connection and never travel on.

Source: RFC 9110 section 7.6.1, RFC 9112 section 7.4.
"""

from __future__ import annotations

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-authentication-info",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
    }
)
# Framing is ours on each connection: derived from the body, never copied.
OURS = HOP_BY_HOP | {"content-length"}
