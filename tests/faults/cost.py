"""What a process costs: processor time, memory and descriptors, from /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.house import Process, descendants

TICKS = os.sysconf("SC_CLK_TCK")


def cpu(pid: int) -> float:
    """Seconds of processor time so far."""
    fields = Path("/proc", str(pid), "stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def precise_cpu(pid: int) -> float:
    """The same from the scheduler, to the nanosecond; where it keeps no such books, as above."""
    try:
        tasks = list(Path("/proc", str(pid), "task").iterdir())
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
    except (OSError, ValueError):
        return cpu(pid)


def family(process: Process) -> list[int]:
    """A sidecar and its telemetry child."""
    return [process.pid, *(each.pid for each in descendants(process.pid))]


def resident(pids: list[int]) -> float:
    """MiB."""
    return sum(Process.read(pid).rss_mb() for pid in pids)


@dataclass
class Meter:
    """Processor time of one process per request, between two readings."""

    pid: int

    def __post_init__(self) -> None:
        self._began = cpu(self.pid)

    def per_request(self, requests: int) -> float:
        """Milliseconds."""
        return (cpu(self.pid) - self._began) / max(requests, 1) * 1000
