"""The shell towards clients: listens, hands each request to the lifecycle, says whether it is ready, and drains.

Rules
1. Ready means: a configuration is in force and no end was asked for. Both status paths say the same.
2. Draining: nothing new is accepted, idle connections close, requests in flight may end, and their answers leave, until
   the drain timeout.
3. A port that is taken is an error that names it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from proxy.adapters.connection import Connection
from proxy.adapters.limits import DEFAULTS, Limits
from proxy.adapters.negotiation import Http2Connections, Negotiation
from proxy.adapters.outbox import Outbox
from proxy.adapters.tls import ServerTls
from proxy.lifecycle import Incoming, Outlet, Sidecar, serve

log = logging.getLogger("proxy.server")

STATUS_PATHS = frozenset({"/status-0123456789abcdef", "/internal-status-0123456789abcdef"})
BACKLOG = 1024
SWEEP = 0.5  # seconds between two looks at the deadlines
LAST_TURNS = 20  # of the event loop, for requests that were cancelled to be recorded


CROWDED = 2.0  # seconds that a connection may idle while there is no room for others


class PortTaken(Exception):
    """Somebody else listens there; the message names the address."""


class Server(web.Server):
    """`forwarded_proto`: the proxy in front tells the client's scheme.
    `details` adds to the body of the status paths, e.g. the configuration's version and source."""

    def __init__(
        self,
        sidecar: Sidecar,
        details: Callable[[], Mapping[str, Any]] = dict,
        forwarded_proto: bool = False,
        limits: Limits = DEFAULTS,
    ) -> None:
        super().__init__(_never, handler_cancellation=True)
        self.sidecar = sidecar
        self.limits = limits
        # Clients at a time; while there are more, those are refused and connections end with their answers.
        self.most = limits.connections
        self.turned_away = 0  # of these, the ones that are about to be closed
        self._open: Counter[str] = Counter()  # connections by address, where those are limited
        self._details = details
        self.forwarded_proto = forwarded_proto
        self.outbox = Outbox(self._loop)
        self._listeners: list[asyncio.Server] = []
        self._tls: ServerTls | None = None
        self.http2 = Http2Connections(self)
        self._sweeper: asyncio.Task[None] | None = None
        self.draining = False
        self.address: tuple[str, int] = ("", 0)
        self.tls_address: tuple[str, int] = ("", 0)

    status_paths = STATUS_PATHS

    def __call__(self) -> Connection:
        return Connection(self, self._loop)

    def welcome(self, client: str) -> bool:
        """Count a new connection of this address, which is counted already among all; False for one too many."""
        limits = self.limits
        if limits.per_source:
            self._open[client] += 1
            if self._open[client] > limits.per_source:
                return False
        return len(self._connections) + len(self.http2) - self.turned_away <= self.most

    def farewell(self, client: str) -> None:
        """Forget a connection of this address."""
        if self.limits.per_source:
            self._open[client] -= 1
            if self._open[client] <= 0:
                del self._open[client]

    @property
    def leaving(self) -> bool:
        """Connections end with the answer that they carry."""
        return self.draining or len(self._connections) - self.turned_away >= self.most

    @property
    def patience(self) -> float:
        """Seconds that a connection may idle between two requests. One that is in use is told to close with its next
        answer, rather than closed under a request that is on its way."""
        return (
            self.limits.idle
            if len(self._connections) - self.turned_away < self.most
            else min(CROWDED, self.limits.idle)
        )

    @property
    def ready(self) -> bool:
        return self.sidecar.gateway is not None and not self.draining

    def scheme(self, headers: Mapping[str, str]) -> str:
        """The scheme the client used, as far as we may believe it."""
        if self.forwarded_proto:
            told = headers.get("X-Forwarded-Proto", "").strip().lower()
            if told in ("http", "https"):
                return told
        return "http"

    def status_of(self, path: str) -> tuple[int, bytes] | None:
        """Status and body when this is a status path."""
        if path not in STATUS_PATHS:
            return None
        body = {"status": "ready" if self.ready else "draining" if self.draining else "waiting", **self._details()}
        return (200 if self.ready else 503), json.dumps(body).encode()

    async def serve(self, incoming: Incoming, reply: Outlet) -> None:
        await serve(self.sidecar, incoming, reply)

    async def listen(self, host: str, port: int, shared: bool = False, tls: ServerTls | None = None) -> None:
        """Open a port (0: any free one, see `address` and `tls_address`); `shared` lets other workers open the same
        one. At most one plain port, and one with TLS."""
        setting = "net.server.http.port" if tls is None else "net.server.https.port"
        try:
            sock = _socket(host, port, shared)
        except OSError as problem:
            if problem.errno == errno.EADDRINUSE:
                raise PortTaken(
                    f"{host}:{port} is taken. Stop what listens there, or set {setting} to another port."
                ) from problem
            raise PortTaken(f"Cannot listen on {host}:{port}: {problem.strerror}.") from problem
        if tls is None:
            listener = await self._loop.create_server(self, sock=sock, backlog=BACKLOG)
            self.address = sock.getsockname()[:2]
        else:
            self._tls = tls
            listener = await self._loop.create_server(
                lambda: Negotiation(self, tls),
                sock=sock,
                backlog=BACKLOG,
                ssl=tls.context,
                ssl_handshake_timeout=self.limits.head_deadline,
            )
            self.tls_address = sock.getsockname()[:2]
        self._listeners.append(listener)
        if self._sweeper is None:
            self._sweeper = asyncio.create_task(self._sweep())

    async def drain(self, timeout: float) -> bool:
        """Stop accepting and wait for what is in flight; True when all of it ended within `timeout` seconds."""
        self.draining = True
        for listener in self._listeners:
            listener.close()
        self.http2.leave()
        end = time.monotonic() + timeout
        while True:
            self.outbox.flush()
            unsent = False
            for connection in self.connections:
                if not isinstance(connection, Connection) or connection.transport is None:
                    continue
                if connection.idle:
                    connection.transport.close()
                elif connection.reply is not None:
                    connection.reply.keep = False
                unsent = unsent or connection.transport.get_write_buffer_size() > 0
            if not (self.sidecar.in_flight or unsent):
                await asyncio.sleep(0)
                return True
            if time.monotonic() >= end:
                return False
            await asyncio.sleep(0.02)

    async def close(self) -> None:
        """End at once what is still open."""
        self.draining = True
        for listener in self._listeners:
            listener.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper
        tasks: list[asyncio.Task[None]] = self.http2.cancel()
        for connection in self.connections:
            task = connection._task_handler
            if isinstance(connection, Connection):
                connection.abort()
                connection.cancel()
            if task is not None:
                task.cancel()
                tasks.append(task)
        await asyncio.gather(*tasks, return_exceptions=True)
        for _ in range(LAST_TURNS):
            if self.sidecar.in_flight:
                await asyncio.sleep(0)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            now = self._loop.time() + SWEEP  # what will be late at the next look is ended now
            try:
                for connection in self.connections:
                    if isinstance(connection, Connection):
                        connection.sweep(now)
                self.http2.sweep(now)
                if self._tls is not None:
                    await asyncio.to_thread(self._tls.refresh)
            except Exception:  # deadlines must go on being watched
                log.exception("a look at the connections failed")


async def _never(_: web.BaseRequest) -> web.StreamResponse:
    raise RuntimeError("requests go through Connection.start")


def _socket(host: str, port: int, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock
