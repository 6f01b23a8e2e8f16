"""Names to addresses, also while nobody can tell: the last answer of a name goes on when there is no newer one.

Rules
1. An answer is used for `keep` seconds (`net.client.dns.cache`), then asked for again by whoever needs it next.
2. A name server that is away, slow or says by mistake that there is no such name is no reason to stop calling a
   backend: its last addresses go on, of any age. Who waits for a newer answer waits PATIENCE seconds at the most; it is
   used once it comes.
3. Each question has a thread of its own, because the system's resolver blocks: names that nobody answers do not keep
   others waiting, nor the end of the process.
4. Several addresses take turns to be the first; the connector tries the next when one does not answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from aiohttp.abc import AbstractResolver, ResolveResult

KEEP = 10.0  # seconds
PATIENCE = 0.5  # seconds for a name that was resolved before
MOST_NAMES = 4096
MOST_QUESTIONS = 128  # at once

Name = tuple[str, int, socket.AddressFamily]
LookUp = Callable[[str, int, socket.AddressFamily], list[ResolveResult]]

log = logging.getLogger("proxy.backends")


@dataclass(slots=True)
class _Known:
    """`until` is when to ask again, monotonic seconds; `turn` counts uses."""

    addresses: list[ResolveResult]
    until: float
    turn: int = 0


def look_up(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    """Ask the system; blocks. Raises OSError."""
    try:
        found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    except ValueError as wrong:
        raise OSError(None, f"{host!r} is no name of a host") from wrong
    numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    answers: list[ResolveResult] = []
    for kind, _, proto, _, address in found:
        where = str(address[0])
        if kind == socket.AF_INET6 and len(address) == 4 and address[3]:  # link-local: its name has the interface
            where = socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0]
        answers.append(
            {"hostname": host, "host": where, "port": port, "family": kind, "proto": proto, "flags": numeric}
        )
    return answers


class LastingResolver(AbstractResolver):
    """Asks `ask`. What is known is bounded; the name that was needed least lately goes first."""

    def __init__(self, keep: float = KEEP, ask: LookUp = look_up) -> None:
        self._keep, self._ask = keep, ask
        self._known: OrderedDict[Name, _Known] = OrderedDict()
        self._asking: dict[Name, asyncio.Future[list[ResolveResult]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises OSError for a name that nobody ever knew."""
        name = (host, port, family)
        known = self._known.get(name)
        if known is None:
            asking = self._question(name)
            await asyncio.wait((asking,))
            known = _Known(asking.result(), monotonic() + self._keep)
        elif monotonic() >= known.until:
            known = await self._renewed(name, known)
        if name in self._known:
            self._known.move_to_end(name)
        known.turn += 1
        first = known.turn % len(known.addresses)
        return [*known.addresses[first:], *known.addresses[:first]]

    async def _renewed(self, name: Name, known: _Known) -> _Known:
        try:
            asking = self._question(name)
            done, _ = await asyncio.wait((asking,), timeout=PATIENCE)
            why = asking.exception() if done else f"no answer within {PATIENCE:g} s"
        except OSError as refused:
            why = refused
        if why is None:
            return self._known.get(name, known)
        now = monotonic()
        if now >= known.until:  # nobody else was told so
            known.until = now + self._keep
            log.warning(
                "%s cannot be resolved (%s): its last addresses go on", name[0], why, extra={"event": "DnsStale"}
            )
        return known

    def _question(self, name: Name) -> asyncio.Future[list[ResolveResult]]:
        """One for all who ask the same. Raises OSError when too many are open."""
        asking = self._asking.get(name)
        if asking is not None:
            return asking
        if len(self._asking) >= MOST_QUESTIONS:
            raise OSError(None, f"{MOST_QUESTIONS} names are being resolved already")
        loop = asyncio.get_running_loop()
        asking = loop.create_future()

        def work() -> None:
            try:
                found, failure = self._ask(*name), None
            except OSError as problem:
                found, failure = [], problem
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(self._answered, name, found, failure)

        try:
            threading.Thread(target=work, name=f"name {name[0]}", daemon=True).start()
        except RuntimeError as none_left:
            raise OSError(None, str(none_left)) from none_left
        self._asking[name] = asking
        return asking

    def _answered(self, name: Name, found: list[ResolveResult], failure: OSError | None) -> None:
        asking = self._asking.pop(name)
        if found:
            self._known[name] = _Known(found, monotonic() + self._keep)
            if len(self._known) > MOST_NAMES:
                self._known.popitem(last=False)
            asking.set_result(found)
        else:
            asking.set_exception(failure or OSError(None, f"{name[0]} has no address"))
            asking.exception()  # whoever waited long enough has been told

    async def close(self) -> None:
        """Threads that still ask end with the process."""
