"""Message heads to bytes: what may stand in one, and what of a request goes to a backend."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from proxy.adapters.hops import OURS
from proxy.errors import GatewayError
from proxy.messages import Headers
from proxy.ports import Outgoing

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_LINE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_MOST_NAMES = 4096


class HeadWriter:
    """Message heads, without the fields whose names are `skipped`. What is known of a name is remembered, bounded."""

    __slots__ = ("_known", "_skipped")

    def __init__(self, skipped: frozenset[str]) -> None:
        self._skipped = skipped
        self._known: dict[str, bool] = {}

    def block(self, lines: list[str], fields: Iterable[tuple[str, str]], more: Sequence[str] = ()) -> bytes:
        """`lines` (the first line and what has to stand on top), the fields, and `more` lines of our own.

        Raises ValueError for a field that would not be exactly one line: injection stops here.
        """
        known = self._known
        for name, value in fields:
            copied = known.get(name)
            if copied is None:
                copied = self._learn(name)
            if copied:
                lines.append(f"{name}: {value}")
        lines += more
        # What is printable is no control character; tabs and bytes that are no text are looked at one by one.
        if not "".join(lines).isprintable() and not all(map(_LINE.fullmatch, lines)):
            raise ValueError("a header name or value contains characters that may not stand there")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")

    def _learn(self, name: str) -> bool:
        if _NAME.fullmatch(name) is None:
            raise ValueError("a header name or value contains characters that may not stand there")
        copied = name.lower() not in self._skipped
        if len(self._known) >= _MOST_NAMES:
            self._known.clear()
        if len(name) <= 256:
            self._known[name] = copied
        return copied


WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS", "DELETE", "TRACE"})
_REQUEST = HeadWriter(OURS | {"host", "expect"})
_TRAILER = HeadWriter(OURS | {"host", "expect", "authorization", "content-type", "content-encoding", "set-cookie"})


def request_head(request: Outgoing, upgrade: bool = False, waits: bool = False) -> bytes:
    """The head of a request to a backend. `upgrade`: to a WebSocket; `waits`: its body waits for 100 Continue.

    Raises GatewayError when a field cannot stand in a head.
    """
    url, headers, body = request.url, request.headers, request.body
    path = url.path or "/"
    plain_proxy = request.proxy is not None and url.scheme == "http"
    if plain_proxy:
        path = f"http://{url.authority}{path}"
    if url.query:
        path = f"{path}?{url.query}"
    lines = [f"{request.method} {path} HTTP/1.1", f"Host: {headers.get('Host') or url.authority}"]
    more: list[str] = []
    if plain_proxy and request.proxy is not None and request.proxy.authorization:
        more.append(f"Proxy-Authorization: {request.proxy.authorization}")
    if upgrade:
        more += ("Connection: Upgrade", "Upgrade: websocket")
    elif body.length is None:
        more.append("Transfer-Encoding: chunked")
    elif body.length or request.method not in WITHOUT_BODY:
        more.append(f"Content-Length: {body.length}")
    if waits:
        more.append("Expect: 100-continue")
    try:
        return _REQUEST.block(lines, headers.items(), more)
    except ValueError as wrong:
        raise GatewayError(f"The request cannot be sent: {wrong}.", reason="InvalidHeader") from wrong


def last_chunk(trailers: Headers | None) -> bytes:
    """The end of a chunked body, with the trailers that may stand there; those that cannot are left out."""
    if not trailers:
        return b"0\r\n\r\n"
    try:
        return _TRAILER.block(["0"], trailers.items())
    except ValueError:
        return b"0\r\n\r\n"
