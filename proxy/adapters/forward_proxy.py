"""aiohttp's connector with HTTP proxies on the way: it connects to the proxy, and asks it for a tunnel where the
backend is not plain http. What a tunnel carries is as if it came over a connection of our own.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.client_proto import ResponseHandler

from proxy.adapters.backend import BackendConnection
from proxy.adapters.destination import Destination

DIAL_TIMEOUTS = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=10.0)  # seconds


class ProxyingConnector(aiohttp.TCPConnector):
    """For requests that are `Destination`s. A proxy that does not answer, or refuses the tunnel, is an OSError."""

    def __init__(self, names: AbstractResolver) -> None:
        super().__init__(limit=0, resolver=names, use_dns_cache=False)  # `names` keeps them, and for longer

    async def connect_to(self, destination: Destination) -> BackendConnection:
        """A new connection, which belongs to the caller. Raises TimeoutError, OSError, aiohttp.ClientError."""
        loop, request = self._loop, cast(Any, destination)
        self._factory = cast(Any, lambda: BackendConnection(loop))
        return cast(BackendConnection, await self._create_connection(request, [], DIAL_TIMEOUTS))

    async def dial(self, destination: Destination) -> tuple[asyncio.Transport, bytes, str]:
        """A connection that is nobody's: its transport, what came on it already, and what ALPN chose."""
        made: Any = destination
        protocol = await self._create_connection(made, [], DIAL_TIMEOUTS)
        transport = protocol.transport
        if transport is None or transport.is_closing():
            raise OSError(None, "the connection was closed at once")
        secured = transport.get_extra_info("ssl_object")
        chosen = secured.selected_alpn_protocol() if secured is not None else None
        return transport, protocol._tail, chosen or ""

    async def _create_connection(self, req: Any, traces: Any, timeout: aiohttp.ClientTimeout) -> ResponseHandler:
        destination: Destination = req
        if destination.via is None:
            return await super()._create_connection(req, traces, timeout)
        via: Any = destination.via
        transport, protocol = await self._create_direct_connection(via, traces, timeout)
        if destination.tunnel:
            try:
                async with asyncio.timeout(timeout.sock_connect):
                    await _tunnel(protocol, destination)
            except BaseException:
                transport.close()
                raise
            if destination.is_ssl():
                inside: Any = transport
                _, protocol = await self._start_tls_connection(inside, req=req, timeout=timeout)
        return protocol


async def _tunnel(protocol: ResponseHandler, destination: Destination) -> None:
    """RFC 9110 section 9.3.6."""
    host = f"[{destination.host}]" if ":" in destination.host else destination.host
    authority = f"{host}:{destination.port}"
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    if destination.authorization:
        lines.append(f"Proxy-Authorization: {destination.authorization}")
    protocol.set_response_params(skip_payload=True, read_until_eof=True)  # aiohttp must not close behind the answer
    assert protocol.transport is not None
    protocol.transport.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    message, _ = await protocol.read()
    if not 200 <= message.code < 300:
        raise OSError(None, f"the proxy answered {message.code} when it was asked for a tunnel")
