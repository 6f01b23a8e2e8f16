"""TLS contexts that show a client certificate, one per identity, made in a thread at first use.

Python's TLS reads certificates from files only: the PEM goes through an anonymous file in memory where there are such,
else through a file that only we may read and that is gone at once.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import tempfile
from collections import OrderedDict

from proxy.ports import ClientIdentity

MAX_CONTEXTS = 256


class Identities:
    """Contexts by identity, by whether the server's certificate is checked, and by the protocols that are offered; the
    oldest goes first."""

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[str, bool, tuple[str, ...]], asyncio.Future[ssl.SSLContext]] = OrderedDict()

    async def context(self, identity: ClientIdentity, verify: bool, alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
        """Raises ValueError for a certificate that TLS cannot use."""
        name = (identity.name, verify, alpn)
        found = self._held.get(name)
        if found is None:
            found = asyncio.ensure_future(asyncio.to_thread(make_context, identity.pem, verify, alpn))
            self._held[name] = found
            if len(self._held) > MAX_CONTEXTS:
                self._held.popitem(last=False)
        try:
            return await asyncio.shield(found)
        except (ssl.SSLError, OSError) as wrong:
            self._held.pop(name, None)
            raise ValueError("TLS cannot use this certificate and its key") from wrong


def make_context(pem: bytes, verify: bool, alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    load_pem(context, pem)
    return context


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
