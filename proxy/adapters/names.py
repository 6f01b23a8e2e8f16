"""Names to addresses, also while nobody can tell: the last answer of a name goes on when there is no newer one.

A backend's address seldom changes, and a name server that is away, slow or says by mistake that there is no such name
is no reason to stop calling it. What is cached for a few seconds is the connector's business, and comes before this.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import OrderedDict

from aiohttp import DefaultResolver
from aiohttp.abc import AbstractResolver, ResolveResult

PATIENCE = 5.0  # seconds for a name that was resolved before
MOST_NAMES = 4096

log = logging.getLogger("proxy.backends")


class LastingResolver(AbstractResolver):
    """Asks another one. The last answers are bounded; the one that was needed least lately goes first."""

    def __init__(self, resolver: AbstractResolver | None = None) -> None:
        self._resolver = resolver or DefaultResolver()
        self._last: OrderedDict[tuple[str, int, socket.AddressFamily], list[ResolveResult]] = OrderedDict()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises OSError for a name that nobody ever knew."""
        name = (host, port, family)
        last = self._last.get(name)
        try:
            async with asyncio.timeout(PATIENCE if last else None):
                found = await self._resolver.resolve(host, port, family)
        except (OSError, TimeoutError) as gone:
            if last is None:
                raise
            log.warning("%s cannot be resolved (%s): its last addresses go on", host, gone, extra={"event": "DnsStale"})
            found = last
        self._last[name] = found
        self._last.move_to_end(name)
        if len(self._last) > MOST_NAMES:
            self._last.popitem(last=False)
        return found

    async def close(self) -> None:
        await self._resolver.close()
