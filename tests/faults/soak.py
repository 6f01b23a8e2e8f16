"""`make soak`: half an hour of steady load with a change every ten seconds; memory and descriptors must not grow.

The load is a share of what one sidecar can do, found at the beginning. Every five seconds the memory (RSS) and the
descriptors of every process are read; behind a warm-up, a line is laid through them by least squares. A house is given
time to warm: pools, caches and the allocator fill within minutes, so short runs show a slope that long ones do not.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.table import table
from tests.e2e.house import Process, descendants
from tests.faults.cost import Meter, cpu
from tests.faults.place import Options, Place
from tests.faults.volume import descriptors

EVERY = 5.0  # seconds between two readings
SLOPE = 1.0  # MiB per hour, the goal
NOISE = 0.5  # MiB that a process may be up and down without a trend, as the allocator's pages are
DRIFT = 4  # descriptors: more at the end than at the beginning


@dataclass
class Series:
    """Of one process: (seconds, MiB, descriptors)."""

    points: list[tuple[float, float, int]] = field(default_factory=list)

    def slope(self) -> float:
        """MiB per hour."""
        times, sizes = [point[0] for point in self.points], [point[1] for point in self.points]
        return statistics.linear_regression(times, sizes).slope * 3600

    @property
    def grown(self) -> float:
        """MiB between the medians of the first and the last fifth."""
        fifth = max(len(self.points) // 5, 1)
        sizes = [point[1] for point in self.points]
        return statistics.median(sizes[-fifth:]) - statistics.median(sizes[:fifth])

    @property
    def descriptors(self) -> tuple[int, int]:
        """Medians of the first and the last fifth: connections come and go."""
        fifth = max(len(self.points) // 5, 1)
        counts = [point[2] for point in self.points]
        return int(statistics.median(counts[:fifth])), int(statistics.median(counts[-fifth:]))

    @property
    def leaks(self) -> bool:
        before, after = self.descriptors
        return (self.slope() > SLOPE and self.grown > NOISE) or after > before + DRIFT


def names(place: Place) -> dict[str, int]:
    """Every process of the house, by a name that stays."""
    assert place.house.up is not None
    found: dict[str, int] = {}
    for process in [*descendants(place.house.up.pid), *restarted(place)]:
        name = process.module
        if name == "proxy":
            name = f"sidecar {place.house.gateways.index(gateway(place, process)) + 1}"
        elif name == "telemetry":
            name = f"telemetry of {process.environment.get('instance.id', '').rpartition(':')[2]}"
        if name:
            found[name] = process.pid
    return found


def restarted(place: Place) -> list[Process]:
    alive = [each.pid for each in place.house.restarted if each.poll() is None]
    return [process for pid in alive for process in (Process.read(pid), *descendants(pid))]


def gateway(place: Place, process: Process) -> str:
    port = process.environment["net.server.http.port"]
    return next(each for each in place.house.gateways if each.endswith(f":{port}"))


def saturation(place: Place) -> float:
    """Requests/s that all sidecars together could serve on one core each, from what a request costs."""
    process = place.sidecar(0)
    with place.load([place.house.gateways[0]], rate=200) as load:
        time.sleep(3)
    meter = Meter(process.pid)
    with place.load([place.house.gateways[0]], rate=200) as load:
        time.sleep(5)
    return 1000 / meter.per_request(load.total) * min(len(place.house.gateways), os.cpu_count() or 1)


def soak(place: Place, minutes: float, share: float, warm: float) -> tuple[dict[str, Series], list[str], str]:
    """Series by process, what went wrong, and a line about the load."""
    rate = saturation(place) * share
    series: dict[str, Series] = defaultdict(Series)
    before = {name: cpu(pid) for name, pid in names(place).items()}
    began, changes, due = time.monotonic(), 0, 0.0
    with place.load(rate=rate, clients=16) as load:
        while (now := time.monotonic() - began) < minutes * 60:
            if now >= due:
                place.publish()
                changes, due = changes + 1, due + 10
            if now >= warm * 60:
                for name, pid in names(place).items():
                    series[name].points.append((now, Process.read(pid).rss_mb(), descriptors(pid)))
            time.sleep(max(min(EVERY, due - (time.monotonic() - began)), 0.1))
    place.arrived(place.oracle.newest)
    used = sum(cpu(pid) - before.get(name, 0) for name, pid in names(place).items()) / (minutes * 60)
    told = (
        f"{load.total} requests ({rate:.0f}/s), {changes} changes in {minutes:g} minutes, {used:.2f} cores; "
        f"{len(load.failures)} failed; p99 {load.p99():.0f} ms"
    )
    return dict(series), load.failures, told


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--warm", type=float, help="minutes that are not judged; a third of them by default")
    parser.add_argument("--share", type=float, default=0.2, help="of what the sidecars can do (0.2)")
    arguments = parser.parse_args()
    warm = arguments.minutes / 3 if arguments.warm is None else arguments.warm
    with tempfile.TemporaryDirectory(prefix="soak") as directory:
        place = Place(Path(directory), Options(poll=2))
        try:
            _ = place.house
            series, failures, told = soak(place, arguments.minutes, arguments.share, warm)
        finally:
            place.stop()
    rows = []
    for name, each in sorted(series.items()):
        first, last = each.descriptors
        size = statistics.median(point[1] for point in each.points)
        rows.append(
            [name, f"{size:.1f}", f"{each.slope():+.2f}", f"{each.grown:+.2f}", f"{first} -> {last}",
             "no" if each.leaks else "yes"]
        )  # fmt: skip
    print(told)
    print(f"goal: RSS slope < {SLOPE:g} MiB/h behind {warm:g} minutes of warm-up, descriptors flat\n")
    print(table(["process", "RSS, MiB", "slope, MiB/h", "grown, MiB", "descriptors", "holds"], rows))
    for failure in failures[:10]:
        print(failure)
    return bool(failures) or any(each.leaks for each in series.values())


if __name__ == "__main__":
    sys.exit(main())
