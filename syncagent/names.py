"""The plane's name to its addresses: while nobody can tell, its last ones go on.

The system's resolver blocks for as long as its name servers are silent, so it is asked in threads that keep neither a
fetch nor the end of the process waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Callable
from typing import Any

PATIENCE = 1.0  # seconds for a name that was resolved before

Name = tuple[str, int, socket.AddressFamily]
Addresses = list[dict[str, Any]]  # as aiohttp's resolvers answer them
LookUp = Callable[[str, int, socket.AddressFamily], Addresses]

logger = logging.getLogger(__name__)


def look_up(host: str, port: int, family: socket.AddressFamily) -> Addresses:
    """Ask the system; blocks. Raises OSError."""
    found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return [
        {"hostname": host, "host": str(address[0]), "port": port, "family": kind, "proto": proto, "flags": numeric}
        for kind, _, proto, _, address in found
    ]


class LastingResolver:
    """For the few names of the settings: the plane's, and that of a proxy before it; a resolver as aiohttp's
    are."""

    def __init__(self, ask: LookUp = look_up) -> None:
        self._ask = ask
        self._last: dict[Name, Addresses] = {}
        self._asking: dict[Name, asyncio.Future[Addresses]] = {}

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> Addresses:
        """Raises OSError for a name that was never resolved."""
        name = (host, port, family)
        last = self._last.get(name)
        asking = self._asking.get(name) or self._question(name)
        done, _ = await asyncio.wait((asking,), timeout=PATIENCE if last else None)
        if last is None:
            return asking.result()
        why = asking.exception() if done else f"no answer within {PATIENCE:g} s"
        if why is not None:
            logger.warning(
                "%s cannot be resolved (%s): its last addresses go on", host, why, extra={"event": "DnsStale"}
            )
        return self._last[name]

    def _question(self, name: Name) -> asyncio.Future[Addresses]:
        loop = asyncio.get_running_loop()
        asking = self._asking[name] = loop.create_future()

        def work() -> None:
            found: Addresses = []
            failure: OSError | None = None
            try:
                found = self._ask(*name)
            except (OSError, ValueError) as problem:
                failure = problem if isinstance(problem, OSError) else OSError(None, str(problem))
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(self._answered, name, found, failure)

        try:
            threading.Thread(target=work, name="name", daemon=True).start()
        except RuntimeError as none_left:
            self._answered(name, [], OSError(None, str(none_left)))
        return asking

    def _answered(self, name: Name, found: Addresses, failure: OSError | None) -> None:
        asking = self._asking.pop(name)
        if found:
            self._last[name] = found
            asking.set_result(found)
        else:
            asking.set_exception(failure or OSError(None, f"{name[0]} has no address"))
            asking.exception()  # whoever waited long enough has been told

    async def close(self) -> None:
        """Threads that still ask end with the process."""
