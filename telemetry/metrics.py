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
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from telemetry.records import RequestRecord
from telemetry.settings import MetricSettings, Resource

Value = str | int  # of one dimension; "" and 0 mean "not applicable"
Key = tuple[Value, ...]
Labels = tuple[tuple[str, Value], ...]
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
    """A sum that only grows, per combination of values."""

    name: str
    description: str
    dimensions: tuple[str, ...]
    max_series: int
    unit: str = "1"
    series: dict[Key, float] = field(default_factory=dict)

    def add(self, key: Key, amount: float = 1) -> None:
        series = self.series
        if key not in series and len(series) >= self.max_series:
            key = ()
        series[key] = series.get(key, 0) + amount

    def read(self) -> Metric:
        points = tuple(Point(_labels(self.dimensions, key), value) for key, value in self.series.copy().items())
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

    def record(self, key: Key, value: float) -> None:
        row = self.series.get(key)
        if row is None:
            if len(self.series) >= self.max_series:
                key = ()
                row = self.series.get(key)
            if row is None:
                row = self.series[key] = [0, 0.0, value, value, *([0] * (len(self.bounds) + 1))]
        row[0] += 1
        row[1] += value
        if value < row[2]:
            row[2] = value
        elif value > row[3]:
            row[3] = value
        row[4 + bisect_left(self.bounds, value)] += 1

    def read(self) -> Metric:
        points = tuple(
            Point(_labels(self.dimensions, key), row[1], int(row[0]), tuple(map(int, row[4:])), row[2], row[3])
            for key, row in self.series.items()
        )
        return Metric(self.name, "histogram", self.unit, self.description, points, self.bounds)


class RequestMetrics:
    """The aggregates of one child."""

    def __init__(self, settings: MetricSettings) -> None:
        self._lock = threading.Lock()
        self._azure = settings.azure
        self._otel = settings.otel
        limit = settings.max_series

        def milliseconds(name: str, description: str) -> Histogram:
            return Histogram(name, description, ("Hostname",), limit, "ms", settings.buckets)

        self.requests = Counter("Requests", "Requests the gateway processed", REQUEST_DIMENSIONS, limit)
        self.duration = milliseconds("DurationInMs", "From the first byte received to the last byte sent")
        self.backend = milliseconds("BackendDurationInMs", "Spent with the backend")
        self.client = milliseconds("ClientDurationInMs", "Spent with the client")
        self.gateway = milliseconds("GatewayDurationInMs", "Spent in the gateway itself")
        self.server = Histogram(
            "http.server.request.duration", "Duration of HTTP server requests", SERVER_DIMENSIONS, limit, "s", SECONDS
        )
        self.outgoing = Histogram(
            "http.client.request.duration", "Duration of HTTP client requests", CLIENT_DIMENSIONS, limit, "s", SECONDS
        )

    def add(self, records: Iterable[RequestRecord], resource: Resource) -> None:
        with self._lock:
            for record in records:
                if self._azure:
                    self._add_azure(record, resource)
                if self._otel:
                    self._add_otel(record)

    def read(self) -> list[Metric]:
        """A consistent copy of every instrument that has a series."""
        with self._lock:
            return [metric for metric in self._instruments() if metric.points]

    def _instruments(self) -> Iterator[Metric]:
        for instrument in (self.requests, self.duration, self.backend, self.client, self.gateway):
            yield instrument.read()
        yield self.server.read()
        yield self.outgoing.read()

    def _add_azure(self, record: RequestRecord, resource: Resource) -> None:
        values = request_values(record, resource)
        self.requests.add(values)
        key = (values[HOSTNAME],)
        self.duration.record(key, record.total_ms)
        self.client.record(key, record.client_ms)
        self.gateway.record(key, max(0.0, record.total_ms - record.client_ms - record.backend_ms))
        if record.backend_url:
            self.backend.record(key, record.backend_ms)

    def _add_otel(self, record: RequestRecord) -> None:
        self.server.record(
            (
                method(record.method),
                record.url.partition(":")[0],
                record.status,
                record.route,
                protocol_version(record.client_protocol),
                server_error(record),
                record.api_id,
                record.operation_id,
                record.product_id,
            ),
            record.total_ms / 1000,
        )
        if record.backend_url:
            scheme, address, port = origin(record.backend_url)
            self.outgoing.record(
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
                ),
                record.backend_ms / 1000,
            )


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
def _split_origin(text: str) -> tuple[str, str, int]:
    scheme, _, authority = text.partition("://")
    authority = authority.rpartition("@")[2]
    host, _, port = authority.rpartition(":")
    if not port.isdigit():
        host, port = authority, "443" if scheme in ("https", "wss") else "80"
    return scheme, host.strip("[]"), int(port)


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of an absolute URL."""
    start = url.find("://") + 3
    end = len(url)
    for mark in "/?#":
        at = url.find(mark, start)
        if 0 <= at < end:
            end = at
    return _split_origin(url[:end])
