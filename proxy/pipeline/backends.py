"""Which backend of a pool is called, and whether a circuit breaker lets it be called.

Rules
1. A pool is asked at each attempt: a backend whose circuit is open is passed over; among the rest those with the
   lowest priority number take turns in proportion to their weights.
2. A client whose cookie names a backend of a pool with session affinity gets that one, unless its circuit is open.
3. A breaker opens when a rule's failures within its interval reach its count, or its percentage of the calls; it
   closes when the trip duration is over, and counts anew.
4. What is remembered is kept under the backends' names, in `Ports.circuits`, and outlives configurations.
"""

from __future__ import annotations

import datetime
import hashlib
import math
import re
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

from proxy.errors import GatewayError, PolicyRefused
from proxy.messages import DEFAULT_PORTS, SCHEME_NAMES, Headers, Response, Url

if TYPE_CHECKING:
    from proxy.config.resources import Backend, BreakerRule, PoolMember
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element
    from proxy.ports import Clock, Outgoing

_USER = re.compile(r"(?<=//)[^/?#@]*@")  # of a URL; not for messages
MAX_KEPT = 10_000  # calls or failures that one rule remembers
MAX_TRIP = 24 * 3600.0  # seconds that a Retry-After may ask for


@dataclass(slots=True)
class Circuit:
    """What is remembered of one backend, or of one pool: `turns` are the standings of its members."""

    open_until: float = 0.0
    failures: dict[str, deque[float]] = field(default_factory=dict)
    calls: dict[str, deque[float]] = field(default_factory=dict)
    turns: dict[str, float] = field(default_factory=dict)


def named_backend(element: Element, attribute: str, compiler: Compiler) -> Callable[[Exchange], Backend]:
    """The backend entity that an attribute names; raises GatewayError when there is none of that name."""
    name = element.string(attribute)
    if name.constant:
        known = compiler.backend(element, name.value) if name.value else None
        backends = {name.value: known} if known is not None else {}
    else:
        backends = dict(compiler.any_backend())

    def find(exchange: Exchange) -> Backend:
        wanted = name.get(exchange)
        found = backends.get(wanted)
        if found is None:
            raise GatewayError(f"Backend with id '{wanted}' could not be found.", reason="BackendNotFound")
        return found

    return find


def chosen(exchange: Exchange, backend: Backend) -> Backend:
    """The backend to call: itself, or a member of the pool. Raises PolicyRefused while its circuit is open."""
    if not backend.pool:
        wait = _open_for(exchange, backend)
        if wait > 0:
            raise _refused(f"The circuit breaker of backend '{backend.id}' is open.", wait)
        return backend
    waits = {member.backend.id: _open_for(exchange, member.backend) for member in backend.pool}
    ready = [member for member in backend.pool if waits[member.backend.id] <= 0]
    if not ready:
        raise _refused(f"All backends of pool '{backend.id}' have open circuit breakers.", min(waits.values()))
    if backend.affinity:
        wanted = _cookie(exchange.request.headers, backend.affinity)
        for member in ready:
            if wanted == session_of(backend.id, member.backend.id):
                return member.backend
    first = min(member.priority for member in ready)
    return _in_turn(exchange, backend.id, [member for member in ready if member.priority == first])


def _in_turn(exchange: Exchange, pool: str, members: list[PoolMember]) -> Backend:
    """Smooth weighted round robin: over a cycle each has as many turns as its weight, evenly spread."""
    turns = exchange.ports.circuits.setdefault(pool, Circuit()).turns
    for member in members:
        turns[member.backend.id] = turns.get(member.backend.id, 0.0) + member.weight
    best = max(members, key=lambda member: turns[member.backend.id])
    turns[best.backend.id] -= sum(member.weight for member in members)
    return best.backend


def answered(exchange: Exchange, backend: Backend, response: Response) -> None:
    """Count what a backend answered."""
    for rule in backend.breaker:
        failed = any(low <= response.status <= high for low, high in rule.statuses)
        trip = rule.trip
        if failed and rule.accept_retry_after:
            trip = _retry_after(response.headers, exchange.ports.clock) or trip
        _count(exchange, backend, rule, failed, trip)


def failed(exchange: Exchange, backend: Backend, problem: GatewayError) -> None:
    """Count that a backend did not answer."""
    for rule in backend.breaker:
        _count(exchange, backend, rule, problem.reason.lower() in rule.reasons, rule.trip)


def remember_session(backend: Backend, member: Backend, request: Headers, response: Headers) -> None:
    """Give the client the cookie that leads back to this member, if it does not have it."""
    if backend.affinity:
        session = session_of(backend.id, member.id)
        if _cookie(request, backend.affinity) != session:
            response.add("Set-Cookie", f"{backend.affinity}={session}; Path=/; HttpOnly")


def session_of(pool: str, member: str) -> str:
    return hashlib.sha256(f"{pool}\0{member}".encode()).hexdigest()[:32]


def _open_for(exchange: Exchange, backend: Backend) -> float:
    """Seconds until the circuit closes; 0 when it is closed."""
    if not backend.breaker:
        return 0.0
    circuit = exchange.ports.circuits.get(backend.id)
    return max(circuit.open_until - exchange.ports.clock.monotonic(), 0.0) if circuit else 0.0


def _count(exchange: Exchange, backend: Backend, rule: BreakerRule, failure: bool, trip: float) -> None:
    now = exchange.ports.clock.monotonic()
    circuit = exchange.ports.circuits.setdefault(backend.id, Circuit())
    total = 0
    if rule.percentage:
        calls = circuit.calls.setdefault(rule.name, deque(maxlen=MAX_KEPT))
        calls.append(now)
        total = _forget(calls, now - rule.interval)
    if not failure:
        return
    failures = circuit.failures.setdefault(rule.name, deque(maxlen=MAX_KEPT))
    failures.append(now)
    count = _forget(failures, now - rule.interval)
    if (rule.count and count >= rule.count) or (rule.percentage and count * 100 >= rule.percentage * total):
        circuit.open_until = max(circuit.open_until, now + trip)
        circuit.failures.clear()
        circuit.calls.clear()


def _forget(times: deque[float], before: float) -> int:
    while times and times[0] <= before:
        times.popleft()
    return len(times)


def _retry_after(headers: Headers, clock: Clock) -> float:
    """Seconds of a Retry-After header, a number or a date, which is UTC also where it names no zone; 0 when there is
    none."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), MAX_TRIP)
    try:
        at = parsedate_to_datetime(text)
        seconds = ((at if at.tzinfo else at.replace(tzinfo=datetime.UTC)) - clock.utcnow()).total_seconds()
    except (TypeError, ValueError):
        return 0.0
    return min(max(seconds, 0.0), MAX_TRIP)


def _cookie(headers: Headers, name: str) -> str:
    parts: Iterable[str] = (part for line in headers.getall("Cookie", ()) for part in line.split(";"))
    for part in parts:
        key, _, value = part.strip().partition("=")
        if key == name:
            return value
    return ""


def _refused(message: str, wait: float) -> PolicyRefused:
    seconds = str(max(1, math.ceil(wait)))
    return PolicyRefused(
        503, "Service Unavailable", "CircuitBreakerOpen", message, (("Retry-After", seconds),), "Service unavailable"
    )


async def authorized(exchange: Exchange, backend: Backend, outgoing: Outgoing) -> None:
    """Add the token of the gateway's own identity, where the backend entity asks for one and has no other credentials;
    raises GatewayError."""
    resource, client = backend.managed_identity
    if resource and not backend.authorization:
        outgoing.headers["Authorization"] = f"Bearer {await exchange.ports.tokens.token(resource, client)}"


def with_credentials(backend: Backend, outgoing: Outgoing) -> Outgoing:
    """The call with what the backend entity adds to each: headers, query, Authorization, client certificate."""
    for name, values in backend.headers.items():
        outgoing.headers.popall(name, None)
        outgoing.headers.extend((name, value) for value in values)
    if backend.authorization:
        outgoing.headers["Authorization"] = backend.authorization
    if backend.query:
        pairs = [(name, value) for name, values in backend.query.items() for value in values]
        added, query = urlencode(pairs, quote_via=quote), outgoing.url.query
        outgoing.url = replace(outgoing.url, query=f"{query}&{added}" if query else added)
    outgoing.verify_tls, outgoing.verify_name = backend.validate_certificate_chain, backend.validate_certificate_name
    outgoing.identity = backend.identity
    outgoing.proxy = backend.proxy
    return outgoing


@lru_cache(maxsize=1024)
def parse_base(text: str) -> Url:
    """An absolute base URL. Raises ValueError."""
    parts = urlsplit(text.strip())
    scheme = SCHEME_NAMES.get(parts.scheme, parts.scheme)
    if scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ValueError(
            f"{_USER.sub('', text)!r} is not an absolute URL. Write one such as https://backend.example/api."
        )
    port = parts.port or DEFAULT_PORTS[scheme]
    return Url(scheme, parts.hostname, port, quote(parts.path, safe="/%:@!$&'()*+,;=-._~"), parts.query)
