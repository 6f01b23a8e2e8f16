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
3. What a lane is given is on disk before it is sent (`keeping.py`), so what cannot be delivered in that time waits for
   the next child, and so does what a killed child leaves.
4. A batch that breaks an exporter is counted and logged; it ends nothing and no other exporter misses it.
"""

from __future__ import annotations

import gc
import logging
import os
import select
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from telemetry import frames
from telemetry.batch import Batch, Kinds, text
from telemetry.custom_metrics import CustomMetrics
from telemetry.diagnostics import Directory
from telemetry.exporters import FACTORIES, Directed, Drafting, Eventful, Exporter, Holding
from telemetry.figures import Figures
from telemetry.keeping import Keeping
from telemetry.lane import Lane
from telemetry.log import configure
from telemetry.metrics import Metric, RequestMetrics
from telemetry.records import EventRecord, Row
from telemetry.recovery import EXPORTERS, FIRST, SUMS, Recovery, Safe, Said
from telemetry.settings import Resource
from telemetry.settings import metrics as metric_settings
from telemetry.state import GatewayMetrics, Limits, Standing
from telemetry.vitals import JournalCounts, process_metrics, telemetry_metrics

logger = logging.getLogger(__name__)

DRAIN = 1.4  # seconds; the sidecar gives the whole shutdown 2
READ = 256 * 1024  # bytes
TICK = 0.5  # seconds
FIGURES_INTERVAL = 5.0  # seconds
DRAFT = 1.0  # seconds

Taker = Callable[[Batch, Resource], None]


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
        self._kinds = Kinds()
        self._journal = JournalCounts()
        self._exporters: list[Exporter] = []
        self._slots: list[int] = []  # of the exporters, on the trail
        assert len(FACTORIES) <= EXPORTERS
        for slot, factory in enumerate(FACTORIES, FIRST):
            exporter = factory(settings, self.read)
            if exporter is not None:
                self._exporters.append(exporter)
                self._slots.append(slot)
        self._keeping = Keeping(settings)
        self._keeping.attach(self._lanes())
        self._said = Said()
        self._recovery = Recovery(settings, self._resource.instance_id, self._slots)
        self._draft_at = 0.0  # 0 for not before there is something new
        self._draft_after = DRAFT
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
            self._recover()
            self._journal.dropped, self._journal.respawned, rows = content
            self._recovery.took(len(rows))
            try:
                batch = self._kinds.batch(frames.rows(rows))
            except Exception:
                self._broken(len(rows))
            else:
                self._records(batch)
        elif kind == frames.TRAIL:
            self._recovery.follow(*content)
        elif kind == frames.IDENTITY:
            gateway_id, region = content
            self._resource = Resource(self._resource.instance_id, gateway_id, region, self._resource.process_id)
        elif kind == frames.STANDING:
            self._gateway.standing = Standing._make(content)
        elif kind == frames.LIMITS:
            self._gateway.limits = Limits._make(content)
        elif kind == frames.EVENTS:
            self._journal.dropped_events, events, path, number = content
            for left in self._said.follow(path, number - len(events)):
                self._events(left)
            self._events(events)
            self._said.took(number)
            self._settle_events()
        elif kind == frames.LOGGERS:
            directory = Directory(content)
            for exporter in self._exporters:
                if isinstance(exporter, Directed):
                    exporter.direct(directory)

    def tick(self) -> None:
        self._keeping.tick(self._lanes())
        if not self._recovery.patient():
            self._recover()
        for slot, exporter in zip(self._slots, self._exporters, strict=True):
            try:
                exporter.tick(self._resource)
            except Exception:
                self._broken(0)
            self._recovery.settle(slot, _waiting(exporter))
        self._settle_events()
        now = time.monotonic()
        if now >= self._export_at:
            self._export_at = now + self._metric_settings.interval
            self._export_metrics()
        elif self._draft_at and now >= self._draft_at:
            self._draft_metrics()
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
        self._recover()
        self._tell_rest(deadline)
        lanes = self._lanes()
        dropped = sum(sum(lane.dropped.values()) for lane in lanes)
        self._export_metrics()
        for slot, exporter in zip(self._slots, self._exporters, strict=True):
            if isinstance(exporter, Holding):
                exporter.flush()
            self._recovery.settle(slot, _waiting(exporter))
        if dropped != sum(sum(lane.dropped.values()) for lane in lanes):
            self._export_metrics()  # what the last records pushed out is told too
        self._settle_events()
        for lane in lanes:
            lane.finish(deadline)
        for lane in lanes:
            lane.join(deadline)
        kept = sum(lane.kept for lane in lanes)
        lost = sum(lane.queued - lane.kept + sum(lane.dropped.values()) for lane in lanes)
        if kept:
            logger.info("%d telemetry items wait on disk for the next start.", kept, extra={"event": "TelemetryKept"})
        if lost:
            logger.warning("%d telemetry items were lost.", lost, extra={"event": "TelemetryLost"})

    def _lanes(self) -> list[Lane]:
        return [lane for exporter in self._exporters for lane in exporter.lanes]

    def _recover(self) -> None:
        """What the dead left goes to those who keep it from dying again, and into the sums; it is on no log twice."""
        try:
            for safe, records in self._recovery.records():
                self._recovered(safe, records)
            for rows in self._recovery.said():
                self._events(rows)
                for each in self._exporters:
                    if isinstance(each, Eventful):
                        each.flush()
        except Exception:
            self._broken(0)

    def _recovered(self, safe: Safe, records: Sequence[tuple[int, Row]]) -> None:
        self._keeping.attach(self._lanes())
        takers: list[tuple[int, Taker]] = [(SUMS, take) for take in self._sums()]
        for slot, exporter in zip(self._slots, self._exporters, strict=True):
            if any(lane.spool for lane in exporter.lanes):
                takers.append((slot, exporter.records))
        for slot, take in takers:
            rows = [row for number, row in records if number >= safe[slot]]
            if rows:
                self._give(take, self._kinds.batch(rows))

    def _records(self, batch: Batch) -> None:
        self._keeping.attach(self._lanes())
        for take in self._sums():
            self._give(take, batch)
        for slot, exporter in zip(self._slots, self._exporters, strict=True):
            self._give(exporter.records, batch)
            self._recovery.settle(slot, _waiting(exporter))

    def _sums(self) -> list[Taker]:
        self._draft_at = self._draft_at or time.monotonic() + self._draft_after
        told = [self._figures.add] if self._way_back is not None else []
        return [self._requests.add, self._gateway.add, self._custom.add, *told]

    def _give(self, take: Taker, batch: Batch) -> None:
        try:
            take(batch, self._resource)
        except Exception:
            self._broken(len(batch))

    def _settle_events(self) -> None:
        if not any(isinstance(each, Eventful) and each.holds for each in self._exporters):
            self._said.settle()

    def _events(self, rows: Sequence[Row]) -> None:
        events = [text(EventRecord._make(row)) for row in rows]
        self._keeping.attach(self._lanes())
        for exporter in self._exporters:
            if isinstance(exporter, Eventful):
                try:
                    exporter.events(events)
                except Exception:
                    self._broken(len(events))

    def _broken(self, count: int) -> None:
        self._journal.broken += count
        logger.exception("%d request records could not be handled.", count, extra={"event": "ErrorLoggingRequest"})

    def _draft_metrics(self) -> None:
        """For what a kill would take. However many series there are, it takes a fiftieth of the time."""
        drafts = [each.draft for each in self._exporters if isinstance(each, Drafting)]
        began = time.monotonic()
        metrics = self.read() if drafts else []
        for draft in drafts:
            try:
                draft(metrics, self._resource)
            except Exception:
                self._broken(0)
        self._recovery.settle(SUMS)
        self._draft_at = 0.0
        self._draft_after = max(DRAFT, 50 * (time.monotonic() - began))

    def _export_metrics(self) -> None:
        self._draft_at = 0.0
        metrics = self.read()
        for slot, exporter in zip(self._slots, self._exporters, strict=True):
            try:
                exporter.metrics(metrics, self._resource)
            except Exception:
                self._broken(0)
            self._recovery.settle(slot, _waiting(exporter))
        self._recovery.settle(SUMS)


def _waiting(exporter: Exporter) -> int:
    """How many of the last records it holds, but has not put into its lanes."""
    return getattr(exporter, "waiting", 0)


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
        # Batches come and go whole and hold no cycles: looking for some in the middle of one costs a tenth of it.
        gc.freeze()
        gc.set_threshold(100_000, 20, 20)
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
