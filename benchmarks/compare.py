"""`python -m benchmarks.compare`: what one request costs our sidecar, beside the proxies people use.

Two jobs: plain proxying, and the full job of benchmarks/peers/peer.py. The gateway under measurement has one worker
on the first core; load generator and backend are on the last. Rounds are interleaved, each in another order; figures
are medians. CPU is user and system time of the process with all of its descendants; our telemetry child is in it.
Every answer is checked for status and length, and before a full job is measured it must refuse a request without the
key. The latency columns come from a run of their own at a fixed rate, timed from when each request was due.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import uvloop

from benchmarks import load
from benchmarks.issuer import Issuer
from benchmarks.peers import (
    caddy,
    envoy,
    express_gateway,
    fast_gateway,
    fastapi_httpx,
    haproxy,
    nginx,
    obvious_aiohttp,
    passerelle,
)
from benchmarks.peers.backend import BODY
from benchmarks.peers.peer import KEY_HEADER, Job, Peer
from benchmarks.processes import MEGABYTE, NotReady, Process, descendants, free_port, listens, usage
from benchmarks.table import table

PEERS = (
    nginx.peer, haproxy.peer, envoy.peer, caddy.peer, fast_gateway.peer, express_gateway.peer, obvious_aiohttp.peer,
    fastapi_httpx.peer,
)  # fmt: skip
CORES = sorted(os.sched_getaffinity(0))
GATEWAY_CORE, LOAD_CORE = CORES[0], CORES[-1]


@dataclass
class Entry:
    """One gateway with one job; `cpu` in microseconds per request, one figure a round."""

    name: str
    full: bool
    lacks: str
    process: Process
    port: int
    request: bytes
    cost: int = 1
    cpu: list[float] = field(default_factory=list)
    throughput: list[float] = field(default_factory=list)
    resident: float = 0.0
    failures: int = 0
    paced: load.Result = field(default_factory=load.Result)

    async def measure(self, count: int, connections: int) -> None:
        count = max(200, count // self.cost)
        before = self._family_cpu()
        result = await load.run(self.port, self.request, count=count, connections=connections, length=len(BODY))
        family = [self.process.pid, *descendants(self.process.pid)]
        self.cpu.append((self._family_cpu() - before) / count * 1e6)
        self.throughput.append(result.throughput)
        self.resident = sum(usage(pid).resident for pid in family) / MEGABYTE
        self.failures += result.failures
        if result.first_failure:
            print(f"{self.name}: {result.first_failure}", file=sys.stderr)

    def _family_cpu(self) -> float:
        return sum(usage(pid).cpu for pid in [self.process.pid, *descendants(self.process.pid)])

    @property
    def median(self) -> float:
        return statistics.median(self.cpu)


def pinned(core: int, argv: Iterable[str]) -> list[str]:
    return ["taskset", "-c", str(core), *argv]


class Bench:
    """Starts and ends everything; `entries` once open."""

    def __init__(self, directory: Path, arguments: argparse.Namespace) -> None:
        self._directory = directory
        self._arguments = arguments
        self._issuer = Issuer()
        self._processes: list[Process] = []
        self._house: passerelle.House | None = None
        self.entries: list[Entry] = []

    def _start(self, name: str, argv: list[str], more: dict[str, str]) -> Process:
        process = Process(argv, self._directory / f"{name}.log", {**os.environ, **more})
        self._processes.append(process)
        return process

    async def open(self) -> None:
        """Raises NotReady."""
        backend_port = free_port()
        argv = pinned(LOAD_CORE, [sys.executable, "-m", "benchmarks.peers.backend", str(backend_port)])
        backend = self._start("backend", argv, {})
        backend.wait_for(lambda: listens(backend_port), 20)
        job = Job(False, 0, backend_port, self._directory, self._issuer)
        key = f"{KEY_HEADER}: {job.key}"
        shown = [key, f"Authorization: Bearer {self._issuer.token()}"]
        self._house = passerelle.House(self._directory, job, GATEWAY_CORE, LOAD_CORE)
        sidecar, port = await self._house.open()
        for full in (False, True):
            path = "/full/item" if full else "/plain/item"
            asked = load.request(path, port, *(shown if full else ()))
            self.entries.append(Entry("Passerelle", full, "", sidecar, port, asked))
            for peer in PEERS:
                if self._arguments.peers and peer.name not in self._arguments.peers:
                    continue
                if peer.program() is None:
                    print(f"{peer.name} is not here: {peer.install}", file=sys.stderr)
                elif not full or peer.lacks is not None:
                    self._open_peer(peer, replace(job, full=full, port=free_port()), shown)
        for entry in self.entries:
            await self._prove(entry)

    def _open_peer(self, peer: Peer, job: Job, shown: list[str]) -> None:
        name = f"{peer.name.replace(' ', '')}-{'full' if job.full else 'plain'}"
        process = self._start(name, pinned(GATEWAY_CORE, peer.launch(job)), dict(peer.environment))
        process.wait_for(lambda: listens(job.port), 60)
        asked = load.request("/item", job.port, *(shown if job.full else ()))
        lacks = (peer.lacks or "") if job.full else ""
        self.entries.append(Entry(peer.name, job.full, lacks, process, job.port, asked, peer.cost))

    async def _prove(self, entry: Entry) -> None:
        first = await load.head(entry.port, entry.request)
        if b" 200 " not in first or (entry.full and b"x-served-by" not in first.lower()):
            raise NotReady(f"{entry.name}: {first[:400]!r}\n{entry.process.tail()}")
        if entry.full:
            refused = await load.head(entry.port, entry.request.replace(KEY_HEADER.encode(), b"X-Other"))
            if b" 401 " not in refused and b" 403 " not in refused:
                raise NotReady(f"{entry.name} lets a request without key pass: {refused[:100]!r}")

    async def close(self) -> None:
        for process in reversed(self._processes):
            process.end()
        if self._house is not None:
            await self._house.close()


async def run(arguments: argparse.Namespace, directory: Path) -> list[Entry]:
    os.sched_setaffinity(0, {LOAD_CORE})
    bench = Bench(directory, arguments)
    try:
        await bench.open()
        entries = bench.entries
        for entry in entries:
            await entry.measure(max(500, arguments.requests // 10), arguments.connections)
            entry.cpu.clear()
            entry.throughput.clear()
        for number in range(arguments.rounds):
            turn = number * 3 % len(entries)
            for entry in entries[turn:] + entries[:turn]:
                await entry.measure(arguments.requests, arguments.connections)
                print(".", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        rate = arguments.rate or statistics.median(entries[0].throughput) / 2
        for entry in entries:
            if statistics.median(entry.throughput) > 1.2 * rate:
                count = int(rate * arguments.seconds)
                entry.paced = await load.paced(entry.port, entry.request, rate=rate, count=count, length=len(BODY))
                entry.failures += entry.paced.failures
        print(f"Latency at {rate:.0f} requests a second.", file=sys.stderr)
        return entries
    finally:
        await bench.close()


def report(entries: list[Entry], arguments: argparse.Namespace) -> str:
    parts = []
    for full in (False, True):
        chosen = [entry for entry in entries if entry.full is full]
        medians = {entry.name: entry.median for entry in chosen}

        def ratio(entry: Entry, to: str, medians: dict[str, float] = medians) -> str:
            return f"{entry.median / medians[to]:.2f}" if medians.get(to) else "-"

        rows = [
            [
                entry.name,
                f"{entry.median:.0f}",
                f"{min(entry.cpu):.0f}-{max(entry.cpu):.0f}",
                ratio(entry, "Envoy"),
                ratio(entry, "nginx"),
                f"{statistics.median(entry.throughput):.0f}",
                f"{entry.paced.percentile(0.5) * 1000:.2f}" if entry.paced.latencies else "-",
                f"{entry.paced.percentile(0.99) * 1000:.2f}" if entry.paced.latencies else "-",
                f"{entry.resident:.0f}",
                str(entry.failures),
                entry.lacks,
            ]
            for entry in sorted(chosen, key=lambda entry: entry.median)
        ]
        heads = ["", "CPU µs/request", "spread", "x Envoy", "x nginx", "requests/s", "p50 ms", "p99 ms", "RSS MB",
                 "failed", "does not do"]  # fmt: skip
        parts.append(f"## {'The full job' if full else 'Plain proxying'}\n\n{table(heads, rows)}")
    about = (
        f"Python {platform.python_version()}, {os.cpu_count()} CPUs; medians of {arguments.rounds} interleaved rounds "
        f"of {arguments.requests} requests on {arguments.connections} connections; answers of {len(BODY)} bytes."
    )
    return "\n\n".join(["# Passerelle beside other gateways", about, *parts, versions()])


def versions() -> str:
    lines = []
    for name, argv in {
        "nginx": ["/usr/sbin/nginx", "-v"],
        "HAProxy": ["/usr/sbin/haproxy", "-v"],
        "Caddy": ["/usr/bin/caddy", "version"],
        "Envoy": [envoy.program() or "envoy", "--version"],
        "Node": ["/usr/bin/node", "--version"],
    }.items():
        try:
            told = subprocess.run(argv, capture_output=True, text=True, timeout=20)
        except OSError:
            continue
        words = (told.stdout or told.stderr).strip().splitlines()
        lines.append(f"{name}: {words[0].rpartition('version: ')[2] if words else '?'}")
    return "Versions: " + "; ".join(lines) + "."


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=20_000, help="per round and gateway")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rate", type=float, default=0, help="requests a second for the latencies; 0: half of ours")
    parser.add_argument("--seconds", type=float, default=5, help="of the run at a fixed rate")
    parser.add_argument("--out", type=Path, help="write the tables there too")
    parser.add_argument("peers", nargs="*", help="only these peers")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="passerelle-") as directory:
        try:
            text = report(uvloop.run(run(arguments, Path(directory))), arguments)
        except NotReady as error:
            print(error, file=sys.stderr)
            return 1
    print(text)
    if arguments.out is not None:
        arguments.out.write_text(f"{text}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
