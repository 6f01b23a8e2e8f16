"""Telemetry about telemetry and, when asked for, about the sidecar's process: what was queued, dropped and exported."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from telemetry.lane import Lane
from telemetry.metrics import Metric, Point


@dataclass(slots=True)
class JournalCounts:
    """What the sidecar's journal said last, in records and events; `broken` is what this child could not handle."""

    dropped: int = 0
    dropped_events: int = 0
    respawned: int = 0
    broken: int = 0


class HasLanes(Protocol):
    @property
    def lanes(self) -> Sequence[Lane]: ...


def telemetry_metrics(exporters: Sequence[HasLanes], journal: JournalCounts) -> Iterator[Metric]:
    lanes = [lane for exporter in exporters for lane in exporter.lanes]

    def by_lane(name: str) -> tuple[tuple[str, str], ...]:
        return (("destination", name),)

    yield Metric(
        "apim.telemetry.queued",
        "gauge",
        "{item}",
        "Items that wait for their destination",
        tuple(Point(by_lane(lane.name), lane.queued) for lane in lanes),
    )
    yield Metric(
        "apim.telemetry.exported",
        "counter",
        "{item}",
        "Items that reached their destination",
        tuple(Point(by_lane(lane.name), lane.exported) for lane in lanes),
    )
    yield Metric(
        "apim.telemetry.retried",
        "counter",
        "{message}",
        "Tries that failed and were or will be made again",
        tuple(Point(by_lane(lane.name), lane.retried) for lane in lanes),
    )
    yield Metric(
        "apim.telemetry.spool.bytes",
        "gauge",
        "By",
        "What waits on disk takes there",
        tuple(Point(by_lane(lane.name), lane.on_disk) for lane in lanes if lane.spool),
    )
    dropped = [
        Point((("destination", lane.name), ("reason", reason)), count)
        for lane in lanes
        for reason, count in lane.dropped.copy().items()
    ]
    dropped.append(Point((("destination", "journal"), ("reason", "queue-full")), journal.dropped))
    dropped.append(Point((("destination", "journal"), ("reason", "broken-record")), journal.broken))
    dropped.append(Point((("destination", "journal"), ("reason", "events-full")), journal.dropped_events))
    yield Metric("apim.telemetry.dropped", "counter", "{item}", "Items that were lost", tuple(dropped))
    yield Metric(
        "apim.telemetry.respawned",
        "counter",
        "{process}",
        "Telemetry children that had to be replaced",
        (Point((), journal.respawned),),
    )


def process_metrics(process_id: int) -> Iterator[Metric]:
    """CPU time in seconds and resident memory in bytes of the sidecar; nothing where there is no /proc."""
    try:
        with open(f"/proc/{process_id}/stat", encoding="utf-8", errors="replace") as file:
            # The second field is the command in parentheses and may contain blanks.
            values = file.read().rpartition(")")[2].split()
    except OSError:
        return
    ticks = os.sysconf("SC_CLK_TCK")
    user, system = int(values[11]) / ticks, int(values[12]) / ticks
    yield Metric(
        "process.cpu.time",
        "counter",
        "s",
        "CPU time of the sidecar",
        (Point((("cpu.mode", "user"),), user), Point((("cpu.mode", "system"),), system)),
    )
    memory = int(values[21]) * os.sysconf("SC_PAGE_SIZE")
    yield Metric("process.memory.usage", "gauge", "By", "Resident memory of the sidecar", (Point((), memory),))
