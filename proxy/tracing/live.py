"""The trace of a request that asks for one with a debug token: from its first step to the queue towards the plane.

Rules
1. A token that is bad, expired or for another API changes nothing but one response header: no request fails of it.
2. The token is taken off the request before any policy or backend sees it.
3. Until the API is known only the token's signature counts; a token for another API ends the trace there.
4. Finished traces wait in a bounded queue; when nobody takes them, the oldest go.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import orjson
from multidict import istr

from proxy.config.gateway import Gateway
from proxy.exchange import Exchange
from proxy.messages import Headers
from proxy.tracing.credentials import Grant, TokenExpired, TokenInvalid, verify
from proxy.tracing.document import document
from proxy.tracing.mask import Mask
from proxy.tracing.ports import watched
from proxy.tracing.recorder import Recorder

if TYPE_CHECKING:
    from proxy.ports import Ports

log = logging.getLogger("proxy.tracing")

ASKED = istr("Apim-Debug-Authorization")
TRACE_ID = "Apim-Trace-Id"
EXPIRED = "Apim-Debug-Authorization-Expired"
WRONG_API = "Apim-Debug-Authorization-WrongAPI"
INVALID = "Apim-Debug-Authorization-Invalid"
KEPT = 100
LONGEST_VALUE = 1000  # characters of a value in a live trace
LARGEST = 1024 * 1024  # bytes of one trace


class Traces:
    """Finished traces on their way to the agent: (id, JSON). `append` never waits and calls `announce`."""

    def __init__(self, most: int = KEPT) -> None:
        self._waiting: deque[tuple[str, bytes]] = deque(maxlen=most)
        self.announce: Callable[[], None] = _nobody

    def append(self, trace_id: str, trace: bytes) -> None:
        self._waiting.append((trace_id, trace))
        self.announce()

    def take(self) -> list[tuple[str, bytes]]:
        """All that wait, in order; they are gone from here. May be called in another thread than `append`."""
        taken: list[tuple[str, bytes]] = []
        while True:
            try:
                taken.append(self._waiting.popleft())
            except IndexError:
                return taken


def _nobody() -> None:
    return None


class Tracing:
    """The trace of one request. `answer` is the response header that tells the client how its wish was met."""

    def __init__(self, exchange: Exchange, grant: Grant | None, secrets: frozenset[str]) -> None:
        self.trace_id = exchange.request_id.hex
        self.answer = (TRACE_ID, self.trace_id)
        self._grant = grant
        self._mask = Mask(secrets, (ASKED,))
        self._head = (
            exchange.request.method,
            str(exchange.request.original_url),
            list(exchange.request.headers.items()),
        )
        self._ports: Ports = exchange.ports
        self._recorder = Recorder(self._mask, LONGEST_VALUE)

    def attach(self, exchange: Exchange) -> None:
        exchange.watch = self._recorder
        exchange.ports = watched(exchange.ports, self._recorder, exchange)

    def refuse(self, header: str, reason: str) -> None:
        self.answer, self._grant = (header, reason), None

    def settle(self, exchange: Exchange) -> None:
        """The API is known, or it is known that there is none; what a trace of it may not show is learnt."""
        api = exchange.api
        if api is None or self._grant is None:
            return
        if not self._grant.covers(api):
            self.refuse(WRONG_API, f"The debug token is for API '{self._grant.api}'.")
            exchange.watch, exchange.ports = None, self._ports
            return
        for name in (api.key_header, api.key_query):
            if name:
                self._mask.name(name)
        self._mask.url(self._head[1])
        self._mask.headers(self._head[2])
        if subscription := exchange.subscription:
            self._mask.learn(subscription.primary_key)
            self._mask.learn(subscription.secondary_key)

    def announce(self, headers: Headers) -> None:
        name, value = self.answer
        headers[name] = value

    def finish(self, exchange: Exchange, traces: Traces, status: int, received: int, sent: int) -> None:
        """Hand the trace over; never raises, since the request is over."""
        if self._grant is None:
            return
        method, url, headers = self._head
        head = (method, self._mask.url(url), self._mask.headers(headers))
        message = "Response has been sent to the caller in full" if status else "The caller left before the response"
        told = {"message": message, "status": status, "requestBytes": received, "responseBytes": sent}
        try:
            trace = orjson.dumps(document(self.trace_id, self._recorder, exchange, head, told))
        except Exception:
            log.exception("the trace of request %s could not be written", exchange.request_id)
            return
        if len(trace) <= LARGEST:
            traces.append(self.trace_id, trace)
        else:
            log.warning("the trace of request %s is dropped: it has %d bytes", exchange.request_id, len(trace))


def begin(gateway: Gateway | None, exchange: Exchange) -> Tracing | None:
    """For a request with the header: its trace, or what there is to say about its token."""
    token = exchange.request.headers.popall(ASKED)[-1]
    if gateway is None:
        return None
    try:
        grant = verify(token, gateway.debug_keys, exchange.timestamp)
    except (TokenInvalid, TokenExpired) as problem:
        tracing = Tracing(exchange, None, frozenset())
        tracing.refuse(EXPIRED if isinstance(problem, TokenExpired) else INVALID, str(problem))
        return tracing
    tracing = Tracing(exchange, grant, gateway.environment.secrets)
    tracing.attach(exchange)
    return tracing
