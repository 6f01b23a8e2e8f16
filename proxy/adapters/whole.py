"""Requests that arrive whole in one piece, and ordinary: nearly all. Anything else is none of this module's business.

Rules
1. One llhttp parser reads them all, since none outlives a call; after anything but one request and nothing else it is
   replaced. Whatever it stumbles over, `read` says None, and the bytes go the way of all others: aiohttp's parser, the
   screen, and its errors.
2. None as well for what needs care: bytes behind the request, another version than 1.1, a body that is not measured by
   one Content-Length, Connection but for keep-alive, Upgrade, Expect, two fields of one name, names that imitate
   trusted ones, a target that is no path, two spaces in the request line.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from httptools import HttpRequestParser
from multidict import istr

from proxy.adapters.fields import CAREFUL, CODING, CONNECTION, HOP, HOST, NAMES, Field, name_of, value_of
from proxy.adapters.limits import DEFAULTS, Limits
from proxy.messages import Headers
from proxy.target import valid_host

LARGEST = 64 * 1024  # bytes of head and body together
_FRAMED = re.compile(rb"\n(?:content-length|transfer-encoding)[^\n]*", re.IGNORECASE)
_LENGTH = re.compile(rb"\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*\r", re.IGNORECASE)
_METHODS = {each.encode(): each for each in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")}


class Whole(NamedTuple):
    """A request line, end-to-end headers, and the body; `host` is what Host says."""

    method: str
    target: str
    headers: Headers
    host: str
    body: bytes


class _Another(Exception):
    """Behind the request another one begins: it is not to be read in vain, however many there are."""


class _Reader:
    """What llhttp tells of the one message that it is reading."""

    __slots__ = ("body", "complete", "fields", "url")

    def __init__(self) -> None:
        self.url = self.body = b""
        self.fields: list[Field] = []
        self.complete = False

    def on_message_begin(self) -> None:
        if self.complete:
            raise _Another

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value))

    def on_body(self, part: bytes) -> None:
        self.body += part

    def on_message_complete(self) -> None:
        self.complete = True


_reader = _Reader()
_parser = HttpRequestParser(_reader)


def read(data: bytes, limits: Limits = DEFAULTS) -> Whole | None:
    """The request that these bytes are, all of them."""
    if len(data) > LARGEST or b"  " in data[:32]:
        return None
    reader, parser = _reader, _parser
    reader.url = reader.body = b""
    reader.fields = []
    reader.complete = False
    try:
        parser.feed_data(data)
    except Exception:
        return _renew()
    head = data.find(b"\r\n\r\n") + 4
    if (
        not reader.complete
        or head + len(reader.body) != len(data)  # something else is behind it
        or reader.url[:1] != b"/"
        or data[(end := data.find(b"\r\n")) - 9 : end] != b" HTTP/1.1"
    ):
        return _renew()
    method, fields = _METHODS.get(parser.get_method()), reader.fields
    if method is None or head > limits.line or head > limits.field or len(fields) > limits.fields:
        return _renew()
    kept: dict[str, tuple[istr, str]] = {}
    dropped = 0
    host = ""
    known = NAMES
    for raw, value in fields:
        name, lower, kind = known.get(raw) or name_of(raw)
        try:
            text = value.decode().strip(" \t")
        except UnicodeDecodeError:
            text = value_of(value)
        if kind:
            if kind is HOST:
                host = text
                if not valid_host(host):
                    return _renew()
            elif kind is CODING or kind is CAREFUL:
                return _renew()
            elif kind is CONNECTION:
                if value.lower() != b"keep-alive":
                    return _renew()
                dropped += 1
                continue
            elif kind is HOP:
                dropped += 1
                continue
        kept[lower] = (name, text)
    if not host or len(kept) + dropped != len(fields):
        return _renew()
    url = reader.url
    # a list, since headers take other iterables four times as slowly
    headers = Headers(list(kept.values()))
    return Whole(method, url.decode() if url.isascii() else value_of(url), headers, host, reader.body)


def first_end(data: bytes) -> int:
    """Where the first request in these bytes ends, as far as that is plain to see; 0 where it is not.

    Nobody relies on it for what a request is: its bytes are read by a parser, which only gets them apart from those
    behind them.
    """
    head = data.find(b"\r\n\r\n") + 2
    if head < 2 or data.startswith((b"\r", b"\n", b"PRI ")):
        return 0
    framed = _FRAMED.findall(data, 0, head)
    if not framed:
        return head + 2
    length = _LENGTH.fullmatch(framed[0]) if len(framed) == 1 else None
    return head + 2 + int(length[1]) if length is not None else 0


def end_of_head(data: bytes, seen: int = 0) -> int:
    """Where the head ends that these bytes begin with; 0 while it goes on. `seen` of them were looked at before."""
    found = data.find(b"\r\n\r\n", max(seen - 3, 0))
    return found + 4 if found >= 0 else 0


def _renew() -> Whole | None:
    """Nobody else's bytes may be read as what follows these: the next request has a parser that saw none of them."""
    global _parser
    _parser = HttpRequestParser(_reader)
    return None
