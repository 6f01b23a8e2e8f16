"""The telemetry child: frames in on standard input, everything else out. Read this first after `records.py`.

    sidecar ──pipe──▶ read ──▶ metrics (dictionaries)      ──▶ per interval ─┐
       ▲                ├────▶ exporters: encode ──▶ lane ──▶ destination ◀──┘
       └─────pipe──── figures (sums for the plane)

Rules
1. One thread reads, aggregates and encodes; it never waits for a destination. Each destination has a lane (a bounded
   queue and a thread), so a collector that hangs costs its own records only.
2. The child ends when its input ends: the sidecar closed the pipe or was killed. It has `DRAIN` seconds to deliver what
   it holds, figures first, then it is gone. Signals meant for the sidecar's process group do not end it
   (`__main__.py`).
3. A batch that breaks an exporter is counted and logged; it ends nothing and no other exporter misses it.
"""

from __future__ import annotations

import logging
import os
import select
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from telemetry import frames, redact
from telemetry.custom_metrics import CustomMetrics
from telemetry.exporters import FACTORIES, Exporter
from telemetry.figures import Figures
from telemetry.log import configure
from telemetry.metrics import Metric, RequestMetrics
from telemetry.records import RequestRecord
from telemetry.settings import Resource
from telemetry.settings import metrics as metric_settings
from telemetry.state import GatewayMetrics, Standing
from telemetry.vitals import JournalCounts, process_metrics, telemetry_metrics

logger = logging.getLogger(__name__)

DRAIN = 1.4  # seconds; the sidecar gives the whole shutdown 2
READ = 256 * 1024  # bytes
TICK = 0.5  # seconds
FIGURES_INTERVAL = 5.0  # seconds


class Child:
    """All exporters and aggregates of one sidecar process. `way_back` is the pipe for figures, if they are wanted."""

    def __init__(self, settings: Mapping[str, str], parent: int, way_back: int | None = None) -> None:
        self._metric_settings = metric_settings(settings)
        self._resource = Resource(
            instance_id=settings.get("instance.id", ""),
            gateway_id=settings.get("gateway.name", ""),
            process_id=parent,
        )
        self._requests = RequestMetrics(self._metric_settings)
        self._gateway = GatewayMetrics(self._metric_settings.max_series)
        self._custom = CustomMetrics(self._metric_settings.max_series)
        self._journal = JournalCounts()
        self._exporters: list[Exporter] = []
        for factory in FACTORIES:
            exporter = factory(settings, self.read)
            if exporter is not None:
                self._exporters.append(exporter)
        self._export_at = time.monotonic() + self._metric_settings.interval
        self._figures = Figures()
        self._way_back = way_back
        self._telling = bytearray()
        self._tell_at = time.monotonic() + FIGURES_INTERVAL

    def read(self) -> list[Metric]:
        """Every metric as it is now; safe from any thread."""
        metrics = self._requests.read() + self._gateway.read() + self._custom.read()
        metrics += telemetry_metrics(self._exporters, self._journal)
        if self._metric_settings.system:
            metrics += process_metrics(self._resource.process_id)
        return metrics

    def frame(self, kind: str, content: Any) -> None:
        if kind == frames.RECORDS:
            self._journal.dropped, self._journal.respawned, rows = content
            self._records([_clean(frames.record(row)) for row in rows])
        elif kind == frames.IDENTITY:
            gateway_id, region = content
            self._resource = Resource(self._resource.instance_id, gateway_id, region, self._resource.process_id)
        elif kind == frames.STANDING:
            self._gateway.standing = Standing._make(content)

    def tick(self) -> None:
        for exporter in self._exporters:
            try:
                exporter.tick(self._resource)
            except Exception:
                self._broken(0)
        now = time.monotonic()
        if now >= self._export_at:
            self._export_at = now + self._metric_settings.interval
            self._export_metrics()
        if now >= self._tell_at:
            self._tell_at = now + FIGURES_INTERVAL
            self._cut()
        self._tell()

    def _cut(self) -> None:
        """Only when the last document has gone: while the sidecar does not read, sums grow and nothing else does."""
        if self._way_back is None or self._telling:
            return
        try:
            document = self._figures.cut()
        except Exception:
            self._broken(0)
            return
        if document is not None:
            self._telling += frames.LENGTH.pack(len(document)) + document

    def _tell(self) -> None:
        try:
            while self._way_back is not None and self._telling:
                del self._telling[: os.write(self._way_back, self._telling)]
        except BlockingIOError:
            pass
        except OSError:  # nobody reads any more
            self._way_back = None

    def _tell_rest(self, deadline: float) -> None:
        self._tell()
        self._cut()
        self._tell()
        while self._telling and self._way_back is not None and (left := deadline - time.monotonic()) > 0:
            select.select([], [self._way_back], [], left)
            self._tell()

    def close(self, deadline: float) -> None:
        """Deliver what is held, at the latest until `deadline`, monotonic seconds."""
        self._tell_rest(deadline)
        self._export_metrics()
        lanes = [lane for exporter in self._exporters for lane in exporter.lanes]
        for lane in lanes:
            lane.finish(deadline)
        for lane in lanes:
            lane.join(deadline)
        lost = sum(lane.queued + sum(lane.dropped.values()) for lane in lanes)
        if lost:
            logger.warning("%d telemetry items were lost.", lost, extra={"event": "TelemetryLost"})

    def _records(self, batch: Sequence[RequestRecord]) -> None:
        takers = [
            self._requests.add,
            self._gateway.add,
            self._custom.add,
            *(exporter.records for exporter in self._exporters),
        ]
        if self._way_back is not None:
            takers.append(self._figures.add)
        for take in takers:
            try:
                take(batch, self._resource)
            except Exception:
                self._broken(len(batch))

    def _broken(self, count: int) -> None:
        self._journal.broken += count
        logger.exception("%d request records could not be handled.", count, extra={"event": "ErrorLoggingRequest"})

    def _export_metrics(self) -> None:
        metrics = self.read()
        for exporter in self._exporters:
            try:
                exporter.metrics(metrics, self._resource)
            except Exception:
                self._broken(0)


def _clean(record: RequestRecord) -> RequestRecord:
    """Without secrets in its URLs, and without what no encoder can write: bytes that are no text, from a client."""
    if record.errors or record.traces or record.last_error or not (record.url + record.backend_url).isascii():
        record = RequestRecord._make(map(_text, record))
    if "?" not in record.url and "?" not in record.backend_url:
        return record
    return record._replace(url=redact.url(record.url), backend_url=redact.url(record.backend_url))


def _text(value: Any) -> Any:
    """Strings that UTF-8 can hold; what it cannot becomes a question mark."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, tuple):
        return value._make(map(_text, value)) if hasattr(value, "_make") else tuple(map(_text, value))
    return value


def serve(child: Child, descriptor: int) -> None:
    """Until the input ends."""
    buffer = bytearray()
    while True:
        ready, _, _ = select.select([descriptor], [], [], TICK)
        if ready:
            data = os.read(descriptor, READ)
            if not data:
                return
            buffer += data
            for kind, content in frames.unpack(buffer):
                child.frame(kind, content)
        child.tick()


def main() -> None:
    """`python -m telemetry [descriptor]`: settings from the environment, frames on standard input, figures out."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    code = 0
    handler: logging.Handler | None = None
    try:
        handler = configure(os.environ, "telemetry")
        way_back = int(sys.argv[1]) if len(sys.argv) > 1 else None
        if way_back is not None:
            os.set_blocking(way_back, False)
        child = Child(os.environ, os.getppid(), way_back)
        serve(child, sys.stdin.fileno())
        child.close(time.monotonic() + DRAIN)
    except ValueError as failure:
        code = 2
        logger.error("%s", failure, extra={"event": "TelemetryNotStarted"})
    except frames.BrokenPipeStream as failure:
        code = 1
        logger.error("%s", failure, extra={"event": "TelemetryBroken"})
    finally:
        if handler is not None:
            handler.flush()
    # Threads that still wait for a collector do not keep the process.
    os._exit(code)
