"""Which HTTP a client's connection speaks: by ALPN where TLS ends here, else by the first bytes.

HTTP/1.1 is what is expected: a connection becomes HTTP/2 only when it says so. What HTTP/2 needs is loaded then.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from proxy.adapters.tls import Secured, ServerTls

if TYPE_CHECKING:
    from proxy.adapters.http2.connection import Http2Connection
    from proxy.server import Server

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Http2Connections(set["Http2Connection"]):
    """Those that are open."""

    def __init__(self, house: Server) -> None:
        super().__init__()
        self._house = house

    def take_over(self, transport: asyncio.Transport, data: bytes, secured: Secured | None) -> None:
        """Have this transport speak HTTP/2; `data` is what came already."""
        from proxy.adapters.http2.connection import Http2Connection

        connection = Http2Connection(self._house, secured)
        transport.set_protocol(connection)
        connection.connection_made(transport)
        if data:
            connection.data_received(data)

    def sweep(self, now: float) -> None:
        for each in list(self):
            each.sweep(now)

    def leave(self) -> None:
        for each in list(self):
            each.leave()

    def cancel(self) -> list[asyncio.Task[None]]:
        return [task for each in list(self) for task in each.cancel()]


class Negotiation(asyncio.Protocol):
    """The first moment of a TLS connection: its handshake has said which protocol follows."""

    def __init__(self, house: Server, tls: ServerTls) -> None:
        self._house, self._tls = house, tls

    def connection_made(self, made: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", made)
        secured = Secured.of(transport, self._tls)
        if secured.protocol == "h2":
            self._house.http2.take_over(transport, b"", secured)
            return
        connection = self._house()
        connection.secured = secured
        transport.set_protocol(connection)
        connection.connection_made(transport)
