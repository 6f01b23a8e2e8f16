"""What the pure part of the sidecar needs of the world, as small protocols. The adapters stand behind them.

A pure module never opens a socket, reads a file, asks the time or draws a random number except through a port.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from proxy.errors import BackendConnectionFailure, BackendTimeout, BodyTooLarge, GatewayError
from proxy.messages import Body, Headers, Response, Url
from proxy.tokens.keys import KeySet
from telemetry.records import EventRecord, Row

if TYPE_CHECKING:
    from proxy.config.resources import Connection
    from proxy.pipeline.backends import Circuit
    from proxy.pipeline.service_fabric import Resolved


@dataclass(slots=True, frozen=True)
class ClientIdentity:
    """What we show of ourselves in a TLS handshake: certificate, chain and private key as PEM.

    `name` is the SHA-256 of them all: equal identities share connections.
    """

    name: str
    pem: bytes = field(repr=False)


@dataclass(slots=True, frozen=True)
class HttpProxy:
    """An HTTP proxy on the way. `authorization` is what it wants to see in Proxy-Authorization, empty for nothing."""

    scheme: str
    host: str
    port: int
    authorization: str = field(default="", repr=False)
    screened: bool = False  # an expression chose it, so it may not be everywhere


@dataclass(slots=True)
class Outgoing:
    """One request to a backend. `timeout` in seconds covers sending and the response head.

    `guarded`: a policy chose where it goes (send-request, OpenID metadata), so it may not go everywhere: see
    proxy/adapters/reach.py. `screened`: it is the forwarded request, and an expression or a redirect chose.
    `private` are names in lower case of headers that are for the first host alone, wherever it redirects.
    """

    method: str
    url: Url
    headers: Headers
    body: Body
    timeout: float = 300.0
    continue_timeout: float | None = None
    follow_redirects: bool = False
    http_version: str = "1.1"
    verify_tls: bool = True
    verify_name: bool = True
    identity: ClientIdentity | None = None
    guarded: bool = False
    screened: bool = False
    private: frozenset[str] = frozenset()
    proxy: HttpProxy | None = None
    # SHA-1 thumbprints, upper-case hex: then the server's certificate must be one of these, and nothing else is checked
    thumbprints: frozenset[str] = frozenset()
    # told of informational answers (1xx) but 100 and 101, on the event loop
    inform: Callable[[int, Headers], None] | None = None


class Transport(Protocol):
    async def send(self, request: Outgoing) -> Response:
        """The response head, with a streaming body. Raises BackendConnectionFailure or BackendTimeout."""
        ...


async def whole_answer(transport: Transport, request: Outgoing) -> Response:
    """The whole answer, body included, within the timeout. Raises as `send` does."""
    response: Response | None = None
    try:
        async with asyncio.timeout(request.timeout):
            response = await transport.send(request)
            await response.body.read()
    except TimeoutError as late:
        raise BackendTimeout(f"The request did not complete within {request.timeout:g} seconds.") from late
    except BodyTooLarge as large:
        raise BackendConnectionFailure(f"The answer is larger than {Body.most} bytes.") from large
    finally:
        if response is not None and not response.body.buffered:
            await response.body.discard()
    return response


@dataclass(slots=True)  # not frozen, which would cost more than the look itself
class Reading:
    """A counter after a look or an increment. `count` is calls in the window; `reset_after` seconds until one frees."""

    count: int
    reset_after: float


class Want(NamedTuple):
    """What a call asks of a counter: to be counted `increment` times, unless fewer than `room` are left of
    `limit`."""

    key: str
    period: float
    limit: int
    increment: int = 1
    room: int = 1


class Counters(Protocol):
    """Sliding-window counters by name; they outlive configurations. Never waits: shared ones merge in the back."""

    def peek(self, key: str, period: float) -> Reading: ...

    def add(self, key: str, period: float, increment: int = 1) -> Reading: ...

    def take(self, key: str, period: float, limit: int, increment: int = 1) -> Reading:
        """Add unless the limit is reached, with nobody between; the reading from before."""
        ...

    def claim(self, wants: Sequence[Want]) -> list[Reading]:
        """Add to all of them, or to none when one has too little room; the readings from before."""
        ...


@dataclass(slots=True)  # not frozen, for the same reason
class Usage:
    """A quota's counter in its present window. `renews_after`: seconds until the next one; None: never."""

    calls: int
    bytes: int
    renews_after: float | None


class QuotaWant(NamedTuple):
    """What a call asks of a quota: to be counted `increment` times, unless fewer than `room` of `calls`, or none of
    `bytes`, are left; None is no limit."""

    key: str
    start: float
    period: int
    calls: int | None
    bytes: int | None
    increment: int = 1
    room: int = 1

    def exceeded(self, usage: Usage) -> bool:
        if self.calls is not None and usage.calls + self.room > self.calls:
            return True
        return self.bytes is not None and usage.bytes >= self.bytes


class Quotas(Protocol):
    """Fixed-window counters by name; they outlive configurations. Windows of `period` seconds (0: one without an end)
    follow each other from `start`, Unix seconds."""

    def now(self) -> float:
        """The Unix time by which windows are judged: the clock may be set meanwhile, and moves none."""
        ...

    def usage(self, key: str, start: float, period: int) -> Usage: ...

    def add(self, key: str, start: float, period: int, calls: int, size: int) -> None:
        """Count calls and bytes."""
        ...

    def claim(self, wants: Sequence[QuotaWant]) -> list[Usage]:
        """Count in all of them, or in none when one is exceeded; the usages from before."""
        ...


class Places(dict[str, int]):
    """Requests of this process inside limit-concurrency, by key; a key without any is not in it."""

    def enter(self, name: str, maximum: int) -> int:
        """Take a place, unless so many are taken; how many were, before."""
        inside = self.get(name, 0)
        if inside < maximum:
            self[name] = inside + 1
        return inside

    def leave(self, name: str) -> None:
        inside = self[name] - 1
        if inside:
            self[name] = inside
        else:
            del self[name]


class Cache(Protocol):
    """Bytes by key, for a time. Never fails: a cache in trouble answers None or False, and soon."""

    async def get(self, key: str) -> bytes | None: ...

    async def put(self, key: str, value: bytes, seconds: float) -> bool:
        """False when the value is not kept."""
        ...

    async def remove(self, key: str) -> bool:
        """True once the key is certainly gone, also when it was not there."""
        ...


class Clock(Protocol):
    def monotonic(self) -> float: ...

    def utcnow(self) -> datetime.datetime: ...

    async def sleep(self, seconds: float) -> None: ...

    def random(self) -> float:
        """0 <= x < 1; also a port, so that retry back-off can be tested."""
        ...

    def entropy(self, size: int) -> bytes:
        """`size` bytes that nobody can guess: keys and nonces that expressions draw."""
        ...


class Keys(Protocol):
    """The signing keys that OpenID providers publish, by the URL of their metadata."""

    def held(self, url: str) -> KeySet | None:
        """What is known, at once; what is old or not known yet is fetched in the back."""
        ...

    async def keys(self, url: str, unknown: str = "") -> KeySet | None:
        """What is held, or else fetched; with `unknown`, the name of a key that is not held, fetched once more if that
        is due. None when there is nothing to be had."""
        ...

    def prefetch(self, urls: Iterable[str]) -> None:
        """Fetch in the back what a configuration will need."""
        ...


class Tokens(Protocol):
    """Access tokens of this gateway's own identity."""

    async def token(self, resource: str, client_id: str = "") -> str:
        """A token for a resource (an App ID URI); raises GatewayError. Without `client_id`, of the default identity."""
        ...


@dataclass(slots=True, frozen=True)
class Grant:
    """An access token of somebody else's service; `claims` is what came with it."""

    token: str = field(repr=False)
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)


class Grants(Protocol):
    """Access tokens of connections to credential providers."""

    async def grant(self, connection: Connection) -> Grant:
        """What is held, or else fetched; raises GatewayError."""
        ...


class Journal(Protocol):
    def append(self, record: Row) -> None:
        """Take the values of a RequestRecord, in its order."""
        ...

    def event(self, event: EventRecord) -> bool:
        """Take what a policy wants said; False when too much waits, and then it is dropped."""
        ...


DAPR = Url("http", "localhost", 3500, "")  # where its runtime listens unless told otherwise

Authorize = Callable[[], Awaitable[str]]


class Errands(Protocol):
    """Requests that nobody waits for."""

    def run(self, request: Outgoing, authorize: Authorize | None = None) -> bool:
        """Take a request with a buffered body; False when too many are in flight, and then it is dropped.

        `authorize` gives the value of its Authorization header, in the background too.
        """
        ...


class NoErrands:
    """For a process that runs no errands: every request is dropped."""

    def run(self, request: Outgoing, authorize: Authorize | None = None) -> bool:
        return False


class _Nobody:
    """Stands behind ports that nothing was wired to."""

    def held(self, url: str) -> KeySet | None:
        return None

    async def keys(self, url: str, unknown: str = "") -> KeySet | None:
        return None

    def prefetch(self, urls: Iterable[str]) -> None:
        return None

    async def token(self, resource: str, client_id: str = "") -> str:
        raise GatewayError("This gateway has no identity.", reason="ManagedIdentityFailure")

    async def grant(self, connection: Connection) -> Grant:
        raise GatewayError("This process fetches no tokens.", reason="AuthorizationFailure")


@dataclass(slots=True, frozen=True)
class Ports:
    """Everything a policy may reach, in one hand.

    `in_flight` counts the requests inside limit-concurrency. `circuits` is what is remembered of backends by name:
    failures, open circuit breakers, whose turn it is in a pool; `resolved` is where partitions of Service Fabric
    services are. `dapr` is where the Dapr runtime beside this sidecar listens; `service_bus` is the namespace for
    documents that name none. `waits`: counters and quotas may wait for a server, so that policies must run where they
    can.
    """

    transport: Transport
    counters: Counters
    clock: Clock
    journal: Journal
    cache: Cache
    quotas: Quotas
    external_cache: Cache | None = None
    errands: Errands = field(default_factory=NoErrands)
    in_flight: Places = field(default_factory=Places)
    circuits: dict[str, Circuit] = field(default_factory=dict)
    resolved: dict[str, Resolved] = field(default_factory=dict)
    keys: Keys = field(default_factory=_Nobody)
    tokens: Tokens = field(default_factory=_Nobody)
    grants: Grants = field(default_factory=_Nobody)
    dapr: Url = DAPR
    service_bus: str = ""
    waits: bool = False
