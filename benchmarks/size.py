"""`python -m benchmarks.size`: what a service of 10, 1,000 and 75,000 operations costs: requests, a start, a change.

The service is that of seed.py, fed to an agent of its own for each size; one sidecar each, telemetry off. APIs without
a policy go to the backend and ask for a subscription key, one among as many as there are operations. Requests go to one
operation, and to a thousand that lie all over the service; sizes take turns.

For the start, one more sidecar is started beside the first: its time until it is ready is that of process and snapshot.
For a change, one policy of one API is put, again and again, at moments unrelated to the agent's polls. The work is what
the sidecar says of itself: the time for building it, of which the event loop takes its part.
Whether the event loop stalls is seen from outside: a probe asks every millisecond, and its slowest answer is told,
beside that of as long a time without a change.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import load, results, seed
from benchmarks.configuration import KEY
from benchmarks.feed import GATEWAY
from benchmarks.peers.backend import BODY
from benchmarks.peers.passerelle import OFF
from benchmarks.processes import MEGABYTE, MEMORY, NotReady, Process, descendants, free_port, listens, usage
from benchmarks.sidecar import Sidecar
from benchmarks.stage import CORES
from benchmarks.table import table

SPREAD = 1_000  # operations that requests are spread over
FLAT, BUILD, STALL, SNAPSHOT, RESIDENT = 1.1, 50.0, 10.0, 5.0, 600.0  # goals: x, ms, ms, s, MB
POLL = "00:00:01"
_APPLIED = re.compile(r"version (\d+) of dataset \S+ in force.*? ([\d.]+) ms")


def service(operations: int, origin: str) -> Iterator[tuple[str, Any]]:
    """Wire resources: the service of seed.py with a backend, and one key for all APIs."""
    yield "/", {"id": "benchmark", "name": "benchmark", "location": "local", "gatewayUrl": "http://127.0.0.1"}
    yield f"/gateways/{GATEWAY}", {"locationData": {"name": "local"}}
    apis = seed.apis_for(operations)
    for each in seed.resources(operations):
        id, body = each["id"], each["properties"]
        if id.startswith("/gateways/") or id == f"/apis/{seed.name_of(apis - 1)}/policies/policy":
            continue  # one API is without policy in the smallest service too
        if id.startswith("/apis/") and id.count("/") == 2:
            body = body | {"serviceUrl": origin, "subscriptionRequired": True, "isCurrent": True, "apiRevision": "1"}
        yield id, body
    everything = {
        "displayName": "All",
        "scope": "/apis",
        "state": "active",
        "primaryKey": KEY,
        "secondaryKey": KEY[::-1],
    }
    yield "/subscriptions/all", everything


def targets(operations: int) -> list[str]:
    """Paths of operations that are forwarded, at most SPREAD, from all over the service."""
    apis = seed.apis_for(operations)
    first = min(max(operations // 25, 1), apis - 1)  # APIs below have a policy, which answers by itself
    found = [f"/{seed.name_of(number)}/things" for number in range(first, apis)]
    return random.Random(1).sample(found, min(SPREAD, len(found)))


@dataclass
class Size:
    """One service and its sidecar. CPU in µs per request, for one operation and for many."""

    operations: int
    sidecar: Sidecar
    one: list[float] = field(default_factory=list)
    many: list[float] = field(default_factory=list)
    started: float = 0.0
    start_cpu: float = 0.0
    resident: float = 0.0

    @property
    def cpu(self) -> float:
        return usage(self.sidecar.process.pid).cpu

    async def measure(self, count: int, connections: int) -> None:
        port = self.sidecar.port
        paths = targets(self.operations)
        for chosen, figures in ((paths[:1], self.one), (paths, self.many)):
            asked = [load.request(path, port, f"Ocp-Apim-Subscription-Key: {KEY}") for path in chosen]
            before = self.cpu
            result = await load.run(port, asked, count=count, connections=connections, length=len(BODY))
            if result.failures:
                raise NotReady(f"{result.failures} requests failed: {result.first_failure}")
            figures.append((self.cpu - before) / count * 1e6)

    async def start(self) -> None:
        """Time and memory of one more sidecar, which has no other work."""
        began = time.monotonic()
        process, _ = await self.sidecar.beside("second", OFF)
        self.started = time.monotonic() - began
        self.start_cpu = usage(process.pid).cpu
        await asyncio.sleep(1)
        self.resident = sum(usage(pid).resident for pid in [process.pid, *descendants(process.pid)]) / MEGABYTE
        process.end()


class Probe(asyncio.Protocol):
    """Asks again and again; `slowest` is of its answers since it was last set to 0, in milliseconds."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._asked = 0.0
        self._transport: asyncio.WriteTransport | None = None
        self.slowest = 0.0
        self.last = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._ask()

    def data_received(self, data: bytes) -> None:
        self.slowest = max(self.slowest, (time.perf_counter() - self._asked) * 1000)
        self.last = data
        asyncio.get_running_loop().call_later(0.001, self._ask)

    def _ask(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._asked = time.perf_counter()
            self._transport.write(self._request)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


@dataclass
class Changes:
    """Milliseconds, one figure a change: the sidecar's word, and the probe's slowest answer with and without."""

    build: list[float] = field(default_factory=list)
    stalled: list[float] = field(default_factory=list)
    calm: list[float] = field(default_factory=list)


async def changes(size: Size, count: int) -> Changes:
    """The first API's policy shows a marker; the probe waits for it."""
    sidecar, found = size.sidecar, Changes()
    path = f"/{seed.name_of(0)}/things"
    request = load.request(path, sidecar.port, f"Ocp-Apim-Subscription-Key: {KEY}")
    loop = asyncio.get_running_loop()
    _, probe = await loop.create_connection(lambda: Probe(request), "127.0.0.1", sidecar.port)
    pick = random.Random(3)
    try:
        for number in range(count):
            await asyncio.sleep(pick.random())
            probe.slowest, began = 0.0, time.monotonic()
            marker = f"change-{number}"
            sidecar.feed.change(
                f"/apis/{seed.name_of(0)}/policies/policy", {"format": "rawxml", "value": seed.policy(marker)}
            )
            while marker.encode() not in probe.last:
                if time.monotonic() - began > 30:
                    raise NotReady(f"{marker} is not in force within 30 s\n{sidecar.process.tail()}")
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)  # what a change leaves behind is part of it
            passed = time.monotonic() - began
            found.stalled.append(probe.slowest)
            probe.slowest = 0.0
            await asyncio.sleep(passed)
            found.calm.append(probe.slowest)
    finally:
        probe.close()
    told = dict(_APPLIED.findall(sidecar.log()))
    found.build = [float(told[str(version)]) for version in range(2, 2 + count) if str(version) in told]
    return found


async def measure(arguments: argparse.Namespace, directory: Path) -> dict[str, str]:
    port = free_port()
    argv = ["taskset", "-c", str(CORES[-1]), sys.executable, "-m", "benchmarks.peers.backend", str(port)]
    backend = Process(argv, directory / "backend.log")
    sizes: list[Size] = []
    try:
        backend.wait_for(lambda: listens(port), 20)
        for operations in arguments.operations:
            folder = directory / str(operations)
            folder.mkdir()
            wire = dict(service(operations, f"http://127.0.0.1:{port}"))
            agent = {"config.service.poll.interval": POLL}
            cores = (str(CORES[0]), str(CORES[-1]))
            sizes.append(
                Size(operations, Sidecar(folder, wire, {**OFF, "telemetry.logs.std": "text"}, cores, agent=agent))
            )
            await sizes[-1].sidecar.open()
            await sizes[-1].start()
            print(f"{operations:,} operations: ready", file=sys.stderr)
        for size in sizes:
            await size.measure(1_000, arguments.connections)
            size.one.clear()
            size.many.clear()
        for number in range(arguments.rounds):
            turn = number % len(sizes)
            for size in sizes[turn:] + sizes[:turn]:
                await size.measure(arguments.requests, arguments.connections)
        found = [await changes(size, arguments.changes) for size in sizes]
    finally:
        for size in sizes:
            await size.sidecar.close()
        backend.end()
    about = (
        f"{results.machine()}; {arguments.rounds} interleaved rounds of {arguments.requests} requests; telemetry off."
    )
    return {"Size of the configuration": f"{_sizes(sizes)}\n\n{about}", "Change of one policy": _changes(sizes, found)}


def _verdict(met: bool) -> str:
    return "met" if met else "missed"


def _sizes(sizes: list[Size]) -> str:
    one, many = statistics.median(sizes[0].one), statistics.median(sizes[0].many)
    rows = []
    for size in sizes:
        ratio_one, ratio_many = statistics.median(size.one) / one, statistics.median(size.many) / many
        rows.append(
            [
                f"{size.operations:,}",
                f"{seed.apis_for(size.operations):,}",
                f"{statistics.median(size.one):.0f}",
                f"{ratio_one:.2f}",
                f"{statistics.median(size.many):.0f}",
                f"{ratio_many:.2f}",
                f"{size.started:.2f} ({size.start_cpu:.2f})",
                f"{size.resident:.0f}",
            ]
        )
    last = sizes[-1]
    goals = ["goal", "", "",
             f"≤ {FLAT:g}: {_verdict(ratio_one <= FLAT)}", "", f"≤ {FLAT:g}: {_verdict(ratio_many <= FLAT)}",
             f"≤ {SNAPSHOT:g}: {_verdict(last.started <= SNAPSHOT)}",
             f"≤ {RESIDENT:g}: {_verdict(last.resident <= RESIDENT)}"]  # fmt: skip
    heads = ["operations", "APIs", "CPU µs/request, one operation", "x", f"{SPREAD:,} operations", "x",
             "start of a sidecar to ready, s (CPU s)", "its RSS MB"]  # fmt: skip
    return table(heads, [*rows, goals])


def _changes(sizes: list[Size], found: list[Changes]) -> str:
    rows = []
    for size, each in zip(sizes, found, strict=True):
        rows.append(
            [
                f"{size.operations:,}",
                f"{statistics.median(each.build):.0f}, {max(each.build):.0f}",
                f"{statistics.median(each.stalled):.1f}, {max(each.stalled):.1f}",
                f"{statistics.median(each.calm):.1f}, {max(each.calm):.1f}",
            ]
        )
    last = found[-1]
    stall = statistics.median(last.stalled)
    goals = ["goal", f"≤ {BUILD:g}: {_verdict(max(last.build) <= BUILD)}",
             f"≤ {STALL:g}: {_verdict(stall <= STALL)} (p50)", ""]  # fmt: skip
    heads = ["operations", "work of a change, ms: p50, most", "slowest answer meanwhile, ms: p50, most",
             "the same without a change"]  # fmt: skip
    told = f"{len(last.build)} changes each; a probe every millisecond. {results.machine()}, which other work shares."
    return f"{table(heads, [*rows, goals])}\n\n{told}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.size", description=__doc__)
    parser.add_argument("--operations", type=int, nargs="+", default=[10, 1_000, 75_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=5_000)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--changes", type=int, default=10)
    parser.add_argument("--out", type=Path, help="put the tables into this page")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="passerelle-", dir=MEMORY) as directory:
        try:
            told = uvloop.run(measure(arguments, Path(directory)))
        except NotReady as error:
            print(error, file=sys.stderr)
            return 1
    print("\n\n".join(f"## {title}\n\n{text}" for title, text in told.items()))
    if arguments.out is not None:
        results.put(arguments.out, told)
    return 0


if __name__ == "__main__":
    sys.exit(main())
