"""What goes on, as the plane tells it, read tolerantly into what pages draw. Pure.

Lengths in drawings are parts of 100, so that a sheet decides how large they are.
"""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from portal.model import mappings

Told = Mapping[str, Any]

# what a status of 0 means, and what an error without a reason is called
GONE = "client went away"
NAMELESS = "no API matched"


@dataclass(frozen=True)
class Sums:
    """Of some requests. Times are milliseconds, on average but for `longest`; `gateway` is what is neither the
    backend's nor the client's."""

    requests: int
    refused: int
    failed: int
    average: float
    longest: float
    backend: float
    client: float

    @classmethod
    def read(cls, told: Told) -> Sums:
        return cls(
            requests=int(number(told.get("requests"))),
            refused=int(number(told.get("refused"))),
            failed=int(number(told.get("failed"))),
            average=number(told.get("averageTime")),
            longest=number(told.get("longestTime")),
            backend=number(told.get("averageBackendTime")),
            client=number(told.get("averageClientTime")),
        )

    @property
    def gateway(self) -> float:
        return max(0.0, self.average - self.backend - self.client)

    @property
    def split(self) -> tuple[tuple[str, float, float], ...]:
        return parts(self.gateway, self.backend, self.client)

    def share(self, count: int) -> str:
        """`count` of all in per cent; "0 %" means none at all."""
        if not count:
            return "0 %"
        percent = 100 * count / max(1, self.requests)
        return f"{percent:.0f} %" if percent >= 10 else f"{percent:.1f} %" if percent >= 0.1 else "< 0.1 %"


@dataclass(frozen=True)
class Bar:
    """One minute: where it stands, and what is drawn in it from the bottom up (name, top, height)."""

    left: float
    width: float
    pieces: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True)
class Line:
    """A row of a table: an API or a gateway."""

    id: str
    name: str
    sums: Sums


@dataclass(frozen=True)
class Error:
    api: str
    api_name: str
    status: str
    source: str
    reason: str
    plain: str  # the reason, empty for none
    requests: int
    last: str


@dataclass(frozen=True)
class Activity:
    since: str
    until: str
    total: Sums
    most: int
    bars: tuple[Bar, ...]
    apis: tuple[Line, ...]
    gateways: tuple[Line, ...]
    errors: tuple[Error, ...]


def read(told: Told) -> Activity:
    minutes = [Sums.read(each) for each in mappings(told.get("minutes"))]
    most = max((each.requests for each in minutes), default=0)
    return Activity(
        since=clock(told.get("since")),
        until=clock(told.get("until")),
        total=Sums.read(told.get("total") or {}),
        most=most,
        bars=tuple(_bar(at, len(minutes), each, most) for at, each in enumerate(minutes) if each.requests),
        apis=tuple(
            Line(last(each.get("apiId")), text(each.get("apiName")) or NAMELESS, Sums.read(each))
            for each in mappings(told.get("apis"))
        ),
        gateways=tuple(
            Line(text(each.get("gatewayId")), text(each.get("gatewayId")), Sums.read(each))
            for each in mappings(told.get("gateways"))
        ),
        errors=tuple(_error(each) for each in mappings(told.get("errors"))),
    )


def _bar(at: int, of: int, sums: Sums, most: int) -> Bar:
    well = sums.requests - sums.refused - sums.failed
    pieces, top = [], 100.0
    for name, count in (("well", well), ("refused", sums.refused), ("failed", sums.failed)):
        # a single failure among thousands is still to be seen
        height = max(100 * count / most, 1.5) if count else 0.0
        top -= height
        if count:
            pieces.append((name, round(max(top, 0.0), 2), round(height, 2)))
    width = 100 / of
    return Bar(round(at * width, 3), round(width * 0.8, 3), tuple(pieces))


def _error(told: Told) -> Error:
    return Error(
        api=last(told.get("apiId")),
        api_name=text(told.get("apiName")) or NAMELESS,
        status=status(told.get("responseCode")),
        source=text(told.get("source")),
        reason=text(told.get("reason")) or "none told: the backend's or a policy's own answer",
        plain=text(told.get("reason")),
        requests=int(number(told.get("requests"))),
        last=clock(told.get("lastMinute"))[:5],
    )


@dataclass(frozen=True)
class Request:
    """One request. `facts` are pairs of words for whoever reads."""

    id: str
    time: str
    date: str
    method: str
    url: str
    status: str
    good: bool
    api: str
    api_name: str
    gateway: str
    total: float
    reason: str
    split: tuple[tuple[str, float, float], ...]
    error: tuple[tuple[str, str], ...]
    facts: tuple[tuple[str, str], ...]
    trace_id: str
    operation: str

    @property
    def again(self) -> str:
        """The command that sends it again and traces it."""
        return f"passerelle trace {'' if self.method == 'GET' else f'-X {shlex.quote(self.method)} '}" + shlex.quote(
            self.url
        )


def read_request(told: Told) -> Request:
    error = told.get("error")
    error = error if isinstance(error, Mapping) else {}
    total, backend, client = (number(told.get(name)) for name in ("totalTime", "backendTime", "clientTime"))
    code = int(number(told.get("responseCode")))
    moment = text(told.get("timestamp"))
    return Request(
        id=text(told.get("requestId")),
        time=clock(moment),
        date=moment[:10],
        method=text(told.get("method")),
        url=text(told.get("url")),
        status=status(code),
        good=100 <= code < 400,
        api=last(told.get("apiId")),
        api_name=text(told.get("apiName")) or NAMELESS,
        gateway=text(told.get("gatewayId")),
        total=total,
        reason=text(error.get("reason")),
        split=parts(max(0.0, total - backend - client), backend, client),
        error=tuple((name, text(error[name])) for name in ERROR if error.get(name)),
        facts=tuple((words, text(told[name])) for name, words in FACTS if told.get(name) not in (None, "")),
        trace_id=text(told.get("traceId")),
        operation=last(told.get("operationId")),
    )


ERROR = ("reason", "message", "detail", "source", "section", "scope", "path", "policy")
FACTS = (
    ("operationId", "Operation"),
    ("productId", "Product"),
    ("subscriptionId", "Subscription"),
    ("userId", "User"),
    ("ipAddress", "Client"),
    ("requestSize", "Request bytes"),
    ("responseSize", "Response bytes"),
    ("cache", "Cache"),
    ("backendId", "Backend"),
    ("backendMethod", "Backend method"),
    ("backendUrl", "Backend URL"),
    ("backendResponseCode", "Backend status"),
    ("traceId", "Trace id"),
    ("spanId", "Span id"),
    ("requestId", "Request id"),
)


def parts(gateway: float, backend: float, client: float) -> tuple[tuple[str, float, float], ...]:
    """(name, where it begins, how long it is) of a line that is 100 long; in the order in which they mostly come."""
    whole = gateway + backend + client
    found, left = [], 0.0
    for name, time in (("gateway", gateway), ("backend", backend), ("client", client)):
        width = 100 * time / whole if whole else 0.0
        if width:
            found.append((name, round(left, 2), round(width, 2)))
        left += width
    return tuple(found)


def milliseconds(value: float) -> str:
    """In words: 0.42 ms, 12 ms, 1.3 s."""
    if value >= 1000:
        return f"{value / 1000:.1f} s"
    return f"{value:.0f} ms" if value >= 10 else f"{value:.2f} ms"


def status(value: Any) -> str:
    code = int(number(value))
    return str(code) if code else GONE


def clock(value: Any) -> str:
    """hh:mm:ss of a time."""
    try:
        return datetime.datetime.fromisoformat(text(value)).strftime("%H:%M:%S")
    except ValueError:
        return text(value)


def last(id: Any) -> str:
    return text(id).rsplit("/", 1)[-1]


def number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def text(value: Any) -> str:
    return "" if value is None else str(value)
