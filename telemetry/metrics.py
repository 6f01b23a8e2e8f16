"""Request metrics as plain dictionaries, cumulative since the child started.

Two sets of names are fed from the same records (`telemetry.metrics.naming`):

    azure  Requests; DurationInMs, BackendDurationInMs, ClientDurationInMs, GatewayDurationInMs  (milliseconds)
    otel   http.server.request.duration, http.client.request.duration                            (seconds)

Rules
1. Every instrument holds at most `max_series` series; what comes later is counted in one series marked
   `otel.metric.overflow`.
2. A host name that a client invented is no dimension: requests that met no API have Hostname "None".
3. One thread adds, others read: `read()` hands out a copy.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf
from operator import itemgetter

from telemetry.batch import Batch, Kind, origin_of
from telemetry.records import RequestRecord, places
from telemetry.settings import MetricSettings, Resource

Value = str | int  # of one dimension; "" and 0 mean "not applicable"
Key = tuple[Value, ...]
Labels = tuple[tuple[str, Value], ...]
FEW = 16  # values that are quicker counted one by one than sorted
OVERFLOW: Labels = (("otel.metric.overflow", True),)
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"})
REQUEST_DIMENSIONS = (
    "BackendResponseCode",
    "BackendResponseCodeCategory",
    "Cache",
    "GatewayId",
    "Hostname",
    "LastErrorReason",
    "Location",
    "ResponseCode",
    "ResponseCodeCategory",
    "Status",
)
HOSTNAME = REQUEST_DIMENSIONS.index("Hostname")
SERVER_DIMENSIONS = (
    "http.request.method",
    "url.scheme",
    "http.response.status_code",
    "http.route",
    "network.protocol.version",
    "error.type",
    "apim.api.id",
    "apim.operation.id",
    "apim.product.id",
)
CLIENT_DIMENSIONS = (
    "http.request.method",
    "url.scheme",
    "server.address",
    "server.port",
    "http.response.status_code",
    "network.protocol.version",
    "error.type",
    "apim.api.id",
    "apim.backend.id",
)

_times = itemgetter(*places("total_ms", "backend_ms", "client_ms"))


@dataclass(slots=True, frozen=True)
class Point:
    """One series at one moment. `counts` has one more entry than the instrument's bounds; empty for a number."""

    labels: Labels
    value: float  # the number, or the sum of a histogram
    count: int = 0
    counts: tuple[int, ...] = ()
    low: float = 0.0
    high: float = 0.0


@dataclass(slots=True, frozen=True)
class Metric:
    """One instrument at one moment. `kind` is counter, gauge or histogram; `bounds` are a histogram's bucket limits."""

    name: str
    kind: str
    unit: str
    description: str
    points: tuple[Point, ...]
    bounds: tuple[float, ...] = ()


@dataclass(slots=True)
class Counter:
    """A sum that only grows, per combination of values. Each series is a row [sum]."""

    name: str
    description: str
    dimensions: tuple[str, ...]
    max_series: int
    unit: str = "1"
    series: dict[Key, list[float]] = field(default_factory=dict)

    def row(self, key: Key) -> list[float]:
        """To add to; it stays the series' row for good."""
        return _row(self.series, key, self.max_series, [0])

    def read(self) -> Metric:
        points = tuple(Point(_labels(self.dimensions, key), row[0]) for key, row in self.series.items() if row[0])
        return Metric(self.name, "counter", self.unit, self.description, points)


@dataclass(slots=True)
class Histogram:
    """Counts per bucket and the sum, per combination of values. Each series is [count, sum, min, max, bucket, ...]."""

    name: str
    description: str
    dimensions: tuple[str, ...]
    max_series: int
    unit: str
    bounds: tuple[float, ...]
    series: dict[Key, list[float]] = field(default_factory=dict)

    def row(self, key: Key) -> list[float]:
        """To `fold` values into; it stays the series' row for good."""
        return _row(self.series, key, self.max_series, [0, 0.0, inf, -inf, *([0] * (len(self.bounds) + 1))])

    def fold(self, row: list[float], values: list[float]) -> None:
        """Count values in a row of this histogram."""
        bounds = self.bounds
        row[0] += len(values)
        row[1] += sum(values)
        row[2] = min(row[2], min(values))
        row[3] = max(row[3], max(values))
        if len(values) < FEW:
            for value in values:
                row[4 + bisect_left(bounds, value)] += 1
            return
        values.sort()
        before = 0
        for at, bound in enumerate(bounds, 4):
            after = bisect_right(values, bound, before)
            row[at] += after - before
            before = after
        row[-1] += len(values) - before

    def read(self) -> Metric:
        points = tuple(
            Point(_labels(self.dimensions, key), row[1], int(row[0]), tuple(map(int, row[4:])), row[2], row[3])
            for key, row in self.series.items()
            if row[0]
        )
        return Metric(self.name, "histogram", self.unit, self.description, points, self.bounds)


class RequestMetrics:
    """The aggregates of one child."""

    def __init__(self, settings: MetricSettings) -> None:
        self._lock = threading.Lock()
        self._resource: Resource | None = None
        self._rows_of = object()  # the key of rows that know the resource of now
        self._azure = settings.azure
        self._otel = settings.otel
        limit = settings.max_series

        def milliseconds(name: str, description: str) -> Histogram:
            return Histogram(name, description, ("Hostname",), limit, "ms", settings.buckets)

        self.requests = Counter("Requests", "Requests the gateway processed", REQUEST_DIMENSIONS, limit)
        self.duration = milliseconds("DurationInMs", "From the first byte received to the last byte sent")
        self.backend = milliseconds("BackendDurationInMs", "Until the backend's status and headers")
        self.client = milliseconds(
            "ClientDurationInMs", "Sending the response; waiting for the backend's body is backend time"
        )
        self.gateway = milliseconds("GatewayDurationInMs", "Spent in the gateway itself")
        self.server = Histogram(
            "http.server.request.duration", "Duration of HTTP server requests", SERVER_DIMENSIONS, limit, "s", SECONDS
        )
        self.outgoing = Histogram(
            "http.client.request.duration", "Duration of HTTP client requests", CLIENT_DIMENSIONS, limit, "s", SECONDS
        )

    def add(self, batch: Batch, resource: Resource) -> None:
        with self._lock:
            if resource is not self._resource:
                self._resource, self._rows_of = resource, object()
            hosts: dict[str, tuple[list[float], list[float], list[float], list[float]]] = {}
            for kind, records in batch.by_kind().items():
                rows = kind.made.get(self._rows_of)
                if rows is None:
                    rows = kind.made[self._rows_of] = self._rows(kind, resource)
                times = list(map(_times, records))
                wholes, backends, clients = map(sorted, zip(*times, strict=True))
                if rows.requests is not None:
                    rows.requests[0] += len(records)
                    host = hosts.setdefault(rows.host, ([], [], [], []))
                    host[0].extend(wholes)
                    host[1].extend(clients)
                    host[2].extend(
                        [own if (own := whole - client - backend) > 0 else 0.0 for whole, backend, client in times]
                    )
                    if rows.called:
                        host[3].extend(backends)
                if rows.server is not None:
                    self.server.fold(rows.server, [whole / 1000 for whole in wholes])
                    if rows.outgoing is not None:
                        self.outgoing.fold(rows.outgoing, [backend / 1000 for backend in backends])
            milliseconds = (self.duration, self.client, self.gateway, self.backend)
            for name, values in hosts.items():
                for instrument, found in zip(milliseconds, values, strict=True):
                    if found:
                        instrument.fold(instrument.row((name,)), found)

    def read(self) -> list[Metric]:
        """A consistent copy of every instrument that has a series."""
        with self._lock:
            return [metric for metric in self._instruments() if metric.points]

    def _instruments(self) -> Iterator[Metric]:
        for instrument in (self.requests, self.duration, self.backend, self.client, self.gateway):
            yield instrument.read()
        yield self.server.read()
        yield self.outgoing.read()

    def _rows(self, kind: Kind, resource: Resource) -> _Rows:
        record = kind.record
        host = (record.host if record.api_id else "") or "None"
        rows = _Rows(host, bool(kind.backend_origin))
        if self._azure:
            rows.requests = self.requests.row(request_values(record, resource))
        if self._otel:
            rows.server = self.server.row(
                (
                    method(record.method),
                    kind.origin.partition(":")[0],
                    record.status,
                    record.route,
                    protocol_version(record.client_protocol),
                    server_error(record),
                    record.api_id,
                    record.operation_id,
                    record.product_id,
                )
            )
        if self._otel and rows.called:
            scheme, address, port = origin(kind.backend_origin)
            rows.outgoing = self.outgoing.row(
                (
                    method(record.backend_method),
                    scheme,
                    address,
                    port,
                    record.backend_status,
                    protocol_version(record.backend_protocol),
                    client_error(record),
                    record.api_id,
                    record.backend_id,
                )
            )
        return rows


@dataclass(slots=True)
class _Rows:
    """Where the records of one kind are counted; None where they are not."""

    host: str
    called: bool
    requests: list[float] | None = None
    server: list[float] | None = None
    outgoing: list[float] | None = None


def _row(series: dict[Key, list[float]], key: Key, limit: int, new: list[float]) -> list[float]:
    row = series.get(key)
    if row is None:
        if len(series) >= limit:
            key = ()
        row = series.setdefault(key, new)
    return row


def _labels(dimensions: tuple[str, ...], key: Key) -> Labels:
    if not key and dimensions:
        return OVERFLOW
    return tuple((name, value) for name, value in zip(dimensions, key, strict=True) if value)


def request_values(record: RequestRecord, resource: Resource) -> tuple[str, ...]:
    """The values of REQUEST_DIMENSIONS; "None" for what does not apply."""
    return (
        _code(record.backend_status),
        category(record.backend_status),
        (record.cache or "none").capitalize(),
        resource.gateway_id or "None",
        (record.host if record.api_id else "") or "None",
        record.last_error.reason if record.last_error else "None",
        resource.region or "None",
        _code(record.status),
        category(record.status),
        verdict(record.status),
    )


def _code(status: int) -> str:
    return str(status) if status else "None"


def category(status: int) -> str:
    """`2xx` of 204."""
    return f"{status // 100}xx" if status else "None"


def verdict(status: int) -> str:
    """The Status dimension, cut as the documented metrics SuccessfulRequests, UnauthorizedRequests and so on."""
    if 0 < status <= 300 or status in (304, 307):
        return "Successful"
    if status in (401, 403, 429):
        return "Unauthorized"
    if status == 400 or status >= 500:
        return "Failed"
    return "Other"


def method(name: str) -> str:
    """A method as a dimension: what is not a known method is `_OTHER`."""
    return name if name in METHODS else "_OTHER"


def protocol_version(protocol: str) -> str:
    """`1.1` of `HTTP/1.1`."""
    return protocol.partition("/")[2]


def server_error(record: RequestRecord) -> str:
    """`error.type` of the server side: only what the gateway answers for (5xx), or a client that went away."""
    if record.status >= 500:
        return (record.last_error.reason if record.last_error else "") or str(record.status)
    return "ClientConnectionFailure" if record.status == 0 else ""


def client_error(record: RequestRecord) -> str:
    """`error.type` of the backend call: 4xx and 5xx, or no answer at all."""
    if record.backend_status >= 400:
        return str(record.backend_status)
    if record.backend_status == 0:
        return (record.last_error.reason if record.last_error else "") or "_OTHER"
    return ""


@lru_cache(maxsize=1024)
def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of an absolute URL, or of as much of one as `batch.origin_of` leaves."""
    scheme, _, authority = origin_of(url).partition("://")
    authority = authority.rpartition("@")[2]
    host, _, port = authority.rpartition(":")
    if not (port.isascii() and port.isdigit() and len(port) <= 5):
        host, port = authority, "443" if scheme in ("https", "wss") else "80"
    return scheme, host.strip("[]"), int(port)
