"""TLS contexts towards backends, one per client certificate that is shown, made in a thread at first use.

Python's TLS reads certificates from files only: the PEM goes through an anonymous file in memory where there are such,
else through a file that only we may read and that is gone at once.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import tempfile
from collections import OrderedDict
from typing import Protocol

from proxy.ports import ClientIdentity

MAX_CONTEXTS = 256


class Trusting(Protocol):
    """Who makes the contexts; see proxy/adapters/trust.py."""

    def context(self, check: str, alpn: tuple[str, ...] = (), pem: bytes = b"") -> ssl.SSLContext: ...


class Identities:
    """Contexts by identity (or none), by how much of the server's certificate is checked, and by the protocols that are
    offered; the oldest goes first."""

    def __init__(self, trust: Trusting) -> None:
        self._trust = trust
        self._held: OrderedDict[tuple[str, str, tuple[str, ...]], asyncio.Future[ssl.SSLContext]] = OrderedDict()

    def forget(self) -> None:
        """What is trusted has changed."""
        self._held.clear()

    async def context(self, identity: ClientIdentity | None, check: str, alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
        """Raises ValueError for a certificate that TLS cannot use."""
        name = (identity.name if identity is not None else "", check, alpn)
        found = self._held.get(name)
        if found is None:
            pem = identity.pem if identity is not None else b""
            found = asyncio.ensure_future(asyncio.to_thread(self._trust.context, check, alpn, pem))
            self._held[name] = found
            if len(self._held) > MAX_CONTEXTS:
                self._held.popitem(last=False)
        try:
            return await asyncio.shield(found)
        except (ssl.SSLError, OSError) as wrong:
            self._held.pop(name, None)
            raise ValueError("TLS cannot use this certificate and its key") from wrong


def load_pem(context: ssl.SSLContext, pem: bytes) -> None:
    """Have the context show this certificate, with its chain and key."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("identity", os.MFD_CLOEXEC)
        try:
            os.write(file, pem)
            context.load_cert_chain(f"/proc/self/fd/{file}")
        finally:
            os.close(file)
        return
    with tempfile.NamedTemporaryFile() as named:  # made with mode 0600
        named.write(pem)
        named.flush()
        context.load_cert_chain(named.name)
