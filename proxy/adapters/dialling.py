"""Connections to backends that are not HTTP/1.1's: the same names, addresses, proxies and certificates, without a pool.

What may be called, how a name becomes addresses (happy eyeballs), tunnels through HTTP proxies, client certificates:
all of it is what proxy/adapters/transport.py has for its own connections.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl

from proxy.adapters.destination import Destination
from proxy.adapters.forward_proxy import ProxyingConnector
from proxy.adapters.identities import Identities
from proxy.adapters.names import LastingResolver
from proxy.adapters.reach import Reach, ScreenedResolver
from proxy.adapters.trust import check_of
from proxy.errors import BackendConnectionFailure
from proxy.messages import Url
from proxy.ports import Outgoing

ALPN = ("h2", "http/1.1")


class Dialler:
    """`identities` make the contexts of TLS."""

    def __init__(self, reach: Reach, identities: Identities, names: LastingResolver) -> None:
        self._reach, self._identities = reach, identities
        self._open = ProxyingConnector(names)
        self._screened = ProxyingConnector(ScreenedResolver(reach, names))

    async def close(self) -> None:
        await self._open.close()
        await self._screened.close()

    def objection(self, request: Outgoing) -> str | None:
        """Why a policy's call may not go where it wants to; None when it may, and for what no policy chose."""
        proxy = request.proxy
        if not (request.guarded or request.screened or (proxy is not None and proxy.screened)):
            return None
        objection = None
        if request.guarded or request.screened:
            objection = self._reach.objection(request.url, plain_http=not request.guarded)
        if objection is None and proxy is not None:  # plain http on the way to it was decided before
            objection = self._reach.objection(Url("https", proxy.host, proxy.port))
        return objection

    async def dial(self, request: Outgoing) -> tuple[asyncio.Transport, bytes, str]:
        """A transport, what came on it already, and what ALPN chose. Raises ValueError, OSError and aiohttp's
        errors."""
        objection = self.objection(request)
        if objection:
            raise BackendConnectionFailure(objection)
        tls = await self._tls(request) if request.url.scheme == "https" else False
        destination = Destination.of(request.url, tls)
        if request.proxy is not None:
            if tls is False:
                raise BackendConnectionFailure("HTTP/2 goes through an HTTP proxy over https only.")
            destination = destination.through(request.proxy, request.url.scheme)
        connector = self._screened if is_screened(request) else self._open
        transport, early, chosen = await connector.dial(destination)
        if request.thumbprints:
            try:
                check_thumbprint(transport, request.thumbprints)
            except BackendConnectionFailure:
                transport.abort()
                raise
        return transport, early, chosen

    async def _tls(self, request: Outgoing) -> ssl.SSLContext:
        return await self._identities.context(request.identity, check_of(request), ALPN)


def is_screened(request: Outgoing) -> bool:
    """Whether what its names resolve to is held against the rules of `reach`."""
    return request.guarded or request.screened or (request.proxy is not None and request.proxy.screened)


def check_thumbprint(transport: asyncio.BaseTransport | None, thumbprints: frozenset[str]) -> None:
    """Raises BackendConnectionFailure unless the server showed one of these certificates."""
    secured = transport.get_extra_info("ssl_object") if transport is not None else None
    shown = secured.getpeercert(binary_form=True) if secured is not None else None
    if shown is None or hashlib.sha1(shown, usedforsecurity=False).hexdigest().upper() not in thumbprints:
        raise BackendConnectionFailure("The server's certificate is none of those that are expected.")
