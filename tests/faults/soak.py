"""`make soak`: half an hour of steady load with a change every ten seconds; memory and descriptors must not grow.

The load is a share of what one sidecar can do, found at the beginning. Every five seconds the memory (RSS) and the
descriptors of every process are read; behind a warm-up, in which pools, caches and the allocator fill, a line is laid
through the medians of each minute: the median of the slopes between any two of them (Theil and Sen), with the range in
which the slope is with 95 % (Kendall's variance, widened by how much neighbours are alike). A process holds when that
range is below the goal, leaks when it is above, and is `open` when the run was too short to tell: an allocator takes
and gives back a megabyte at a time. So that it can be told in a short run, too, each process says at both ends what is
in use after a collection (`probe/sitecustomize.py`); `make growth` judges that over thousands of changes.

Memory that sidecars share (limits, trails) has a fixed size, is allocated at their start and counted in RSS only once a
page is used: it has a column of its own, and no slope.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from benchmarks.table import table
from tests.e2e.house import Process, descendants
from tests.faults.cost import Meter, cpu
from tests.faults.growth import Kept, kept_of, probed
from tests.faults.place import Options, Place
from tests.faults.volume import descriptors

EVERY = 5.0  # seconds between two readings
BLOCK = 60.0  # seconds of which one median is taken
SLOPE = 1.0  # MiB per hour, the goal
SURE = 1.96  # standard deviations: 95 %
DRIFT = 4  # descriptors: more at the end than at the beginning


class Slope(NamedTuple):
    """MiB per hour: the best guess, and the range in which it is with 95 %."""

    middle: float
    low: float
    high: float


@dataclass
class Series:
    """Of one process: (seconds, MiB of its own, MiB that it shares, descriptors)."""

    points: list[tuple[float, float, float, int]] = field(default_factory=list)

    def slope(self) -> Slope:
        return slope(self._minutes())

    def _minutes(self) -> list[tuple[float, float]]:
        blocks: dict[int, list[tuple[float, float]]] = defaultdict(list)
        for at, size, *_ in self.points:
            blocks[int((at - self.points[0][0]) // BLOCK)].append((at, size))
        found = [each for each in blocks.values() if len(each) > 1] or list(blocks.values())
        return [(statistics.mean(at for at, _ in each), statistics.median(size for _, size in each)) for each in found]

    @property
    def size(self) -> float:
        return statistics.median(point[1] for point in self.points)

    @property
    def shared(self) -> tuple[float, float]:
        return self.points[0][2], self.points[-1][2]

    @property
    def descriptors(self) -> tuple[int, int]:
        """Medians of the first and the last fifth: connections come and go."""
        fifth = max(len(self.points) // 5, 1)
        counts = [point[3] for point in self.points]
        return int(statistics.median(counts[:fifth])), int(statistics.median(counts[-fifth:]))

    @property
    def holds(self) -> str:
        """yes, no, or open: nobody can tell yet."""
        before, after = self.descriptors
        found = self.slope()
        if after > before + DRIFT or found.low > SLOPE:
            return "no"
        return "yes" if found.high <= SLOPE else "open"


def slope(points: list[tuple[float, float]]) -> Slope:
    """Through (seconds, MiB). Of fewer than four points nothing is known."""
    if len(points) < 4:
        return Slope(float("nan"), float("-inf"), float("inf"))
    pairs = itertools.combinations(points, 2)
    slopes = sorted((later[1] - before[1]) / (later[0] - before[0]) * 3600 for before, later in pairs)
    middle, count = statistics.median(slopes), len(points)
    rest = [size - middle * at / 3600 for at, size in points]
    mean = statistics.mean(rest)
    square = sum((each - mean) ** 2 for each in rest)
    alike = sum((a - mean) * (b - mean) for a, b in itertools.pairwise(rest)) / square if square else 0.0
    alike = min(max(alike, 0.0), 0.8)
    variance = count * (count - 1) * (2 * count + 5) / 18 * (1 + alike) / (1 - alike)
    aside = SURE * variance**0.5
    low, high = math.floor((len(slopes) - aside) / 2), math.ceil((len(slopes) + aside) / 2)
    return Slope(
        middle,
        slopes[low] if low >= 0 else float("-inf"),
        slopes[high] if high < len(slopes) else float("inf"),
    )


def memory(pid: int) -> tuple[float, float]:
    """MiB of RSS: its own and of files, and what it shares in memory."""
    found = dict(
        line.split(":", 1) for line in Path("/proc", str(pid), "status").read_text().splitlines() if ":" in line
    )
    whole, shared = (int(found[name].split()[0]) / 1024 for name in ("VmRSS", "RssShmem"))
    return whole - shared, shared


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


@dataclass
class Soaked:
    """Series by process, what each kept in use behind the warm-up and at the end, and a line about the load."""

    series: dict[str, Series]
    kept: list[dict[str, Kept]]
    failures: list[str]
    told: str

    def grown(self, name: str) -> str:
        """What is in use more at the end than behind the warm-up."""
        if len(self.kept) < 2 or any(name not in each for each in self.kept):
            return "-"
        before, after = (each[name] for each in self.kept)
        return f"{after.objects - before.objects:+,} / {(after.bytes - before.bytes) / 1024:+,.0f}"


def soak(place: Place, minutes: float, share: float, warm: float) -> Soaked:
    rate = saturation(place) * share
    series: dict[str, Series] = defaultdict(Series)
    before = {name: cpu(pid) for name, pid in names(place).items()}
    kept: list[dict[str, Kept]] = []
    began, changes, due = time.monotonic(), 0, 0.0
    with place.load(rate=rate, clients=16) as load:
        while (now := time.monotonic() - began) < minutes * 60:
            if now >= due:
                place.publish()
                changes, due = changes + 1, due + 10
            if now >= warm * 60:
                if not kept:
                    kept.append(all_kept(place))
                for name, pid in names(place).items():
                    series[name].points.append((now, *memory(pid), descriptors(pid)))
            time.sleep(max(min(EVERY, due - (time.monotonic() - began)), 0.1))
        kept.append(all_kept(place))
    place.arrived(place.oracle.newest)
    used = sum(cpu(pid) - before.get(name, 0) for name, pid in names(place).items()) / (minutes * 60)
    told = (
        f"{load.total} requests ({rate:.0f}/s), {changes} changes in {minutes:g} minutes, {used:.2f} cores; "
        f"{len(load.failures)} failed; p99 {load.p99():.0f} ms"
    )
    return Soaked(dict(series), kept, load.failures, told)


def all_kept(place: Place) -> dict[str, Kept]:
    pids = names(place)
    return dict(zip(pids, kept_of(Path(place.environment["PASSERELLE_PROBE"]), *pids.values()), strict=True))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--warm", type=float, help="minutes that are not judged; a third of them by default")
    parser.add_argument("--share", type=float, default=0.2, help="of what the sidecars can do (0.2)")
    arguments = parser.parse_args()
    warm = arguments.minutes / 3 if arguments.warm is None else arguments.warm
    with tempfile.TemporaryDirectory(prefix="soak") as directory:
        place = Place(Path(directory), Options(poll=2), environment=probed(Path(directory, "told")))
        try:
            _ = place.house
            soaked = soak(place, arguments.minutes, arguments.share, warm)
        finally:
            place.stop()
    rows = []
    for name, each in sorted(soaked.series.items()):
        first, last = each.descriptors
        found = each.slope()
        rows.append(
            [name, f"{each.size:.1f}", f"{found.middle:+.2f}", f"{found.low:+.2f} .. {found.high:+.2f}",
             soaked.grown(name), "{:.1f} -> {:.1f}".format(*each.shared), f"{first} -> {last}", each.holds]
        )  # fmt: skip
    print(soaked.told)
    print(f"goal: RSS slope < {SLOPE:g} MiB/h behind {warm:g} minutes of warm-up, descriptors flat\n")
    heads = ["RSS, MiB", "slope, MiB/h", "with 95 %", "in use, objects / KiB", "shared, MiB", "descriptors", "holds"]
    print(table(["process", *heads], rows))
    for failure in soaked.failures[:10]:
        print(failure)
    return bool(soaked.failures) or any(each.holds == "no" for each in soaked.series.values())


if __name__ == "__main__":
    sys.exit(main())
