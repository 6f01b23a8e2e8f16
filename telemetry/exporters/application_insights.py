"""Application Insights: what the diagnostics of the configuration send to loggers of that type, and one of a setting.

Rules
1. One lane per logger. A logger that changes gets a new one; the old one stays until it is empty.
2. A batch is at most `ITEMS` items and `BYTES` bytes of JSON; items wait for at most `LINGER` seconds, those of a
   logger that is not buffered for nothing.
3. Custom metrics are added up for `INTERVAL` seconds, or the metrics interval where that is shorter: number, sum,
   least, greatest per name and dimensions, of all requests, sampled or not, whose diagnostic has `metrics`. At most
   `SERIES` of them; more are counted as lost.
4. The logger of the setting takes the requests that no diagnostic sends to Application Insights, all of them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from telemetry.diagnostics import Applied, Diagnostic, Directory, Logger
from telemetry.encode.insights import InsightsEncoder
from telemetry.https import closed_to, open_to_all
from telemetry.identity import IdentitySettings
from telemetry.ingestion import Ingestion, Insights
from telemetry.lane import Lane
from telemetry.log import choice
from telemetry.metrics import Metric
from telemetry.records import MetricRecord, RequestRecord
from telemetry.sampling import sampled
from telemetry.settings import Resource, flag
from telemetry.settings import metrics as metric_settings
from telemetry.tokens import Tokens

logger = logging.getLogger(__name__)

CONNECTION = "telemetry.applicationinsights.connection"
CONNECTION_FILE = "telemetry.applicationinsights.connection.file"
EXPORTER = "telemetry.applicationinsights.exporter"
EXPORTERS = ("native", "azure-sdk")
KIND = "applicationInsights"
ITEMS = 500
BYTES = 1_000_000
LINGER = 1.0  # seconds
INTERVAL = 15.0  # seconds
SERIES = 5_000

_Key = tuple[str, str, tuple[tuple[str, str], ...]]


class Way(Protocol):
    """How a payload gets there: `send` is a lane's."""

    def send(self, data: bytes, timeout: float) -> None: ...

    def close(self) -> None: ...


class Sender:
    """One Application Insights resource: its lane, and what waits to be put into it."""

    def __init__(
        self, name: str, insights: Insights, way: Way, service: str, interval: float = INTERVAL, buffered: bool = True
    ) -> None:
        self._interval = int(interval * 1e9)
        self._buffered = buffered
        self.encoder = InsightsEncoder(insights.key, service)
        mark = sha256(f"{insights.endpoint} {insights.key}".encode()).hexdigest()[:8]
        self.lane = Lane(f"Application Insights ({name})", way.send, spool=f"insights-{name}-{mark}")
        self._way = way
        self._items: list[bytes] = []
        self._bytes = self._first = 0
        self._since = 0.0
        self._series: dict[_Key, list[float]] = {}
        self._began, self._opened = time.time_ns(), time.monotonic_ns()  # the clock may be set meanwhile

    @property
    def first(self) -> int | None:
        """The number of the first record that is held and not in the lane; None for none."""
        return self._first if self._items else None

    def add(self, number: int, record: RequestRecord, diagnostic: Diagnostic, resource: Resource) -> None:
        """`number` is the record's place among all that came."""
        if diagnostic.metrics and record.metrics:
            for emitted in record.metrics:
                self._count(emitted)
        percentage = sampled(record, diagnostic)
        if percentage is None:
            return
        for item in self.encoder.envelopes(record, diagnostic, resource, percentage):
            self._take(item)
            if len(self._items) == 1:
                self._first = number

    def tick(self, resource: Resource) -> None:
        if self._series and time.monotonic_ns() - self._opened >= self._interval:
            self._cut(resource)
        if self._items and not (self._buffered and time.monotonic() - self._since < LINGER):
            self.flush()

    def finish(self, resource: Resource) -> None:
        """Put everything that waits into the lane."""
        self._cut(resource)
        self.flush()

    def flush(self) -> None:
        if self._items:
            self.lane.put(b"[" + b",".join(self._items) + b"]", len(self._items))
            self._items, self._bytes = [], 0

    def end(self) -> bool:
        """Give up the lane and the connection of a logger that is gone, once all is delivered."""
        if self.lane.queued:
            return False
        self.lane.finish(time.monotonic())
        self.lane.join(time.monotonic() + 0.1)
        self._way.close()
        return True

    def _take(self, item: bytes) -> None:
        if self._bytes + len(item) > BYTES or len(self._items) >= ITEMS:
            self.flush()
        if not self._items:
            self._since = time.monotonic()
        self._items.append(item)
        self._bytes += len(item) + 1

    def _count(self, emitted: MetricRecord) -> None:
        key = (emitted.namespace, emitted.name, emitted.dimensions)
        held = self._series.get(key)
        if held is None:
            if not self._series:
                self._began, self._opened = time.time_ns(), time.monotonic_ns()
            elif len(self._series) >= SERIES:
                self.lane.dropped["too-many-series"] += 1
                return
            self._series[key] = [1, emitted.value, emitted.value, emitted.value]
            return
        held[0] += 1
        held[1] += emitted.value
        held[2] = min(held[2], emitted.value)
        held[3] = max(held[3], emitted.value)

    def _cut(self, resource: Resource) -> None:
        interval = (time.monotonic_ns() - self._opened) // 1_000_000
        for (namespace, name, dimensions), (count, total, low, high) in self._series.items():
            emitted = MetricRecord(namespace, name, total, dimensions)
            values = (int(count), total, low, high)
            self._take(self.encoder.metric(emitted, values, self._began, interval, resource))
        self._series.clear()


class ApplicationInsights:
    """`own` is the logger of the setting, if there is one."""

    def __init__(self, settings: Mapping[str, str], own: Insights | None) -> None:
        self._settings = settings
        self._interval = metric_settings(settings).interval
        self._plain = flag(settings, "net.client.http.allowed", False)
        self._closed = closed_to(settings)
        self._identity = IdentitySettings.read(settings)
        self._tokens = Tokens(self._identity)
        self._directory = Directory()
        self._senders: dict[str, tuple[Logger | None, Sender]] = {}
        self._retired: list[Sender] = []
        self._own = own
        self._resource = Resource("")
        self._came = 0  # records
        if own is not None:
            self._senders[""] = (None, self._sender("setting", own, Ingestion(own, None, open_to_all)))

    @property
    def lanes(self) -> Sequence[Lane]:
        return [each.lane for _, each in self._senders.values()] + [each.lane for each in self._retired]

    @property
    def waiting(self) -> int:
        """How many of the last records are not in a lane yet."""
        held = (sender.first for _, sender in self._senders.values())
        return self._came - min((each for each in held if each is not None), default=self._came)

    def direct(self, directory: Directory) -> None:
        service_moved = directory.service != self._directory.service
        self._directory = directory
        wanted = {each.id.lower(): each for each in directory.named(KIND)}
        for name in list(self._senders):
            held = self._senders[name][0]
            if held is not None and (service_moved or wanted.get(name) != held):
                self._retire(self._senders.pop(name)[1])
        for name, each in wanted.items():
            if name not in self._senders and (made := self._made(each)) is not None:
                self._senders[name] = (each, made)

    def records(self, batch: Sequence[RequestRecord], resource: Resource) -> None:
        self._resource = resource
        first, self._came = self._came, self._came + len(batch)
        if not self._senders:
            return
        for number, record in enumerate(batch, first):
            sent = False
            for applied in self._directory.of(record):
                sender = self._sender_of(applied)
                if sender is not None:
                    sender.add(number, record, applied.diagnostic, resource)
                    sent = True
            if not sent and self._own is not None:
                self._senders[""][1].add(number, record, OWN, resource)

    def tick(self, resource: Resource) -> None:
        self._resource = resource
        for _, sender in self._senders.values():
            sender.tick(resource)
        self._retired = [each for each in self._retired if not each.end()]

    def metrics(self, metrics: Sequence[Metric], resource: Resource) -> None:
        """Application Insights is told of requests; their metrics are what policies emit, and have their own time."""

    def flush(self) -> None:
        for _, sender in self._senders.values():
            sender.finish(self._resource)

    def _sender_of(self, applied: Applied) -> Sender | None:
        if applied.logger.type != KIND:
            return None
        found = self._senders.get(applied.logger.id.lower())
        return found[1] if found is not None else None

    def _retire(self, sender: Sender) -> None:
        sender.finish(self._resource)
        self._retired.append(sender)

    def _made(self, found: Logger) -> Sender | None:
        try:
            insights = Insights.read(dict(found.credentials), self._plain)
        except ValueError as problem:
            logger.error(
                "Logger '%s' is not used: %s. Correct its credentials.",
                found.id,
                problem,
                extra={"event": "LoggerUnusable"},
            )
            return None
        token = None
        if insights.identity is not None:
            if self._identity.source == "none":
                logger.warning(
                    "Logger '%s' wants an identity, and this gateway has none (policy.identity.source): it sends with "
                    "the key alone.",
                    found.id,
                    extra={"event": "LoggerWithoutIdentity"},
                )
            else:
                token = self._tokens.token
        return self._sender(found.id, insights, Ingestion(insights, token, self._closed), found.buffered)

    def _sender(self, name: str, insights: Insights, way: Way, buffered: bool = True) -> Sender:
        if choice(self._settings, EXPORTER, EXPORTERS, "native") == "azure-sdk":
            from telemetry.azure_sdk import AzureSdk  # only when it is asked for: it costs 23 MB

            spool = self._settings.get("telemetry.spool.path", "").strip()
            way = AzureSdk(insights, f"{spool}/azure-sdk" if spool not in ("", "none") else "")
        return Sender(name, insights, way, self._directory.service, min(INTERVAL, self._interval), buffered)


# What the logger of the setting is told: all, and the metrics too.
OWN = Diagnostic("applicationinsights", "", correlation="W3C", metrics=True)


def from_settings(settings: Mapping[str, str], read: Callable[[], list[Metric]]) -> ApplicationInsights:
    text, file = settings.get(CONNECTION, "").strip(), settings.get(CONNECTION_FILE, "").strip()
    if file:
        try:
            text = Path(file).read_text(encoding="utf-8").strip()
        except OSError as problem:
            raise ValueError(f"setting {CONNECTION_FILE}: {file} cannot be read: {problem.strerror}") from None
    if choice(settings, EXPORTER, EXPORTERS, "native") == "azure-sdk":
        from telemetry.azure_sdk import check

        check()
    own = None
    if text:
        try:
            own = Insights.read({"connectionString": text}, flag(settings, "net.client.http.allowed", False))
        except ValueError as problem:
            raise ValueError(f"setting {CONNECTION}: {problem}") from None
    return ApplicationInsights(settings, own)
