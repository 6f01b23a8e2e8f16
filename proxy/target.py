"""The one canonical request target: routing, policies and the backend all see this and nothing else.

Rules
1. Percent-encoding is normalised once: unreserved characters are decoded, hexadecimal digits are upper case, characters
   that may not stand in a path are encoded. Nothing is decoded twice.
2. Dot segments are removed; a path that climbs above its root is refused.
3. What two readers could take for different paths is refused with 400: backslashes, control characters and NUL in any
   spelling, broken escapes, `..;x`, `..%3Bx` and `..%2F` (a dot segment in disguise), a fragment, 8-bit characters.
4. An encoded slash (%2F) stays encoded and is never a separator.
5. The query is kept byte for byte.
Source: RFC 3986 section 6, RFC 9112 section 3.2.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from proxy.errors import BadRequest

_PLAIN = re.compile(r"/[A-Za-z0-9\-_~!$&'()*+,=:@/][A-Za-z0-9\-._~!$&'()*+,=:@/]*|/")
_DOTTED = re.compile(r"/\.\.?(?:/|$)")
_PRINTABLE = re.compile(r"[!-~]*")
_ESCAPE = re.compile(r"%(..?)?", re.DOTALL)
_RAW_UNSAFE = re.compile(r"[\"<>^`{|}]")
_DISGUISED = re.compile(r"(?:^|/|%2F)\.\.?(?:;|%3B|%2F|/|$)")
_HOST = re.compile(r"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class Target(NamedTuple):
    """`authority` is empty unless the client sent an absolute URL, whose authority wins over the Host header."""

    path: str
    query: str
    authority: str = ""


def canonical(raw: str) -> Target:
    """The target of a request line; raises BadRequest for one that is malformed or ambiguous."""
    if _PLAIN.fullmatch(raw) and "/." not in raw:
        return Target(raw, "")
    authority = ""
    if not raw.startswith("/"):
        authority, raw = _absolute(raw)
    path, mark, query = raw.partition("?")
    if (mark and not _PRINTABLE.fullmatch(query)) or "#" in raw:
        raise BadRequest("The request target contains characters that must be percent-encoded.")
    if _PLAIN.fullmatch(path) and "/." not in path:
        return Target(path, query, authority)
    return Target(canonical_path(path), query, authority)


def canonical_path(path: str) -> str:
    """Rules 1 to 4 for a path that begins with a slash."""
    if not _PRINTABLE.fullmatch(path) or "\\" in path:
        raise BadRequest("The request path contains characters that must be percent-encoded.")
    path = _ESCAPE.sub(_normalise, path)
    path = _RAW_UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", path)
    if _DOTTED.search(path):
        path = _without_dot_segments(path)
    if _DISGUISED.search(path):
        raise BadRequest("The request path hides a dot segment.")
    return path


@lru_cache(maxsize=1024)
def valid_host(host: str) -> bool:
    """Whether a Host header is one plain authority: no userinfo, no list, a port that exists."""
    found = _HOST.fullmatch(host)
    return found is not None and int(found[1] or 0) <= 65535 and len(host) <= 255


def _absolute(raw: str) -> tuple[str, str]:
    scheme, found, rest = raw.partition("://")
    if not found or scheme.lower() not in ("http", "https"):
        raise BadRequest("The request target must be a path or an http URL.")
    for index, character in enumerate(rest):
        if character in "/?":
            authority, path = rest[:index], rest[index:]
            break
    else:
        authority, path = rest, "/"
    if not valid_host(authority):
        raise BadRequest("The authority of the request target is not valid.")
    return authority, path if path.startswith("/") else "/" + path


def _normalise(found: re.Match[str]) -> str:
    digits = found[1] or ""
    try:
        code = int(digits, 16) if len(digits) == 2 and digits.isalnum() else -1
    except ValueError:
        code = -1
    if code < 0:
        raise BadRequest("The request path contains a broken percent escape.")
    if code < 0x20 or code == 0x7F or code == 0x5C:
        raise BadRequest("The request path contains an encoded control character or backslash.")
    character = chr(code)
    return character if character in _UNRESERVED else f"%{code:02X}"


def _without_dot_segments(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            if not kept:
                raise BadRequest("The request path climbs above its root.")
            kept.pop()
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)
