"""What the pure part of the sidecar needs of the world, as small protocols. The adapters stand behind them.

A pure module never opens a socket, reads a file, asks the time or draws a random number except through a port.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Protocol

from proxy.messages import Body, Headers, Response, Url
from telemetry.records import RequestRecord


@dataclass(slots=True)
class Outgoing:
    """One request to a backend. `timeout` in seconds covers sending and the response head.

    `by_policy`: a policy chose where it goes (send-request and its like), so it may not go everywhere.
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
    by_policy: bool = False


class Transport(Protocol):
    async def send(self, request: Outgoing) -> Response:
        """The response head, with a streaming body. Raises BackendConnectionFailure or BackendTimeout."""
        ...


@dataclass(slots=True, frozen=True)
class Reading:
    """A counter after a look or an increment. `count` is calls in the window; `reset_after` seconds until one frees."""

    count: int
    reset_after: float


class Counters(Protocol):
    """Sliding-window counters by name; they outlive configurations. Never waits: shared ones merge in the back."""

    def peek(self, key: str, period: float) -> Reading: ...

    def add(self, key: str, period: float, increment: int = 1) -> Reading: ...


@dataclass(slots=True, frozen=True)
class Usage:
    """A quota's counter in its present window. `renews_after`: seconds until the next one; None: never."""

    calls: int
    bytes: int
    renews_after: float | None


class Quotas(Protocol):
    """Fixed-window counters by name; they outlive configurations. Windows of `period` seconds (0: one without an end)
    follow each other from `start`, Unix seconds."""

    def usage(self, key: str, start: float, period: int) -> Usage: ...

    def add(self, key: str, start: float, period: int, calls: int, size: int) -> None:
        """Count calls and bytes."""
        ...


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


class Journal(Protocol):
    def append(self, record: RequestRecord) -> None: ...


class Errands(Protocol):
    """Requests that nobody waits for."""

    def run(self, request: Outgoing) -> bool:
        """Take a request with a buffered body; False when too many are in flight, and then it is dropped."""
        ...


class NoErrands:
    """For a process that runs no errands: every request is dropped."""

    def run(self, request: Outgoing) -> bool:
        return False


@dataclass(slots=True, frozen=True)
class Ports:
    """Everything a policy may reach, in one hand.

    `in_flight` counts, by key, the requests inside limit-concurrency; a key without any is not in it.
    """

    transport: Transport
    counters: Counters
    clock: Clock
    journal: Journal
    cache: Cache
    quotas: Quotas
    external_cache: Cache | None = None
    errands: Errands = field(default_factory=NoErrands)
    in_flight: dict[str, int] = field(default_factory=dict)
