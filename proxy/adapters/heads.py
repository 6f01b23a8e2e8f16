"""Message heads to bytes: what may stand in one, and what of a request goes to a backend."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from proxy.adapters.hops import OURS
from proxy.errors import GatewayError
from proxy.messages import HOST, Headers
from proxy.ports import Outgoing

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROLS = bytes({*range(0x20), 0x7F} - {0x09})
_MOST_NAMES = 4096


class HeadWriter:
    """Message heads, without the fields whose names are `skipped`. What is known of a name is remembered, bounded."""

    __slots__ = ("_known", "_skipped")

    def __init__(self, skipped: frozenset[str]) -> None:
        self._skipped = skipped
        self._known: dict[str, str] = {}  # what stands before the value; nothing for a field that is skipped

    def block(self, lines: list[str], fields: Iterable[tuple[str, str]], more: Sequence[str] = ()) -> bytes:
        """`lines` (the first line and what has to stand on top), the fields, and `more` lines of our own.

        Raises ValueError for a field that would not be exactly one line: injection stops here.
        """
        known = self._known
        for name, value in fields:
            begin = known.get(name)
            if begin is None:
                begin = self._learn(name)
            if begin:
                lines.append(begin + value)
        lines += more
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")
        # the ends of lines that we set are the only control characters beside tabs
        if len(head.translate(None, _CONTROLS)) != len(head) - 2 * len(lines) - 2:
            raise ValueError("a header name or value contains characters that may not stand there")
        return head

    def _learn(self, name: str) -> str:
        if _NAME.fullmatch(name) is None:
            raise ValueError("a header name or value contains characters that may not stand there")
        begin = "" if name.lower() in self._skipped else f"{name}: "
        if len(self._known) >= _MOST_NAMES:
            self._known.clear()
        if len(name) <= 256:
            self._known[str(name)] = begin
        return begin


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
    lines = [f"{request.method} {path} HTTP/1.1", f"Host: {headers.get(HOST) or url.authority}"]
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
