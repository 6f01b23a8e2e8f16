"""OTLP to a collector: metrics as the gateway we replace sends them, and with them spans and logs.

Spans and logs are encoded as they come, once, and queued as one message when there are a mebibyte of them or a second
has passed. Metrics are cumulative, so only the newest export waits: it says all that the older ones did. A child that
follows another starts counting anew, so the last export of the one before is still sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from telemetry import collector
from telemetry.batch import Batch
from telemetry.encode import metrics as encode_metrics
from telemetry.encode.requests import RequestEncoder
from telemetry.encode.wire import export_request
from telemetry.lane import Lane, Payload
from telemetry.metrics import Metric
from telemetry.settings import Collector, Resource
from telemetry.settings import collector as collector_settings

ENOUGH = 1024 * 1024  # bytes
LINGER = 1.0  # seconds


class Signal:
    """Spans or logs on their way to a lane: pieces in pairs, what stands before an item and the item."""

    def __init__(self, lane: Lane, pack: Callable[[bytes], bytes]) -> None:
        self.lane = lane
        self.waiting = 0  # records
        self._pack = pack
        self._pieces: list[bytes] = []
        self._bytes = 0
        self._since = 0.0
        self._resource: Resource | None = None

    @property
    def enough(self) -> bool:
        return self._bytes >= ENOUGH

    @property
    def due(self) -> bool:
        return bool(self._pieces) and time.monotonic() - self._since >= LINGER

    def add(self, pieces: list[bytes], records: int, resource: Resource) -> None:
        if resource is not self._resource:
            self.flush()
            self._resource = resource
        if not self._pieces:
            self._since = time.monotonic()
        self._pieces += pieces
        self._bytes += sum(map(len, pieces))
        self.waiting += records

    def flush(self) -> None:
        self.commit(self.prepare())

    def prepare(self) -> list[Payload]:
        """Messages of all that was added, ready to be put."""
        made: list[Payload] = []
        if self._pieces and self._resource is not None:
            for part, length in self._parts():
                data = self._pack(export_request(self._resource, part, length))
                made.append(self.lane.prepare(data, len(part) // 2))
        self._pieces = []
        self._bytes = 0
        return made

    def commit(self, prepared: list[Payload]) -> None:
        for payload in prepared:
            self.lane.commit(payload)
        self.waiting = 0

    def _parts(self) -> Iterator[tuple[list[bytes], int]]:
        """In messages that a collector takes, unless one item alone is longer; and their bytes."""
        if self._bytes < 2 * ENOUGH:
            yield self._pieces, self._bytes
            return
        part: list[bytes] = []
        length = 0
        for at in range(0, len(self._pieces), 2):
            pair = self._pieces[at : at + 2]
            more = len(pair[0]) + len(pair[1])
            if part and length + more > 2 * ENOUGH:
                yield part, length
                part, length = [], 0
            part += pair
            length += more
        yield part, length


class Otlp:
    """One lane per signal, so that spans cannot push metrics out."""

    def __init__(self, settings: Collector) -> None:
        self._collector = collector.connect(settings)
        self._share = settings.traces + settings.logs
        self._timeout = settings.timeout
        self._metrics = self._lane(collector.METRICS, latest=True)
        self._spans = Signal(self._lane(collector.TRACES), self._collector.pack) if settings.traces else None
        self._logs = Signal(self._lane(collector.LOGS), self._collector.pack) if settings.logs else None
        self._signals = [signal for signal in (self._spans, self._logs) if signal]
        self.lanes: Sequence[Lane] = [self._metrics, *(signal.lane for signal in self._signals)]
        self._encoder = RequestEncoder(settings.traces, settings.logs)
        self._start_ns = time.time_ns()

    @property
    def waiting(self) -> int:
        """How many of the last records are not in a lane yet."""
        return max((signal.waiting for signal in self._signals), default=0)

    def records(self, batch: Batch, resource: Resource) -> None:
        if not self._signals:
            return
        spans, logs = self._encoder.encode(batch, resource.region, time.time_ns())
        if self._spans is not None:
            self._spans.add(spans, len(batch), resource)
        if self._logs is not None:
            self._logs.add(logs, len(batch), resource)
        if any(signal.enough for signal in self._signals):
            self._flush()

    def tick(self, resource: Resource) -> None:
        if any(signal.due for signal in self._signals):
            self._flush()

    def _flush(self) -> None:
        """All together, so that a kill does not find a record in one signal's lane only."""
        prepared = [(signal, signal.prepare()) for signal in self._signals]
        for signal, payloads in prepared:
            for payload in payloads:
                signal.lane.publish(payload)
        for signal, payloads in prepared:
            signal.commit(payloads)

    def draft(self, metrics: Sequence[Metric], resource: Resource) -> None:
        data, count = encode_metrics.encode(metrics, resource, self._start_ns, time.time_ns())
        if count:
            self._metrics.draft(data, count)

    def metrics(self, metrics: Sequence[Metric], resource: Resource) -> None:
        data, count = encode_metrics.encode(metrics, resource, self._start_ns, time.time_ns())
        if count:
            self._metrics.put(self._collector.pack(data), count)
        self._flush()

    def _lane(self, signal: str, latest: bool = False) -> Lane:
        send = self._collector.send(signal)
        share = 1 if latest else self._share
        return Lane(
            f"the collector ({signal})",
            send,
            spool=f"otlp-{signal}",
            share=share,
            latest=latest,
            timeout=self._timeout,
        )


def from_settings(settings: Mapping[str, str], read: Callable[[], list[Metric]]) -> Otlp | None:
    where = collector_settings(settings)
    return Otlp(where) if where and not where.official else None
