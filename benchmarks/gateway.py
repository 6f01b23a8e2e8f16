"""`python -m benchmarks.gateway`: what one request costs our sidecar, beside a bare aiohttp reverse proxy.

One backend, one bare proxy, one agent with one sidecar (one worker), all on loopback in this run. Rounds are
interleaved, each round in another order, so that a slow minute of the machine strikes all alike; figures are medians
over the rounds. CPU is user and system time of the process itself; the telemetry child is told apart.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from benchmarks import configuration, load
from benchmarks.peers.backend import BODY
from benchmarks.processes import MEGABYTE, NotReady, Process, descendants, free_port, listens, usage
from benchmarks.sidecar import Sidecar
from benchmarks.table import table


@dataclass
class Round:
    """CPU in microseconds per request, resident memory in bytes."""

    cpu: float
    child_cpu: float
    resident: int
    load: load.Result


@dataclass
class Scenario:
    """`proof` stands in the head of each answer when the policies do their work."""

    name: str
    process: Process
    port: int
    request: bytes
    proof: bytes = b""
    rounds: list[Round] = field(default_factory=list)

    def median(self, figure: str) -> float:
        values = {
            "cpu": [one.cpu for one in self.rounds],
            "child": [one.child_cpu for one in self.rounds],
            "resident": [one.resident / MEGABYTE for one in self.rounds],
            "throughput": [one.load.throughput for one in self.rounds],
            "p50": [one.load.percentile(0.5) * 1000 for one in self.rounds],
            "p99": [one.load.percentile(0.99) * 1000 for one in self.rounds],
        }
        return statistics.median(values[figure])

    async def measure(self, count: int, connections: int) -> load.Result:
        family = descendants(self.process.pid)
        before, before_child = usage(self.process.pid), sum(usage(pid).cpu for pid in family)
        result = await load.run(self.port, self.request, count=count, connections=connections, length=len(BODY))
        after, after_child = usage(self.process.pid), sum(usage(pid).cpu for pid in family)
        cpu, child = (after.cpu - before.cpu) / count, (after_child - before_child) / count
        self.rounds.append(Round(cpu * 1e6, child * 1e6, after.resident, result))
        return result


class Stage:
    """Everything that runs during a benchmark; `close` ends what was started, newest first."""

    def __init__(self, directory: Path, logs: str) -> None:
        self._directory = directory
        self._logs = logs
        self._processes: list[Process] = []
        self._sidecar: Sidecar | None = None

    def _start(self, name: str, module: str, *arguments: str) -> Process:
        process = Process.module(module, *arguments, log=self._directory / f"{name}.log")
        self._processes.append(process)
        return process

    async def open(self) -> list[Scenario]:
        """Raises NotReady."""
        backend_port, bare_port = free_port(), free_port()
        backend = self._start("backend", "benchmarks.peers.backend", str(backend_port))
        backend.wait_for(lambda: listens(backend_port), 20)
        origin = f"http://127.0.0.1:{backend_port}"
        bare = self._start("bare", "benchmarks.peers.bare_aiohttp", str(bare_port), origin)
        bare.wait_for(lambda: listens(bare_port), 20)
        settings = {"telemetry.logs.std": self._logs}
        self._sidecar = Sidecar(self._directory, configuration.resources(origin), settings)
        await self._sidecar.open()
        sidecar, port = self._sidecar.process, self._sidecar.port
        key = f"Ocp-Apim-Subscription-Key: {configuration.KEY}"
        return [
            Scenario("bare aiohttp", bare, bare_port, load.request("/item", bare_port)),
            Scenario("pass-through", sidecar, port, load.request("/plain/item", port)),
            Scenario(
                "key, rate-limit, 3 headers",
                sidecar,
                port,
                load.request("/shaped/item", port, key),
                configuration.PROOF,
            ),
            Scenario("10 policies, 6 expressions", sidecar, port, load.request("/ten/item", port), configuration.PROOF),
        ]

    async def close(self) -> None:
        if self._sidecar is not None:
            await self._sidecar.close()
        for process in reversed(self._processes):
            process.end()


async def compare(arguments: argparse.Namespace, directory: Path) -> list[Scenario]:
    stage = Stage(directory, arguments.logs)
    try:
        scenarios = await stage.open()
        for scenario in scenarios:
            if scenario.proof not in await load.head(scenario.port, scenario.request):
                raise NotReady(f"{scenario.name}: the answer does not show {scenario.proof!r}")
            warm = await scenario.measure(max(500, arguments.requests // 10), arguments.connections)
            if warm.failures:
                print(
                    f"{scenario.name}: {warm.failures} failures while warming up: {warm.first_failure}", file=sys.stderr
                )
            scenario.rounds.clear()
        for number in range(arguments.rounds):
            turn = number % len(scenarios)
            for scenario in scenarios[turn:] + scenarios[:turn]:
                await scenario.measure(arguments.requests, arguments.connections)
                print(".", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        return scenarios
    finally:
        await stage.close()


def report(scenarios: list[Scenario], arguments: argparse.Namespace) -> str:
    bare = scenarios[0].median("cpu")
    rows = [
        [
            scenario.name,
            f"{scenario.median('cpu'):.0f}",
            f"{scenario.median('cpu') / bare:.2f}" if bare else "-",
            f"{scenario.median('child'):.0f}",
            f"{scenario.median('throughput'):.0f}",
            f"{scenario.median('p50'):.1f}",
            f"{scenario.median('p99'):.1f}",
            f"{scenario.median('resident'):.0f}",
            str(sum(one.load.failures for one in scenario.rounds)),
        ]
        for scenario in scenarios
    ]
    heads = ["", "CPU µs/request", "x bare", "telemetry µs", "requests/s", "p50 ms", "p99 ms", "RSS MB", "failed"]
    about = (
        f"Python {platform.python_version()}, {os.cpu_count()} CPUs; medians of {arguments.rounds} rounds of "
        f"{arguments.requests} requests on {arguments.connections} connections; answers of {len(BODY)} bytes."
    )
    return f"{table(heads, rows)}\n\n{about}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=10_000, help="per round and scenario")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--logs", choices=("none", "text", "json"), default="text", help="telemetry.logs.std")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="passerelle-") as directory:
        try:
            print(report(uvloop.run(compare(arguments, Path(directory))), arguments))
        except NotReady as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
