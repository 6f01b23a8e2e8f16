"""`python -m benchmarks.outage`: what a collector that is no help costs requests, beside telemetry turned off.

One backend; for each line an agent with one sidecar (one worker) and a collector of that kind, all on loopback in this
run. Every request goes through a key, a rate limit and three headers, and makes spans, a log record and metrics. Rounds
are interleaved, each in another order, and a share is that of a line's throughput in "off" of the same round, so that a
slow minute of the machine strikes all alike. CPU is that of the process itself; a record that is on disk, in memory or
delivered is not dropped.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from benchmarks import configuration, load
from benchmarks.collector import MODES
from benchmarks.peers.backend import BODY
from benchmarks.processes import MEGABYTE, NotReady, Process, descendants, free_port, listens, usage
from benchmarks.sidecar import Sidecar
from benchmarks.table import table

LINES = ("off", "ok", "down", "hang", "slow", "unavailable")
ABOUT = {
    "off": "telemetry off",
    "ok": "a collector that takes everything",
    "down": "connections are refused",
    "hang": "a black hole: it never answers",
    "slow": "a second for each answer",
    "unavailable": "503",
}


@dataclass
class Line:
    """One kind of collector; the lists have an entry for each round. CPU is microseconds per request."""

    name: str
    sidecar: Sidecar
    directory: Path
    throughput: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    child_cpu: list[float] = field(default_factory=list)
    failures: int = 0

    async def measure(self, count: int, connections: int) -> None:
        pid, port = self.sidecar.process.pid, self.sidecar.port
        family = descendants(pid)
        before, child_before = usage(pid).cpu, sum(usage(each).cpu for each in family)
        asked = load.request("/shaped/item", port, f"Ocp-Apim-Subscription-Key: {configuration.KEY}")
        result = await load.run(port, asked, count=count, connections=connections, length=len(BODY))
        self.throughput.append(result.throughput)
        self.p99.append(result.percentile(0.99) * 1000)
        self.cpu.append((usage(pid).cpu - before) / count * 1e6)
        self.child_cpu.append((sum(usage(each).cpu for each in family) - child_before) / count * 1e6)
        self.failures += result.failures

    def resident(self) -> float:
        """Megabytes of the telemetry child."""
        return sum(usage(pid).resident for pid in descendants(self.sidecar.process.pid)) / MEGABYTE

    async def stop(self) -> float:
        """Seconds from SIGTERM to the end of the sidecar."""
        began = time.monotonic()
        await asyncio.to_thread(self.sidecar.process.end)
        return time.monotonic() - began

    def on_disk(self) -> float:
        """Megabytes in the spool."""
        return sum(path.stat().st_size for path in (self.directory / "spool").rglob("*-*-*")) / MEGABYTE


def settings(name: str, port: int, directory: Path) -> Mapping[str, str]:
    if name == "off":
        return {"telemetry.logs.std": "none"}
    return {
        "telemetry.logs.std": "none",
        "telemetry.spool.path": str(directory / "spool"),
        "observability.opentelemetry.enabled": "true",
        "observability.opentelemetry.collector.uri": f"http://127.0.0.1:{port}",
        "observability.opentelemetry.protocol": "http/protobuf",
        "observability.opentelemetry.metrics.interval": "5",
    }


async def compare(arguments: argparse.Namespace, root: Path) -> list[list[str]]:
    """The rows of the table. Raises NotReady."""
    processes: list[Process] = []
    lines: list[Line] = []
    rows: list[list[str]] = []

    def start(name: str, *words: str) -> None:
        process = Process.module(name, *words, log=root / f"{'-'.join((name, *words))}.log")
        processes.append(process)
        process.wait_for(lambda: listens(int(words[0])), 20)

    try:
        origin = free_port()
        start("benchmarks.peers.backend", str(origin))
        for name in arguments.lines:
            directory, port = root / name, free_port()
            directory.mkdir()
            if name in MODES:
                start("benchmarks.collector", str(port), name)
            resources = configuration.resources(f"http://127.0.0.1:{origin}")
            lines.append(Line(name, Sidecar(directory, resources, settings(name, port, directory)), directory))
        for line in lines:
            await line.sidecar.open()
            await line.measure(max(500, arguments.requests // 5), arguments.connections)
            for figures in (line.throughput, line.p99, line.cpu, line.child_cpu):
                figures.clear()
        for number in range(arguments.rounds):
            turn = number % len(lines)
            for line in lines[turn:] + lines[:turn]:
                await line.measure(arguments.requests, arguments.connections)
                print(".", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        for line in lines:
            rows.append(await _row(line, lines[0]))
    finally:
        for line in lines:
            await line.sidecar.close()
        for process in reversed(processes):
            process.end()
    return rows


async def _row(line: Line, off: Line) -> list[str]:
    shares = [here / there for here, there in zip(line.throughput, off.throughput, strict=True)]
    return [
        ABOUT[line.name],
        f"{statistics.median(line.throughput):.0f}",
        f"{statistics.median(shares):.1%}",
        f"{statistics.median(line.p99):.1f}",
        f"{statistics.median(line.cpu):.0f}",
        f"{statistics.median(line.child_cpu):.0f}",
        f"{line.resident():.0f}",
        f"{line.on_disk():.1f}",
        f"{await line.stop():.1f}",
        str(line.failures),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.outage", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--requests", type=int, default=6000, help="per round and line")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--lines", nargs="+", choices=LINES, default=list(LINES), help="the first is compared with")
    arguments = parser.parse_args()
    heads = [
        "collector",
        "requests/s",
        "of off",
        "p99 ms",
        "CPU µs",
        "child µs",
        "child MB",
        "disk MB",
        "stop s",
        "failed",
    ]
    with tempfile.TemporaryDirectory(prefix="passerelle-") as directory:
        try:
            rows = uvloop.run(compare(arguments, Path(directory)))
        except NotReady as error:
            print(error, file=sys.stderr)
            return 1
    print(table(heads, rows))
    print(f"\n{os.cpu_count()} CPUs; medians of {arguments.rounds} rounds of {arguments.requests} requests each.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
