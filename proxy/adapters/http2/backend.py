"""Requests to backends over HTTP/2: few connections per origin, many streams on each.

Rules
1. Over https ALPN decides. A backend that chose HTTP/1.1 is remembered for REMEMBERED seconds, during which requests
   that may fall back do so at once. Over http HTTP/2 is spoken only to who is known to speak it (`http_version` "2").
2. Origins are told apart by all that makes a connection: address, certificate checks, client certificate, proxy, and
   who chose the address. At most MOST_CONNECTIONS each; then calls wait for room, as long as their timeout lets them.
3. A refused request is made anew, and one whose connection was lost once if it is idempotent; both only if its body can
   be sent again.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from dataclasses import dataclass, field

import aiohttp

from proxy.adapters.dialling import Dialler
from proxy.adapters.http2.call import MOST_STREAMS, BackendLink, Lost, Refused
from proxy.adapters.trust import check_of
from proxy.errors import BackendConnectionFailure, GatewayError
from proxy.messages import Response
from proxy.ports import Outgoing

MOST_CONNECTIONS = 8
MOST_ORIGINS = 4096
REMEMBERED = 300.0
ATTEMPTS = 3
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})


class _OldBackend(Exception):
    """ALPN chose HTTP/1.1."""


@dataclass(slots=True)
class _Origin:
    links: list[BackendLink] = field(default_factory=list)
    dialling: asyncio.Task[BackendLink] | None = None
    old_until: float = 0.0  # by the loop's clock: it speaks HTTP/1.1 only


class Http2Backends:
    """Made on the running loop."""

    def __init__(self, dialler: Dialler) -> None:
        self._dialler = dialler
        self._origins: dict[tuple[object, ...], _Origin] = {}

    async def close(self) -> None:
        for origin in self._origins.values():
            if origin.dialling is not None:
                origin.dialling.cancel()
            for link in origin.links:
                link.leave()
                link.abort()
        await self._dialler.close()

    def renew(self) -> None:
        """Take new connections for calls to come."""
        for origin in self._origins.values():
            for link in origin.links:
                link.leaving = True

    async def send(self, request: Outgoing) -> Response | None:
        """The response head, with a streaming body; None when this request goes over HTTP/1.1. Raises as the
        transport."""
        url = request.url
        if url.scheme not in ("http", "https") or (request.http_version == "2or1" and url.scheme == "http"):
            return None
        objection = self._dialler.objection(request)
        if objection:
            raise BackendConnectionFailure(objection)
        origin = self._origin(request)
        body, attempt = request.body, 0
        whole = body.buffered
        while True:
            attempt += 1
            try:
                link = await self._link(origin, request)
            except _OldBackend:
                if request.http_version == "2or1":
                    return None
                told = f"{url.authority} speaks HTTP/1.1 only, and HTTP/2 is asked of it."
                raise BackendConnectionFailure(told) from None
            try:
                return await link.send(request)
            except (Refused, Lost) as failed:
                again = body.buffered == whole and attempt < ATTEMPTS  # a stream that was begun looks buffered
                if isinstance(failed, Lost):
                    again = again and request.method in _IDEMPOTENT and attempt == 1
                if not again:
                    told = str(failed) or "The backend refused the request."
                    raise BackendConnectionFailure(f"No answer from {url.authority}: {told}") from failed

    def _origin(self, request: Outgoing) -> _Origin:
        url, identity = request.url, request.identity
        name = (
            url.scheme, url.host, url.port, check_of(request), request.thumbprints, identity.name if identity else "",
            request.proxy, request.guarded or request.screened,
        )  # fmt: skip
        found = self._origins.get(name)
        if found is None:
            if len(self._origins) >= MOST_ORIGINS:
                self._origins = {key: each for key, each in self._origins.items() if _alive(each)}
            found = self._origins[name] = _Origin()
        return found

    async def _link(self, origin: _Origin, request: Outgoing) -> BackendLink:
        """A connection with room."""
        loop = asyncio.get_running_loop()
        while True:
            if origin.old_until > loop.time():
                raise _OldBackend
            origin.links = [link for link in origin.links if link.transport is not None]
            for link in origin.links:
                if link.room:
                    return link
            taken = [link for link in origin.links if not link.leaving]
            if len(taken) >= MOST_CONNECTIONS and origin.dialling is None:
                waits = [asyncio.ensure_future(link.change()) for link in taken]
                try:
                    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for each in waits:
                        each.cancel()
                continue
            if origin.dialling is None:
                # In a context of its own: the connection is not this request's.
                origin.dialling = asyncio.create_task(self._dial(origin, request), context=Context())
                origin.dialling.add_done_callback(_looked_at)
            try:
                await asyncio.shield(origin.dialling)
            except GatewayError as failed:  # each request has an error of its own
                raise BackendConnectionFailure(failed.message) from failed

    async def _dial(self, origin: _Origin, request: Outgoing) -> BackendLink:
        url = request.url
        try:
            transport, early, chosen = await self._dialler.dial(request)
        except GatewayError:
            raise
        except ValueError as wrong:
            raise BackendConnectionFailure(f"The backend address '{url.authority}' cannot be used: {wrong}.") from wrong
        except TimeoutError as late:
            raise BackendConnectionFailure(f"No connection to {url.authority} in time.") from late
        except (aiohttp.ClientError, OSError, EOFError) as refused:
            told = str(refused) or type(refused).__name__
            raise BackendConnectionFailure(f"No connection to {url.authority}: {told}") from refused
        finally:
            origin.dialling = None
        if url.scheme == "https" and chosen != "h2":
            transport.close()
            origin.old_until = asyncio.get_running_loop().time() + REMEMBERED
            raise _OldBackend
        link = BackendLink(min((each.most for each in origin.links), default=MOST_STREAMS))
        transport.set_protocol(link)
        link.connection_made(transport)
        if early:
            link.data_received(early)
        origin.links.append(link)
        return link


def _alive(origin: _Origin) -> bool:
    return origin.dialling is not None or any(link.transport is not None for link in origin.links)


def _looked_at(dialling: asyncio.Task[BackendLink]) -> None:
    """Who waits for it may be gone."""
    if not dialling.cancelled():
        dialling.exception()
