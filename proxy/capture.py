"""What the diagnostics of the configuration want of a request beside its record: correlation headers, headers and the
first bytes of bodies, each call that is made. Only for requests whose pipeline has a `Plan`; others never come here.

    begin        after routing and admission: the request as it came, correlation towards the backend
    (transport)  every call; the forwarded one with its headers and bodies
    responding   before the response goes out: the response, correlation towards the client
    row          when it is over: a plain tuple of a `telemetry.records.Captured`

Rules
1. A body is looked at while it passes; nothing is read that nobody reads, and nothing waits.
2. Nothing is masked here: the telemetry child does that, per diagnostic.
3. W3C: the traceparent that every request carries to its backend. Legacy: Request-Id and Request-Context instead, and
   Request-Id of the client is the parent. None: nothing is read, nothing is added.

https://learn.microsoft.com/azure/azure-monitor/app/correlation
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from proxy.config.diagnostics import UNSEEN
from proxy.messages import Body, Headers, Response
from proxy.ports import Outgoing, Transport
from proxy.traceparent import new_span, new_trace

if TYPE_CHECKING:
    from proxy.config.diagnostics import Plan, Sight
    from proxy.exchange import Exchange

REQUEST_ID, REQUEST_CONTEXT, TRACEPARENT = "Request-Id", "Request-Context", "traceparent"
LONGEST_HEADER = 8192  # characters of a value
LONGEST_ID = 1024  # characters of a Request-Id; what is longer is none
MOST_CALLS = 100
FORWARDED = "X-Forwarded-For"

Pairs = tuple[tuple[str, str], ...]


class Seen:
    """The first bytes of a body, as far as it has passed."""

    __slots__ = ("_content", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._content = bytearray()

    def add(self, chunk: bytes) -> None:
        room = self._limit - len(self._content)
        if room > 0:
            self._content += chunk[:room]

    @property
    def content(self) -> bytes:
        return bytes(self._content)


class _Passing:
    """A stream that somebody looks at."""

    __slots__ = ("_seen", "_stream")

    def __init__(self, stream: AsyncIterator[bytes], seen: Seen) -> None:
        self._stream, self._seen = stream, seen

    def __aiter__(self) -> _Passing:
        return self

    async def __anext__(self) -> bytes:
        chunk = await anext(self._stream)
        self._seen.add(chunk)
        return chunk

    async def aclose(self) -> None:
        close = getattr(self._stream, "aclose", None)
        if close is not None:
            await close()


class Side:
    """One message."""

    __slots__ = ("content", "headers", "seen")

    def __init__(self) -> None:
        self.headers: Pairs = ()
        self.content = b""
        self.seen: Seen | None = None

    def look(self, headers: Headers, body: Body, sight: Sight) -> None:
        self.headers = _listed(headers, sight)
        if not sight.body:
            return
        self.content, self.seen = b"", None
        if body.buffered:
            self.content = body.content()[: sight.body]
        else:
            seen = self.seen = Seen(sight.body)
            body.through(lambda stream: _Passing(stream, seen))

    @property
    def body(self) -> bytes:
        return self.content if self.seen is None else self.seen.content


class Capture:
    """Of one request; made by `begin`. `transport` is the exchange's own, with somebody who writes down its calls."""

    __slots__ = (
        "_api_type", "_asked", "_backend_asked", "_backend_said", "_calls", "_operation", "_parent", "_plan", "_said",
        "transport",
    )  # fmt: skip

    def __init__(self, plan: Plan, exchange: Exchange) -> None:
        self._plan = plan
        self._api_type = exchange.api.type if exchange.api is not None else ""
        self._operation = self._parent = ""
        self._asked = self._said = self._backend_asked = self._backend_said = NOTHING
        self._calls: list[tuple[Any, ...]] = []
        self.transport: Transport = _Watching(self, exchange)

    def arrived(self, exchange: Exchange) -> None:
        request, plan = exchange.request, self._plan
        if plan.request is not UNSEEN:
            kept = Headers(request.headers)
            _set(kept, TRACEPARENT, _came(exchange))
            _set(kept, FORWARDED, _forwarded(kept.get(FORWARDED, ""), request.client_ip))
            self._asked = Side()
            self._asked.look(kept, request.body, plan.request)
        if plan.correlation != "W3C":
            _set(request.headers, TRACEPARENT, _came(exchange))
            if plan.correlation == "Legacy":
                self._legacy(exchange)
            else:
                self._operation = new_trace()

    def responding(self, response: Response) -> None:
        plan = self._plan
        if plan.correlation == "Legacy" and plan.context:
            response.headers[REQUEST_CONTEXT] = plan.context
        if plan.response is not UNSEEN:
            self._said = Side()
            self._said.look(response.headers, response.body, plan.response)

    def calling(self, request: Outgoing) -> None:
        """The request itself is about to be forwarded; of several attempts the last counts."""
        if self._plan.backend_request is not UNSEEN:
            self._backend_asked = Side()
            self._backend_asked.look(request.headers, request.body, self._plan.backend_request)
        self._backend_said = NOTHING

    def called(self, request: Outgoing, response: Response | None, began: float, ended: float, span: str) -> None:
        """A call ended, with this answer or none; times are milliseconds since the request was accepted."""
        forwarded = not request.guarded
        if len(self._calls) < MOST_CALLS and self._plan.calls:
            if forwarded and any(call[5] == span for call in self._calls):
                span = new_span()  # one more attempt
            status = response.status if response is not None else 0
            self._calls.append((began, ended - began, request.method, str(request.url), status, span, forwarded))
        if forwarded and response is not None and self._plan.backend_response is not UNSEEN:
            self._backend_said = Side()
            self._backend_said.look(response.headers, response.body, self._plan.backend_response)

    def row(self, hide: Callable[[str], str] | None = None) -> Any:
        """Plain, as it crosses the pipe; `hide` takes the configuration's secrets out of texts."""
        sides, calls = (self._asked, self._said, self._backend_asked, self._backend_said), self._calls
        held: list[Any] = []
        for side in sides:
            headers, body = side.headers, side.body
            if hide is not None:
                headers = tuple((name, hide(value)) for name, value in headers)
                body = hide(body.decode("latin-1")).encode("latin-1") if body else body
            held += [headers, body]
        if hide is not None:
            calls = [(*call[:3], hide(call[3]), *call[4:]) for call in calls]
        return (self._api_type, self._operation, self._parent, *held, tuple(calls))

    def _legacy(self, exchange: Exchange) -> None:
        headers = exchange.request.headers
        parent = headers.get(REQUEST_ID, "").strip()
        if 0 < len(parent) <= LONGEST_ID and parent.isascii() and parent.isprintable():
            self._parent = parent
            self._operation = parent.removeprefix("|").partition(".")[0] or parent
        else:
            self._operation = new_trace()
        headers[REQUEST_ID] = f"|{self._operation}.{exchange.backend_span_id}."
        if self._plan.context:
            headers[REQUEST_CONTEXT] = self._plan.context


NOTHING = Side()


class _Watching:
    """The transport, with somebody who writes down its calls."""

    __slots__ = ("_capture", "_exchange")

    def __init__(self, capture: Capture, exchange: Exchange) -> None:
        self._capture, self._exchange = capture, exchange

    async def send(self, request: Outgoing) -> Response:
        exchange, capture = self._exchange, self._capture
        clock, guarded = exchange.ports.clock, request.guarded
        if not guarded:
            capture.calling(request)
        began = clock.monotonic() - exchange.started
        response: Response | None = None
        try:
            response = await exchange.ports.transport.send(request)
            return response
        finally:
            ended = clock.monotonic() - exchange.started
            span = new_span() if guarded else exchange.backend_span_id
            capture.called(request, response, began * 1000, ended * 1000, span)


def begin(plan: Plan, exchange: Exchange) -> Capture:
    """The capture of a request that has been routed and admitted."""
    made = Capture(plan, exchange)
    made.arrived(exchange)
    return made


def _listed(headers: Headers, sight: Sight) -> Pairs:
    """The values of these headers, those of one name together, under the names that the diagnostics use."""
    if not sight.headers:
        return ()
    return tuple(
        (name, str(", ".join(headers.getall(name)))[:LONGEST_HEADER]) for name in sight.headers if name in headers
    )


def _came(exchange: Exchange) -> str:
    """The traceparent that came in, empty for none that is valid."""
    if not exchange.parent_span_id:
        return ""
    return f"00-{exchange.trace_id}-{exchange.parent_span_id}-{exchange.trace_flags}"


def _forwarded(value: str, client: str) -> str:
    """X-Forwarded-For without the address that this gateway has added."""
    return "" if value == client else value.removesuffix(f", {client}")


def _set(headers: Headers, name: str, value: str) -> None:
    if value:
        headers[name] = value
    else:
        headers.popall(name, None)
