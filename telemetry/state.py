"""What the semantic conventions have no words for, whatever `telemetry.metrics.naming` says: why requests failed, what
caches answered, which configuration is in force, and how the limits server does.

Rules
1. Only a request that failed or asked a cache costs anything here.
2. Lag is time, since revisions say nothing of how long somebody has waited: it grows while the management plane, or the
   agent, is away, and is near zero otherwise.
3. One thread adds, others read: `read()` hands out a copy.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

from telemetry.batch import Batch, Kind
from telemetry.metrics import Counter, Metric, Point
from telemetry.settings import Resource


class Standing(NamedTuple):
    """The revision in force here, the newest one that the agent has, and when the source of the configuration last said
    that this one is the newest there is: Unix seconds, 0 for never."""

    version: int
    newest: int
    confirmed: float


class Limits(NamedTuple):
    """The server in which limits are counted: whether it is in use, and since the start how many decisions it made, how
    many the local counters made in its place, how many calls were refused without it, and the seconds that calls
    waited for it."""

    up: bool
    server: int
    local: int
    refused: int
    seconds: float


class GatewayMetrics:
    """The aggregates of one child. `standing` is None until the sidecar has a configuration, `limits` where no server
    counts them."""

    def __init__(self, max_series: int) -> None:
        self.standing: Standing | None = None
        self.limits: Limits | None = None
        self._lock = threading.Lock()
        self._received = 0
        self.errors = Counter(
            "apim.request.errors",
            "Requests that ended with an error, by what raised it and why",
            ("apim.api.id", "apim.last_error.source", "apim.last_error.reason", "http.response.status_code"),
            max_series,
            "{request}",
        )
        self.cache = Counter(
            "apim.cache.requests",
            "Requests that asked the response cache, by its answer: hit or miss",
            ("apim.api.id", "apim.cache"),
            max_series,
            "{request}",
        )

    def add(self, batch: Batch, resource: Resource) -> None:
        with self._lock:
            self._received += len(batch)
            for kind, records in batch.by_kind().items():
                rows = kind.made.get(self)
                if rows is None:
                    rows = kind.made[self] = self._rows(kind)
                for row in rows:
                    row[0] += len(records)

    def _rows(self, kind: Kind) -> list[list[float]]:
        """Where the records of a kind are counted."""
        record, rows = kind.record, []
        if kind.cause is not None:
            source, reason, _ = kind.cause
            rows.append(self.errors.row((record.api_id, source, reason, record.status)))
        if record.cache in ("hit", "miss"):
            rows.append(self.cache.row((record.api_id, record.cache)))
        return rows

    def read(self) -> list[Metric]:
        """Every instrument, also one without a series."""
        with self._lock:
            return [*self._instruments()]

    def _instruments(self) -> Iterator[Metric]:
        yield self.errors.read()
        yield self.cache.read()
        standing, now = self.standing, time.time()

        def gauge(name: str, unit: str, description: str, value: float | None) -> Metric:
            return Metric(name, "gauge", unit, description, () if value is None else (Point((), value),))

        version = standing.version if standing else None
        behind = max(0, standing.newest - standing.version) if standing else None
        lag = max(0.0, now - standing.confirmed) if standing and standing.confirmed else None
        yield gauge("apim.config.version", "{revision}", "Revision of the configuration in force", version)
        yield gauge("apim.config.behind", "{revision}", "Revisions that the agent has and this sidecar has not", behind)
        yield gauge(
            "apim.config.lag",
            "s",
            "Time since the management plane last said that this configuration is the newest",
            lag,
        )
        limits = self.limits
        up = None if limits is None else float(limits.up)
        yield gauge("apim.limits.server.up", "{server}", "Whether the server that counts limits is in use: 1 or 0", up)
        made = () if limits is None else (("server", limits.server), ("local", limits.local), ("none", limits.refused))
        yield Metric(
            "apim.limits.decisions",
            "counter",
            "{decision}",
            "Decisions of limits where a server counts them, by who made them",
            tuple(Point((("apim.limits.by", by),), number) for by, number in made),
        )
        waited = () if limits is None else (Point((), limits.seconds),)
        yield Metric("apim.limits.server.wait", "counter", "s", "Time that calls waited for the limits server", waited)
        received = (Point((), self._received),)
        yield Metric("apim.telemetry.received", "counter", "{record}", "Records that the sidecar handed over", received)
