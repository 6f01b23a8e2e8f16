"""`python -m benchmarks.stages`: what each stage of a request costs, in ns of CPU, and the dearest functions.

A whole sidecar runs under load with a sampler in it (sampled.py). A sample belongs to the stage of its innermost
function that `STAGES` knows, by name or by file; a share of the samples is a share of the CPU per request that /proc
shows. So nothing of the sidecar is called by this benchmark, and what is new counts for the stage that calls it, or is
shown under *elsewhere* with its name.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import os
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import uvloop

from benchmarks import load, results
from benchmarks.issuer import Issuer
from benchmarks.peers import passerelle
from benchmarks.peers.backend import BODY
from benchmarks.peers.peer import KEY_HEADER, Job
from benchmarks.processes import MEMORY, NotReady, Process, free_port, listens, usage
from benchmarks.sidecar import Sidecar
from benchmarks.stage import CORES
from benchmarks.table import table

LOOP, ELSEWHERE = "event loop", "elsewhere"
LEAST = 0.015  # of all samples: a function with less is not shown
# Stage -> files, folders and functions; the longest that fits a place decides.
STAGES: dict[str, tuple[str, ...]] = {
    LOOP: ("proxy/app.py",),
    "receive and parse": (
        "proxy/adapters/connection.py",
        "proxy/adapters/whole.py",
        "proxy/adapters/negotiation.py",
        "proxy/adapters/http2_connection.py",
        "proxy/server.py",
    ),
    "screen": (
        "proxy/adapters/screen.py",
        "proxy/target.py",
        "proxy/adapters/connection.py:Connection._incoming",
    ),
    "accept": ("proxy/lifecycle.py:accept", "proxy/traceparent.py", "proxy/forwarded.py"),
    "route": ("proxy/lifecycle.py:route", "proxy/routing.py", "proxy/templates.py", "proxy/soap.py"),
    "admit": ("proxy/admission.py",),
    "link": ("proxy/pipeline/link.py", "proxy/config/gateway.py"),
    "sections": ("proxy/pipeline/", "proxy/policies/", "proxy/expressions/", "proxy/tokens/",
                 "proxy/adapters/counters.py"),
    "forward": (
        "proxy/adapters/transport.py",
        "proxy/adapters/backend.py",
        "proxy/adapters/dialling.py",
        "proxy/adapters/http2_backend.py",
        "proxy/adapters/http2_call.py",
        "proxy/adapters/destination.py",
        "proxy/adapters/reach.py",
        "proxy/policies/forward_request.py",
        "proxy/pipeline/calls.py",
        "proxy/pipeline/backends.py",
    ),
    "respond": ("proxy/adapters/reply.py", "proxy/adapters/http2_reply.py", "proxy/lifecycle.py:respond"),
    "write to sockets": ("proxy/adapters/outbox.py:Outbox.flush",),
    "record": ("proxy/record.py", "telemetry/"),
    "lifecycle": ("proxy/lifecycle.py", "proxy/adapters/drive.py"),
}  # fmt: skip
_BY_PLACE = {place: stage for stage, places in STAGES.items() for place in places}

Samples = list[tuple[int, list[str]]]  # count, places innermost first


def stage_of(places: list[str]) -> str:
    """The stage of one sample."""
    for place in places:
        file = place.partition(":")[0]
        known = [each for each in _BY_PLACE if each in (place, file) or (each[-1] == "/" and file.startswith(each))]
        if known:
            return _BY_PLACE[max(known, key=len)]
    return ELSEWHERE if places else LOOP


@dataclass
class Profile:
    """`cpu` in ns per request of the sidecar alone, `child` of its telemetry child."""

    cpu: float
    samples: Samples

    @property
    def each(self) -> float:
        """Nanoseconds per request that one sample stands for."""
        return self.cpu / max(sum(count for count, _ in self.samples), 1)

    def stages(self) -> dict[str, float]:
        found: collections.Counter[str] = collections.Counter()
        for count, places in self.samples:
            found[stage_of(places)] += count
        return {stage: count * self.each for stage, count in found.items()}

    def functions(self) -> dict[str, float]:
        found: collections.Counter[str] = collections.Counter()
        for count, places in self.samples:
            found[places[0] if places else LOOP] += count
        return {place: count * self.each for place, count in found.items()}


async def profile(process: Process, port: int, request: bytes, samples: Path, count: int, connections: int) -> Profile:
    await load.run(port, request, count=max(count // 10, 500), connections=connections, length=len(BODY))
    os.kill(process.pid, signal.SIGUSR1)
    before = usage(process.pid).cpu
    result = await load.run(port, request, count=count, connections=connections, length=len(BODY))
    spent = usage(process.pid).cpu - before
    os.kill(process.pid, signal.SIGUSR2)
    if result.failures:
        raise NotReady(f"{result.failures} requests failed: {result.first_failure}")
    written = await asyncio.to_thread(_waited_for, samples)
    if not written:
        raise NotReady(f"no samples\n{process.tail()}")
    return Profile(spent / count * 1e9, [(number, places) for number, places in json.loads(written)])


def _waited_for(samples: Path) -> str:
    """The text of a file that is written about now; empty when it never comes."""
    until = time.monotonic() + 10
    while not samples.exists():
        if time.monotonic() > until:
            return ""
        time.sleep(0.02)
    return samples.read_text()


async def measure(arguments: argparse.Namespace, directory: Path) -> str:
    os.sched_setaffinity(0, {CORES[-1]})
    issuer, ports = Issuer(), {}
    servers: list[Process] = []
    sidecar: Sidecar | None = None
    try:
        for name in ("backend", "collector"):
            ports[name] = free_port()
            argv = [sys.executable, "-m", f"benchmarks.peers.{name}", str(ports[name])]
            servers.append(Process(argv, directory / f"{name}.log"))
            servers[-1].wait_for(lambda name=name: listens(ports[name]), 20)  # type: ignore[misc]
        job = Job(True, 0, ports["backend"], directory, issuer, collector=ports["collector"])
        jobs = {
            "plain": ("/plain/item", passerelle.OFF, ()),
            "full": (
                "/full/item",
                passerelle.everything(job.collector),
                (f"{KEY_HEADER}: {job.key}", f"Authorization: Bearer {issuer.token()}"),
            ),
        }
        cores = (str(CORES[0]), str(CORES[-1]))
        first = {**passerelle.OFF, "SAMPLES": str(directory / "unused")}
        sidecar = Sidecar(directory, passerelle.resources(job), first, cores, module="benchmarks.sampled")
        await sidecar.open()
        found: dict[str, Profile] = {}
        for name, (path, settings, headers) in jobs.items():
            samples = directory / f"{name}.json"
            process, port = await sidecar.beside(name, {**settings, "SAMPLES": str(samples)})
            request = load.request(path, port, *headers)
            found[name] = await profile(process, port, request, samples, arguments.requests, arguments.connections)
    finally:
        if sidecar is not None:
            await sidecar.close()
        for process in servers:
            process.end()
    return report(found, arguments)


def report(found: dict[str, Profile], arguments: argparse.Namespace) -> str:
    heads = ["ns per request", *found]
    spent = [each.stages() for each in found.values()]
    rows = [
        [stage, *(f"{each.get(stage, 0):,.0f}" for each in spent)]
        for stage in (*STAGES, ELSEWHERE)
        if any(stage in each for each in spent)
    ]
    rows.append(["all", *(f"{each.cpu:,.0f}" for each in found.values())])
    functions = [each.functions() for each in found.values()]
    names = sorted(
        {name for each in functions for name in each}, key=lambda name: -max(each.get(name, 0) for each in functions)
    )
    dear = [
        [f"`{name}`", *(f"{each.get(name, 0):,.0f}" for each in functions)]
        for name in names
        if any(each.get(name, 0) >= LEAST * whole.cpu for each, whole in zip(functions, found.values(), strict=True))
    ]
    taken = " and ".join(f"{sum(count for count, _ in each.samples):,}" for each in found.values())
    told = (
        f"{results.machine()}; {arguments.requests:,} requests on {arguments.connections} connections; plain with "
        f"telemetry off, full with all of it on (the telemetry child's CPU not counted); {taken} samples. A function "
        "is charged for the libraries and system calls that it uses."
    )
    return "\n\n".join([table(heads, rows), table(["function, itself", *found], dear), told])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stages", description=__doc__)
    parser.add_argument("--requests", type=int, default=60_000)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--out", type=Path, help="put the tables into this page")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="passerelle-", dir=MEMORY) as directory:
        try:
            text = uvloop.run(measure(arguments, Path(directory)))
        except NotReady as error:
            print(error, file=sys.stderr)
            return 1
    print(text)
    if arguments.out is not None:
        results.put(arguments.out, {"Stages of a request": text})
    return 0


if __name__ == "__main__":
    sys.exit(main())
