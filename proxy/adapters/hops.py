"""Header fields that belong to one connection and never travel on; and the check of what goes on a wire.

Source: RFC 9110 section 7.6.1, RFC 9112 section 7.4.
"""

from __future__ import annotations

import re
from collections.abc import Collection

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

_BLOCK = re.compile(r"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [^\x00-\x08\x0a-\x1f\x7f]*\r\n)*")


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


def header_block(first: str, fields: Collection[tuple[str, str]]) -> bytes:
    """A message head. Raises ValueError for a field that would not be exactly one line: injection stops here."""
    block = "".join([f"{name}: {value}\r\n" for name, value in fields])
    if _BLOCK.fullmatch(block) is None or block.count("\n") != len(fields) or "\r" in first or "\n" in first:
        raise ValueError("a header name or value contains characters that may not stand there")
    return f"{first}\r\n{block}\r\n".encode("utf-8", "surrogateescape")
