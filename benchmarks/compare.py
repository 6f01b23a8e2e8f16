"""`make bench`: what one request costs our sidecar, beside the proxies people use; `--quick` for daily use.

Two jobs: plain proxying with telemetry off on every side, and the full job of benchmarks/peers/peer.py, ours with logs,
spans and metrics on. The gateway under measurement has one worker on the first core; load generator, backend, agent and
collector are on the last. Rounds are interleaved, each in another order; figures are medians. CPU is user and system
time of the process with all of its descendants; our telemetry child is in it. Every answer is checked for status and
length, and before a full job is measured it must refuse a request without the key. Latencies come from runs of their
own, interleaved too, each gateway at half of the throughput that it reached before. All files are in memory where the
system has such a place, so that no figure is one of the disk.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import uvloop

from benchmarks import goals, load, results
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
from benchmarks.processes import (
    MEGABYTE,
    MEMORY,
    NotReady,
    Process,
    descendants,
    free_port,
    listens,
    resident_of_family,
    usage,
)
from benchmarks.sidecar import Sidecar
from benchmarks.table import table

PEERS = (
    nginx.peer, haproxy.peer, envoy.peer, envoy.traced, caddy.peer, fast_gateway.peer, express_gateway.peer,
    obvious_aiohttp.peer, fastapi_httpx.peer,
)  # fmt: skip
QUICK = ("nginx", "Envoy", "obvious aiohttp")
CONFIGURATIONS = Path(__file__).with_name("configurations")
CORES = sorted(os.sched_getaffinity(0))
GATEWAY_CORE, LOAD_CORE = CORES[0], CORES[-1]


@dataclass
class Entry:
    """One gateway with one job. Lists have one figure a round: CPU in microseconds per request, requests a second,
    latencies in milliseconds."""

    name: str
    full: bool
    lacks: str
    process: Process
    port: int
    request: bytes
    cost: int = 1
    cpu: list[float] = field(default_factory=list)
    throughput: list[float] = field(default_factory=list)
    middle: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    resident: float = 0.0
    failures: int = 0

    async def measure(self, count: int, connections: int) -> None:
        count = max(200, count // self.cost)
        before = self._family_cpu()
        result = await load.run(self.port, self.request, count=count, connections=connections, length=len(BODY))
        self.cpu.append((self._family_cpu() - before) / count * 1e6)
        self.throughput.append(result.throughput)
        self.resident = resident_of_family(self.process.pid) / MEGABYTE
        self._failed(result)

    async def pace(self, seconds: float, connections: int) -> None:
        """Latencies at half of the throughput that was reached."""
        rate = statistics.median(self.throughput) / 2
        count = max(100, int(rate * seconds))
        result = await load.paced(
            self.port, self.request, rate=rate, count=count, length=len(BODY), connections=connections
        )
        self.middle.append(result.percentile(0.5) * 1000)
        self.late.append(result.percentile(0.99) * 1000)
        self._failed(result)

    def forget(self) -> None:
        self.cpu.clear()
        self.throughput.clear()

    def _failed(self, result: load.Result) -> None:
        self.failures += result.failures
        if result.first_failure:
            print(f"{self.name}: {result.first_failure}", file=sys.stderr)

    def _family_cpu(self) -> float:
        return sum(usage(pid).cpu for pid in [self.process.pid, *descendants(self.process.pid)])

    def figures(self) -> goals.Figures:
        return goals.Figures(statistics.median(self.cpu), statistics.median(self.late) if self.late else 0.0)


def pinned(core: int, argv: Iterable[str]) -> list[str]:
    return ["taskset", "-c", str(core), *argv]


class Bench:
    """Starts and ends everything; `entries` once open. `published` are configurations, by name of their folder."""

    def __init__(self, directory: Path, peers: tuple[Peer, ...]) -> None:
        self._directory = directory
        self._peers = peers
        self._issuer = Issuer()
        self._processes: list[Process] = []
        self._sidecar: Sidecar | None = None
        self.entries: list[Entry] = []
        self.published: dict[str, dict[str, str]] = {}
        self.commands: dict[str, str] = {}

    def _start(self, name: str, argv: list[str], more: Mapping[str, str]) -> Process:
        process = Process(argv, self._directory / f"{name}.log", {**os.environ, **more})
        self._processes.append(process)
        return process

    def _start_module(self, name: str) -> int:
        port = free_port()
        argv = pinned(LOAD_CORE, [sys.executable, "-m", f"benchmarks.peers.{name}", str(port)])
        self._start(name, argv, {}).wait_for(lambda: listens(port), 20)
        return port

    async def open(self) -> None:
        """Raises NotReady."""
        backend, collector = self._start_module("backend"), self._start_module("collector")
        job = Job(False, 0, backend, self._directory, self._issuer, collector=collector)
        shown = [f"{KEY_HEADER}: {job.key}", f"Authorization: Bearer {self._issuer.token()}"]
        await self._open_ours(job, shown)
        for full in (False, True):
            for peer in self._peers:
                if peer.program() is None:
                    print(f"{peer.name} is not here: {peer.install}", file=sys.stderr)
                elif (peer.lacks is not None) if full else peer.plain:
                    self._open_peer(peer, replace(job, full=full, port=free_port(), written=[]), shown)
        for entry in self.entries:
            await self._prove(entry)

    async def _open_ours(self, job: Job, shown: list[str]) -> None:
        everything = passerelle.everything(job.collector)
        cores = (str(GATEWAY_CORE), str(LOAD_CORE))
        self._sidecar = Sidecar(self._directory, passerelle.resources(job), passerelle.OFF, cores)
        await self._sidecar.open()
        off = self._sidecar.process, self._sidecar.port
        default = await self._sidecar.beside("default", passerelle.DEFAULT)
        complete = await self._sidecar.beside("full", everything)
        for name, path, (process, port), headers in (
            (goals.OURS, "/plain/item", off, []),
            (goals.OURS_DEFAULT, "/plain/item", default, []),
            (goals.OURS, "/full/item", complete, shown),
        ):
            self.entries.append(
                Entry(name, path == "/full/item", "", process, port, load.request(path, port, *headers))
            )
        for full, settings in ((False, passerelle.OFF), (True, everything)):
            ours = replace(job, full=full, port=complete[1] if full else off[1], written=[])
            passerelle.written(ours, settings)
            self._publish(goals.OURS, ours, ["python", "-m", "proxy"])

    def _open_peer(self, peer: Peer, job: Job, shown: list[str]) -> None:
        name = f"{peer.name.replace(' ', '')}-{'full' if job.full else 'plain'}"
        argv = peer.launch(job)
        process = self._start(name, pinned(GATEWAY_CORE, argv), peer.environment)
        process.wait_for(lambda: listens(job.port), 60)
        asked = load.request("/item", job.port, *(shown if job.full else ()))
        lacks = (peer.lacks or "") if job.full else ""
        self.entries.append(Entry(peer.name, job.full, lacks, process, job.port, asked, peer.cost))
        self._publish(peer.name, job, [*(f"{key}={value}" for key, value in peer.environment.items()), *argv])

    def _publish(self, name: str, job: Job, argv: list[str]) -> None:
        folder = f"{name.lower().replace(' + ', '-').replace(' ', '-')}-{'full' if job.full else 'plain'}"
        self.published[folder] = {path.name: job.shown(path.read_text()) for path in job.written}
        words = [job.shown(word).replace(sys.executable, "python") for word in argv]
        self.commands[folder] = " ".join(Path(word).name if word.startswith("/") else word for word in words)

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
        if self._sidecar is not None:
            await self._sidecar.close()


def turns(entries: list[Entry], rounds: int) -> Iterable[Entry]:
    """Each entry once a round, each round beginning with another one."""
    for number in range(rounds):
        turn = number * 3 % len(entries)
        yield from entries[turn:] + entries[:turn]


async def run(bench: Bench, arguments: argparse.Namespace) -> None:
    os.sched_setaffinity(0, {LOAD_CORE})
    try:
        await bench.open()
        for entry in bench.entries:
            await entry.measure(max(1000, arguments.requests // 10), arguments.connections)
            entry.forget()
        for entry in turns(bench.entries, arguments.rounds):
            await entry.measure(arguments.requests, arguments.connections)
            print(".", end="", file=sys.stderr, flush=True)
        for entry in turns(bench.entries, arguments.rounds):
            await entry.pace(arguments.seconds, arguments.connections)
            print(":", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
    finally:
        await bench.close()


def report(bench: Bench, arguments: argparse.Namespace) -> dict[str, str]:
    """Section -> text."""
    measured = {(entry.name, entry.full): entry.figures() for entry in bench.entries}
    told = {"Goals": goals.report(measured)}
    for full in (False, True):
        chosen = [entry for entry in bench.entries if entry.full is full]
        told["The full job" if full else "Plain proxying"] = _table(chosen)
    shown = sorted(bench.published.items())
    spread = ", ".join(f"[{name}](configurations/{name})" if files else f"{name} (none)" for name, files in shown)
    told["How that was measured"] = "\n\n".join(
        [
            f"{results.machine()}; medians of {arguments.rounds} interleaved rounds of {arguments.requests} requests "
            f"on {arguments.connections} connections; answers of {len(BODY)} bytes. Latencies: {arguments.rounds} "
            f"interleaved rounds of {arguments.seconds:g} s, each gateway at half of its own requests/s. A gateway has "
            "one core; load generator and backend share the other, and they are the bound of the quickest gateways' "
            "requests/s.",
            "Plain proxying is without telemetry on every side: no access log, and ours with `telemetry.enabled` off; "
            f"*{goals.OURS_DEFAULT}* is what one gets without any setting: a record a request for logs, metrics and "
            "reports. In the full job ours sends logs, spans and metrics to a collector and writes a line of log; its "
            "CPU and memory include the telemetry child. What the others do not do of it is said in their rows.",
            f"Configurations: {spread}.",
            "\n".join(f"- {name}: `{command}`" for name, command in sorted(bench.commands.items())),
            versions(),
        ]
    )
    return told


def _table(chosen: list[Entry]) -> str:
    medians = {entry.name: statistics.median(entry.cpu) for entry in chosen}

    def ratio(entry: Entry, to: str) -> str:
        return f"{medians[entry.name] / medians[to]:.2f}" if medians.get(to) else "not here"

    rows = [
        [
            entry.name,
            f"{medians[entry.name]:.0f}",
            f"{min(entry.cpu):.0f}-{max(entry.cpu):.0f}",
            ratio(entry, "Envoy"),
            ratio(entry, "nginx"),
            f"{statistics.median(entry.throughput):.0f}",
            f"{statistics.median(entry.middle):.2f}",
            f"{statistics.median(entry.late):.2f}",
            f"{entry.resident:.0f}",
            str(entry.failures),
            entry.lacks,
        ]
        for entry in sorted(chosen, key=lambda entry: medians[entry.name])
    ]
    heads = ["", "CPU µs/request", "spread", "x Envoy", "x nginx", "requests/s", "p50 ms", "p99 ms", "RSS MB", "failed",
             "does not do"]  # fmt: skip
    return table(heads, rows)


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


def publish(published: Mapping[str, Mapping[str, str]], folder: Path) -> None:
    """The configurations of this run, in place of those of the last one of the same gateways."""
    for name, files in published.items():
        place = folder / name
        for old in place.glob("*"):
            old.unlink()
        for file, text in files.items():
            place.mkdir(parents=True, exist_ok=True)
            shown = f"{file}.txt" if file.endswith(".py") else file  # no module of ours
            (place / shown).write_text(text)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, help="per round and gateway; 20,000, --quick: 8,000")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, help="of a run for latencies; 3, --quick: 1")
    parser.add_argument("--quick", action="store_true", help=f"beside {', '.join(QUICK)} only")
    parser.add_argument("--out", type=Path, help="put the tables into this page, and configurations beside it")
    parser.add_argument("peers", nargs="*", help="only these peers")
    arguments = parser.parse_args()
    arguments.requests = arguments.requests or (8_000 if arguments.quick else 20_000)
    arguments.seconds = arguments.seconds or (1.0 if arguments.quick else 3.0)
    wanted = arguments.peers or (QUICK if arguments.quick else [peer.name for peer in PEERS])
    with tempfile.TemporaryDirectory(prefix="passerelle-", dir=MEMORY) as directory:
        bench = Bench(Path(directory), tuple(peer for peer in PEERS if peer.name in wanted))
        try:
            uvloop.run(run(bench, arguments))
        except NotReady as error:
            print(error, file=sys.stderr)
            return 1
        told = report(bench, arguments)
    shown = list(told)[:-1] if arguments.quick else list(told)
    print("\n\n".join(f"## {title}\n\n{told[title]}" for title in shown))
    if arguments.out is not None:
        results.put(arguments.out, told)
        publish(bench.published, arguments.out.parent / CONFIGURATIONS.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
