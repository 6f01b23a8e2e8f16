"""Header fields that belong to one connection and never travel on.

Source: RFC 9110 section 7.6.1, RFC 9112 section 7.4.
"""

from __future__ import annotations

from multidict import CIMultiDictProxy

from proxy.messages import Headers

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


def end_to_end(headers: CIMultiDictProxy[str]) -> Headers:
    """A copy without hop-by-hop fields, also those that Connection names."""
    copy = Headers(headers)
    named = copy.getall("Connection", ())
    for name in HOP_BY_HOP:
        if name in copy:
            copy.popall(name)
    for value in named:
        for name in value.split(","):
            name = name.strip()
            if name and name.lower() not in ("close", "keep-alive", "upgrade", "te"):
                copy.popall(name, None)
    return copy
