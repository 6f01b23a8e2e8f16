"""`python -m benchmarks.workers`: one worker and two on one port: what a request costs, and whether limits stay right.

Load and backend need cores too, so on few of them throughput says little. What more cores would give is told by
requests per second of CPU while all workers are as busy as can be: N of them on the one core of the gateway, with N
times the connections. They scale by N times the cost with one over the cost with N, as long as connections reach all
of them. Both sidecars run at once and take turns. For the limits, requests with the same key come at a fixed rate over
many connections, twice as many as may pass. Between sidecars that share nothing but an agent, as many more would pass
as one lets through in a quarter of a second; workers share memory.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from dataclasses import dataclass, field

from benchmarks import load, results
from benchmarks.peers.backend import BODY
from benchmarks.processes import NotReady, children, module_of, usage
from benchmarks.stage import LIMIT, Proxy, Stage
from benchmarks.table import table

GOAL = 0.9
RATE = 400.0  # requests a second that meet a limit


@dataclass
class Sidecars:
    """`shares` are the parts of the requests that workers got, the smallest first; `cpu` in µs per request."""

    workers: int
    proxy: Proxy
    cpu: list[float] = field(default_factory=list)
    throughput: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)

    def pids(self) -> list[int]:
        assert self.proxy.process is not None
        pid = self.proxy.process.pid
        return [pid] if self.workers == 1 else [each for each in children(pid) if module_of(each) == "proxy"]

    async def measure(self, count: int, connections: int) -> None:
        request = load.request(f"{self.proxy.path}/item", self.proxy.port)
        pids = self.pids()
        before = [usage(pid).cpu for pid in pids]
        result = await load.run(
            self.proxy.port, request, count=count, connections=connections * self.workers, length=len(BODY)
        )
        if result.failures:
            raise NotReady(f"{result.failures} requests failed: {result.first_failure}")
        spent = [usage(pid).cpu - had for pid, had in zip(pids, before, strict=True)]
        self.cpu.append(sum(spent) / count * 1e6)
        self.throughput.append(result.throughput)
        self.shares = sorted(each / sum(spent) for each in spent)

    async def limit(self, path: str) -> int:
        """Requests that passed a limit of LIMIT."""
        asked = load.request(f"/{path}/item", self.proxy.port, f"X-Key: {self.workers} at {path}")
        result = await load.paced(self.proxy.port, asked, rate=RATE, count=2 * LIMIT, length=len(BODY), connections=16)
        return len(result.latencies)


async def measure(arguments: argparse.Namespace) -> str:
    async with Stage("backend", peers=()) as stage:
        assert stage.sidecar is not None
        ours = stage.proxies[0]
        more = await stage.sidecar.beside("several", {**stage.settings, "proxy.workers": str(arguments.workers)})
        sidecars = [Sidecars(1, ours), Sidecars(arguments.workers, Proxy(ours.name, *more, ours.path))]
        for sidecar in sidecars:
            await sidecar.measure(2_000, arguments.connections)
            sidecar.cpu.clear()
            sidecar.throughput.clear()
        for number in range(arguments.rounds):
            for sidecar in sidecars[:: -1 if number % 2 else 1]:
                await sidecar.measure(arguments.requests, arguments.connections)
        passed = {
            (sidecar.workers, path): await sidecar.limit(path) for sidecar in sidecars for path in ("limited", "quota")
        }
    return report(sidecars, passed, arguments)


def report(sidecars: list[Sidecars], passed: dict[tuple[int, str], int], arguments: argparse.Namespace) -> str:
    alone = statistics.median(sidecars[0].cpu)
    rows = []
    for sidecar in sidecars:
        cpu = statistics.median(sidecar.cpu)
        scale = sidecar.workers * alone / cpu
        goal = ("met" if scale >= GOAL * sidecar.workers else "missed") if sidecar.workers > 1 else ""
        rows.append(
            [
                str(sidecar.workers),
                f"{cpu:.0f}",
                f"{1e6 / cpu:.0f}",
                f"{scale:.2f}",
                f"{statistics.median(sidecar.throughput):.0f}",
                ", ".join(f"{share:.2f}" for share in sidecar.shares),
                goal,
            ]
        )
    heads = ["workers", "CPU µs/request", "requests per CPU second", "scales by", "requests/s on one core",
             "shares of the work", "goal"]  # fmt: skip
    limits = [
        [f"{name}, {workers} worker{'s' if workers > 1 else ''}", str(LIMIT), str(passed[workers, path]),
         "met" if passed[workers, path] == LIMIT else "missed"]
        for path, name in (("limited", "rate-limit-by-key"), ("quota", "quota-by-key"))
        for workers in (sidecars[0].workers, sidecars[1].workers)
    ]  # fmt: skip
    told = (
        f"Goal: at least {GOAL:g} N. {results.machine()}; {arguments.rounds} interleaved rounds of "
        f"{arguments.requests} requests on {arguments.connections} connections for each worker, telemetry off. "
        f"Limits at {RATE:g} requests a second with one key over 16 connections."
    )
    return "\n\n".join([table(heads, rows), table(["limit", "calls", "passed", "goal"], limits), told])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workers", description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=32, help="for each worker")
    return results.command(parser, measure, "Workers")


if __name__ == "__main__":
    sys.exit(main())
