"""OTLP to a collector: metrics as the gateway we replace sends them, and with them spans and logs.

Spans and logs are collected until there are 512 records or a second has passed, encoded once, and queued as bytes.
Metrics are cumulative, so only the newest export waits: it says all that the older ones did. A child that follows
another starts counting anew, so the last export of the one before is still sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from telemetry import collector
from telemetry.encode import metrics as encode_metrics
from telemetry.encode.logs import LogEncoder
from telemetry.encode.spans import SpanEncoder
from telemetry.lane import Lane
from telemetry.metrics import Metric
from telemetry.records import RequestRecord
from telemetry.settings import Collector, Resource
from telemetry.settings import collector as collector_settings

BATCH = 512  # records
LINGER = 1.0  # seconds

Encode = Callable[[Sequence[RequestRecord]], tuple[bytes, int]]


class Otlp:
    """One lane per signal, so that spans cannot push metrics out."""

    def __init__(self, settings: Collector) -> None:
        self._collector = collector.connect(settings)
        self._share = settings.traces + settings.logs
        self._metrics = self._lane(collector.METRICS, latest=True)
        self._spans = self._lane(collector.TRACES) if settings.traces else None
        self._logs = self._lane(collector.LOGS) if settings.logs else None
        self.lanes: Sequence[Lane] = [lane for lane in (self._metrics, self._spans, self._logs) if lane]
        self._span_encoder = SpanEncoder()
        self._log_encoder = LogEncoder()
        self._collected: list[RequestRecord] = []
        self._since = 0.0
        self._start_ns = time.time_ns()

    def records(self, batch: Sequence[RequestRecord], resource: Resource) -> None:
        if self._spans is None and self._logs is None:
            return
        if not self._collected:
            self._since = time.monotonic()
        self._collected += batch
        while len(self._collected) >= BATCH:
            self._export(self._collected[:BATCH], resource)
            del self._collected[:BATCH]

    def tick(self, resource: Resource) -> None:
        if self._collected and time.monotonic() - self._since >= LINGER:
            self._flush(resource)

    def metrics(self, metrics: Sequence[Metric], resource: Resource) -> None:
        data, count = encode_metrics.encode(metrics, resource, self._start_ns, time.time_ns())
        if count:
            self._metrics.put(data, count)
        self._flush(resource)

    def _flush(self, resource: Resource) -> None:
        if self._collected:
            self._export(self._collected, resource)
            self._collected = []

    def _export(self, batch: Sequence[RequestRecord], resource: Resource) -> None:
        if self._spans is not None:
            self._put(self._spans, batch, lambda part: self._span_encoder.encode(part, resource))
        if self._logs is not None:
            now_ns = time.time_ns()
            self._put(self._logs, batch, lambda part: self._log_encoder.encode(part, resource, now_ns))

    def _put(self, lane: Lane, batch: Sequence[RequestRecord], encode: Encode) -> None:
        """Encode and queue; in halves where one message would be longer than a collector takes."""
        data, count = encode(batch)
        if len(data) > collector.MAX_MESSAGE and len(batch) > 1:
            middle = len(batch) // 2
            self._put(lane, batch[:middle], encode)
            self._put(lane, batch[middle:], encode)
        elif count:
            lane.put(data, count)

    def _lane(self, signal: str, latest: bool = False) -> Lane:
        send = self._collector.send(signal)
        share = 1 if latest else self._share
        return Lane(f"the collector ({signal})", send, spool=f"otlp-{signal}", share=share, latest=latest)


def from_settings(settings: Mapping[str, str], read: Callable[[], list[Metric]]) -> Otlp | None:
    where = collector_settings(settings)
    return Otlp(where) if where else None
