"""The first words of a TLS client, looked at before anybody answers: whom it asks for decides how the handshake goes.

OpenSSL lets a server change its certificate once it knows the name, but not whether it asks the client for one, nor
which versions it speaks. So `Door` makes the connection's TLS object only when the name is there: each has one context
from its first byte on, with tickets of its own, and a session of one host is none of another's.

Rules
1. Nothing is judged here: what cannot be read goes to whoever is asked without a name, and OpenSSL refuses it.
2. At most LARGEST bytes in MOST_RECORDS are looked at, and only when as many are there as the last look missed; how
   long they may take is the handshake's deadline.
Source: RFC 8446 sections 4.1.2 and 5.1, RFC 6066 section 3.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable

LARGEST = 32 * 1024  # bytes of a ClientHello with the heads of its records
MOST_RECORDS = 16
_HANDSHAKE, _CLIENT_HELLO, _SERVER_NAME, _HOST_NAME = 22, 1, 0, 0


class Incomplete(Exception):
    """It ends behind so many bytes, or later."""

    def __init__(self, needed: int) -> None:
        super().__init__(needed)
        self.needed = needed


class _Cut(Exception):
    """A length leads beyond the end."""


def server_name(data: bytes) -> str:
    """The host that a ClientHello asks for, empty when it names none or is none. Raises Incomplete."""
    try:
        return _name(_hello(data))
    except (_Cut, UnicodeDecodeError):
        return ""


def _hello(data: bytes) -> bytes:
    """What stands in the ClientHello, which may lie in several records."""
    message, at = b"", 0
    for _ in range(MOST_RECORDS):
        head = data[at : at + 5]
        if head[:1] not in (b"", bytes((_HANDSHAKE,))):
            raise _Cut
        end = at + 5 + int.from_bytes(head[3:], "big")
        if end > LARGEST:
            raise _Cut
        if len(head) < 5 or end > len(data):
            raise Incomplete(max(end, at + 5))
        message, at = message + data[at + 5 : end], end
        if message[:1] not in (b"", bytes((_CLIENT_HELLO,))):
            raise _Cut
        if len(message) >= 4 and len(message) >= (size := 4 + int.from_bytes(message[1:4], "big")):
            return message[4:size]
    raise _Cut


def _name(hello: bytes) -> str:
    at = 2 + 32  # version and random
    for width in (1, 2, 1):  # session, suites, compression
        _, at = _field(hello, at, width)
    extensions, _ = _field(hello, at, 2)
    at = 0
    while at < len(extensions):
        kind = extensions[at : at + 2]
        content, at = _field(extensions, at + 2, 2)
        if int.from_bytes(kind, "big") == _SERVER_NAME:
            names, _ = _field(content, 0, 2)
            if names[:1] != bytes((_HOST_NAME,)):
                return ""
            return _field(names, 1, 2)[0].decode("ascii")
    return ""


def _field(data: bytes, at: int, width: int) -> tuple[bytes, int]:
    """What stands behind a length of so many bytes, and where that ends."""
    begin = at + width
    end = begin + int.from_bytes(data[at:begin], "big")
    if begin > len(data) or end > len(data):
        raise _Cut
    return data[begin:end], end


class Arriving(ssl.SSLObject):
    """The TLS of one connection: none before the client has said its name. `asking` comes with that."""

    _incoming: ssl.MemoryBIO
    _outgoing: ssl.MemoryBIO
    _choose: Choose
    _chosen: ssl.SSLObject | None = None  # held, since OpenSSL's callbacks are told of it
    _needed = 1
    asking = ""

    def do_handshake(self) -> None:
        if self._chosen is None:
            if self._incoming.pending < self._needed:
                raise ssl.SSLWantReadError
            begun = self._incoming.read()
            self._incoming.write(begun)
            try:
                name = server_name(begun)
            except Incomplete as more:
                self._needed = more.needed
                raise ssl.SSLWantReadError from None
            context, self.asking = self._choose(name)
            self._chosen = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
            self._sslobj = self._chosen._sslobj  # type: ignore[attr-defined]
        super().do_handshake()


# A name, empty for none -> the context that answers, and on whose behalf the client is asked for a certificate.
Choose = Callable[[str], tuple[ssl.SSLContext, str]]


class Door(ssl.SSLContext):
    """What a listener takes for a context."""

    choose: Choose

    def wrap_bio(  # type: ignore[override]
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, server_side: bool = False, **_: object
    ) -> ssl.SSLObject:
        made = Arriving.__new__(Arriving)  # its own way to be made asks for a context
        made._incoming, made._outgoing, made._choose = incoming, outgoing, self.choose
        return made


def door(choose: Choose) -> Door:
    made = Door(ssl.PROTOCOL_TLS_SERVER)
    made.choose = choose
    return made
