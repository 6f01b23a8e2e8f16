"""The Transport port over connections of our own: aiohttp's connector opens them, llhttp reads them, the rest is here.

Rules
1. The URL goes on the wire as it is; no second reading of it, no redirects unless asked, no cookies, no inflating.
2. A body streams both ways with backpressure; a response that is already there becomes bytes at once.
3. When a pooled connection died, an idempotent request whose body can be sent again is tried once more on a new one.
   Any other gets a pooled connection only when the backend has not closed it, as far as this host has heard.
4. A connection goes back to its pool only when both messages are complete; anything else closes it. The last one used
   is the first one taken, so that what is not needed idles out.
5. What a policy calls goes only where `Reach` allows (`Outgoing.guarded`), over connections of its own, and so does a
   request that an expression or a redirect leads somewhere (`screened`). A redirect to another server takes no secrets.
6. Whatever goes wrong is BackendTimeout or BackendConnectionFailure, or the client's own failure while uploading.
7. One sweep watches all deadlines; a timer of its own has only what may not last that long.
"""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import re
import ssl
from collections.abc import Iterable
from time import monotonic
from urllib.parse import urljoin

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from proxy.adapters.backend import BackendConnection, Interim
from proxy.adapters.destination import Destination
from proxy.adapters.dialling import Dialler, check_thumbprint, is_screened
from proxy.adapters.fields import end_to_end, name_of, value_of
from proxy.adapters.forward_proxy import DIAL_TIMEOUTS, ProxyingConnector
from proxy.adapters.heads import request_head
from proxy.adapters.http2.backend import Http2Backends
from proxy.adapters.identities import Identities
from proxy.adapters.names import LastingResolver
from proxy.adapters.outbox import Outbox
from proxy.adapters.reach import Reach, ScreenedResolver
from proxy.adapters.streams import Download, drop, upload
from proxy.adapters.trust import NOTHING, Trust, check_of
from proxy.adapters.tunnel import TunnelBody, accepts
from proxy.errors import BackendConnectionFailure, BackendTimeout, Overloaded
from proxy.messages import Body, Headers, HeadOnly, Response, Url
from proxy.ports import HttpProxy, Outgoing

POOL_IDLE = 15.0  # seconds a connection may idle in the pool: shorter than most servers keep theirs
SWEEP = 0.25  # seconds between two looks at the deadlines
FAREWELL = 0.5  # seconds for connections to end in order when all of them do
MAX_REDIRECTS = 10
_SECURED = frozenset({"https", "wss"})
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
# What a name of a header may have in it whose value is for one server alone.
_SECRET = re.compile(r"auth|cookie|token|key|secret|passw|credential|session|signature|cert|jwt", re.IGNORECASE)
_OF_A_BODY = ("Content-Type", "Content-Encoding", "Content-Language", "Content-Length", "Content-MD5")
_BROKEN = (aiohttp.ClientError, HttpProcessingError, OSError, EOFError)
_GONE = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError)

PoolName = tuple[str, str, int, str, str, HttpProxy | None, bool]


class HttpTransport:
    """Sends requests to backends. Made on the running loop."""

    def __init__(
        self,
        reach: Reach | None = None,
        trust: Trust | None = None,
        names: LastingResolver | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._outbox = Outbox(self._loop)
        reach, names = reach or Reach(), names or LastingResolver()
        self._connector = ProxyingConnector(names)
        self._screened = ProxyingConnector(ScreenedResolver(reach, names))
        self._trust = trust or Trust()
        self._identities = Identities(self._trust)
        self._destinations: dict[PoolName, Destination] = {}
        self._pools: dict[PoolName, list[BackendConnection]] = {}
        self._connections: set[BackendConnection] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._dialler = Dialler(reach, self._identities, names)
        self._http2 = Http2Backends(self._dialler)

    async def close(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._pools.clear()
        closed = [connection.closed for connection in self._connections if connection.transport is not None]
        for connection in list(self._connections):
            connection.close()
        self._connections.clear()
        if waited := [each for each in closed if each is not None]:
            await asyncio.wait(waited, timeout=FAREWELL)
        await self._connector.close()
        await self._screened.close()
        await self._http2.close()

    def believe(self, authorities: Iterable[bytes]) -> None:
        """Trust these authorities of the plane (DER) and no others of it, from the next connection on."""
        if not self._trust.use(authorities):
            return
        self._identities.forget()
        self._destinations.clear()
        self._http2.renew()
        for pool in list(self._pools.values()):
            for connection in list(pool):
                connection.retire()

    async def send(self, request: Outgoing) -> Response:
        if request.follow_redirects:
            request.follow_redirects = False
            return await self._follow(request, await self.send(request))
        if request.http_version != "1.1" and (answer := await self._send_http2(request)) is not None:
            return answer
        name = self._name(request)
        again = request.method in _IDEMPOTENT and request.body.buffered
        connection = self._pooled(name, careful=not again)
        deadline = monotonic() + request.timeout
        while True:
            pooled = connection is not None
            if connection is None:
                connection = await self._open(request, name, deadline)
            sending: asyncio.Task[None] | None = None
            try:
                if request.thumbprints:
                    check_thumbprint(connection.transport, request.thumbprints)
                sending = self._begin(request, connection, deadline)
                while not connection.headed:
                    if connection.failure is not None:
                        raise connection.failure
                    await connection.bell
                if connection.failure is not None and not connection.complete:
                    raise connection.failure  # found behind the head, and before anybody was told of that
                return self._response(request, connection, name, sending)
            except _GONE as broken:
                drop(sending)
                connection.close()
                if not (pooled and again):
                    raise BackendConnectionFailure(f"The backend closed the connection: {_text(broken)}") from broken
                connection = None  # others of the pool may be as dead
            except BaseException as failure:
                drop(sending)
                connection.close()
                if isinstance(failure, TimeoutError):
                    raise _late(request) from failure
                raise

    async def _follow(self, request: Outgoing, response: Response) -> Response:
        try:
            async with asyncio.timeout(request.timeout):
                return await self._followed(request, response)
        except TimeoutError as late:
            raise _late(request) from late

    async def _followed(self, request: Outgoing, response: Response) -> Response:
        for _ in range(MAX_REDIRECTS):
            location = response.headers.get("Location")
            if response.status not in (301, 302, 303, 307, 308) or not location:
                return response
            keeps = response.status in (307, 308)
            if keeps and not request.body.buffered:
                return response
            url = _redirected(request.url, location)
            if url is None:
                return response
            await response.body.discard()
            method = request.method if keeps or request.method in ("GET", "HEAD") else "GET"
            body = request.body if keeps else Body()
            following = dataclasses.replace(request, method=method, url=url, body=body, continue_timeout=None)
            if not _same_server(request.url, url):
                _leave(following)
            elif not keeps:
                following.headers = Headers(request.headers)
            if not keeps and method == "GET":
                for name in _OF_A_BODY:
                    following.headers.popall(name, None)
            request = following
            response = await self.send(request)
        return response

    async def _send_http2(self, request: Outgoing) -> Response | None:
        """The answer over HTTP/2; None where only HTTP/1.1 is to be had."""
        try:
            async with asyncio.timeout(request.timeout):
                return await self._http2.send(request)
        except TimeoutError as late:
            raise _late(request) from late

    # connections

    def _name(self, request: Outgoing) -> PoolName:
        url, identity = request.url, request.identity
        name = identity.name if identity is not None else ""
        check = check_of(request) if url.scheme in _SECURED else NOTHING
        return (url.scheme, url.host, url.port, check, name, request.proxy, request.guarded or request.screened)

    def _pooled(self, name: PoolName, careful: bool) -> BackendConnection | None:
        pool = self._pools.get(name)
        while pool:
            connection = pool.pop()
            connection.pool = None
            usable = connection.transport is not None and connection.failure is None
            if usable and not (careful and connection.ended()):
                return connection
            connection.close()
        return None

    def _keep(self, connection: BackendConnection, name: PoolName) -> None:
        pool = self._pools.get(name)
        if pool is None:
            pool = self._pools[name] = []
        pool.append(connection)
        connection.pool, connection.since = pool, monotonic()

    async def _open(self, request: Outgoing, name: PoolName, deadline: float) -> BackendConnection:
        url = request.url
        connector = self._screened if is_screened(request) else self._connector
        destination = await self._destination(request, name)
        try:
            async with asyncio.timeout(max(deadline - monotonic(), 0)) as limit:
                connection = await connector.connect_to(destination)
        except TimeoutError as late:
            if limit.expired():
                raise _late(request) from late
            raise BackendConnectionFailure(
                f"No connection to {url.authority} within {DIAL_TIMEOUTS.sock_connect:g} s."
            ) from late
        except _BROKEN as refused:
            if isinstance(refused, OSError) and refused.errno in (errno.EMFILE, errno.ENFILE):
                raise Overloaded(f"no descriptor is left for a connection to {url.authority}") from refused
            raise BackendConnectionFailure(f"No connection to {url.authority}: {_text(refused)}") from refused
        self._connections.add(connection)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(SWEEP, self._sweep)
        return connection

    async def _destination(self, request: Outgoing, name: PoolName) -> Destination:
        url, identity, proxy = request.url, request.identity, request.proxy
        objection = self._dialler.objection(request)
        if objection:
            raise BackendConnectionFailure(objection)
        destination = self._destinations.get(name)
        if destination is not None:
            return destination
        if len(self._destinations) >= 4096:
            self._destinations.clear()
        tls: ssl.SSLContext | bool = True
        if url.scheme in ("https", "wss"):
            try:
                tls = await self._identities.context(identity, check_of(request))
            except ValueError as wrong:
                raise BackendConnectionFailure(f"The client certificate cannot be used: {wrong}.") from wrong
        try:
            destination = Destination.of(url, tls)
            if proxy is not None:
                destination = destination.through(proxy, url.scheme)
        except ValueError as wrong:
            raise BackendConnectionFailure(f"The backend address '{url.authority}' is not valid.") from wrong
        self._destinations[name] = destination
        return destination

    def _sweep(self) -> None:
        """Give up what is late, and close what idles."""
        now = monotonic()
        for connection in list(self._connections):
            if connection.transport is None:
                self._connections.discard(connection)
            elif connection.asked:
                if connection.deadline and now > connection.deadline and not connection.headed:
                    connection.fail(TimeoutError())
            elif not connection.tunnelled and now - connection.since > POOL_IDLE:
                connection.retire()
        for name in [name for name, pool in self._pools.items() if not pool]:
            del self._pools[name]
        self._sweeper = self._loop.call_later(SWEEP, self._sweep) if self._connections else None

    # one exchange

    def _begin(self, request: Outgoing, connection: BackendConnection, deadline: float) -> asyncio.Task[None] | None:
        """Send the request; answers the task that goes on with its body, if that is not all."""
        upgrade = request.url.scheme in ("ws", "wss")
        body, head_only = request.body, request.method == "HEAD"
        waits = request.continue_timeout is not None and not body.empty
        head = request_head(request, upgrade, waits)
        if request.timeout < 4 * SWEEP:
            timer = self._loop.call_later(max(deadline - monotonic(), 0), connection.late)
            connection.timer = timer
        if body.buffered and not waits:
            content = body.content()
            connection.send(head + content if content else head, head_only, deadline, self._outbox)
            if request.inform is not None:
                connection.interim = request.inform
            return None
        go = asyncio.Event() if waits else None
        connection.send(head, head_only, deadline)
        connection.interim = Interim(go, request.inform)
        sending = asyncio.create_task(upload(connection, body, go, request.continue_timeout))
        sending.add_done_callback(connection.uploaded)
        return sending

    def _response(
        self,
        request: Outgoing,
        connection: BackendConnection,
        pool: PoolName,
        sending: asyncio.Task[None] | None,
    ) -> Response:
        """The response whose head is there."""
        status = connection.status
        reason, headers, length = connection.reason, end_to_end(connection.fields), connection.length
        if status == 101:
            drop(sending)
            body: Body = _tunnel(request, connection)
        elif connection.complete:
            content, trailers = connection.content(), connection.trailers
            self._finish(connection, pool, sending)
            if not content and length and (status == 304 or request.method == "HEAD"):
                body = HeadOnly(length)
            else:
                body = Body(content)
            if trailers:
                body.trailers = end_to_end(trailers)
        else:
            behind = Headers() if length is None else None
            rest = Download(connection, behind, sending, lambda: self._finish(connection, pool, sending))
            body = Body(None, rest, length, behind)
        return Response(status, reason, headers, body)

    def _finish(self, connection: BackendConnection, name: PoolName, sending: asyncio.Task[None] | None) -> None:
        """The response is complete: pool the connection, unless the request is not."""
        if sending is not None and not (sending.done() and not sending.cancelled() and sending.exception() is None):
            sending.cancel()
            connection.close()
        elif connection.finish():
            self._keep(connection, name)


def _tunnel(request: Outgoing, connection: BackendConnection) -> TunnelBody:
    if request.url.scheme not in ("ws", "wss") or not connection.tunnelled:
        raise BackendConnectionFailure("The backend switched protocols without being asked.")
    handshake = Headers((name_of(name).text, value_of(value)) for name, value in connection.fields)
    if not accepts(request.headers, handshake):
        raise BackendConnectionFailure("The backend's WebSocket handshake is not valid.")
    return TunnelBody(connection)


def _late(request: Outgoing) -> BackendTimeout:
    return BackendTimeout(f"The backend did not answer within {request.timeout:g} seconds.")


def _redirected(url: Url, location: str) -> Url | None:
    """Where a Location leads, written as it may stand on the wire; None when that is no place to call."""
    try:
        found = Url.parse(urljoin(str(url), location))
    except ValueError:
        return None
    return found if found is not None and found.scheme in ("http", "https") else None


def _same_server(old: Url, new: Url) -> bool:
    """Whether what the one may know is for the other too: the same origin, or the same name, now with TLS."""
    if old.host.lower() != new.host.lower():
        return False
    upgraded = (old.scheme, old.port, new.scheme, new.port) == ("http", 80, "https", 443)
    return upgraded or (old.scheme, old.port) == (new.scheme, new.port)


def _leave(request: Outgoing) -> None:
    """Make it one for a server that an answer has named: nothing that was meant for the first, and not everywhere."""
    headers = Headers(request.headers)
    for name in {each for each in headers if each.lower() in request.private or _SECRET.search(each)} | {"Host"}:
        headers.popall(name, None)
    request.headers, request.identity, request.thumbprints = headers, None, frozenset()
    request.verify_tls, request.screened = True, True


def _text(problem: BaseException) -> str:
    return str(problem) or type(problem).__name__
