"""`python -m benchmarks.http2`: what a plain request costs our sidecar over HTTP/2 and over HTTP/1.1, on each side.

One sidecar (one worker) in front of two backends, one for each version, all on loopback. Rounds are interleaved;
figures are medians of the CPU time of the sidecar itself.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
from pathlib import Path

import uvloop

from benchmarks import configuration, frames, load
from benchmarks.peers.backend import BODY
from benchmarks.processes import NotReady, Process, free_port, listens, usage
from benchmarks.sidecar import Sidecar
from benchmarks.table import table

FORWARD = (
    """<policies><inbound/><backend><forward-request http-version="2"/></backend><outbound/><on-error/></policies>"""
)
CELLS = (
    ("1.1", "1.1", "/plain/item"),
    ("2", "1.1", "/plain/item"),
    ("1.1", "2", "/modern/item"),
    ("2", "2", "/modern/item"),
)


def resources(old: str, modern: str) -> dict[str, object]:
    made: dict[str, object] = dict(configuration.resources(old))
    made["/apis/modern"] = configuration.api("modern", modern, key=False)
    made["/apis/modern/operations/get"] = configuration.operation("/item")
    made["/apis/modern/policies/policy"] = {"format": "rawxml", "value": FORWARD}
    return made


async def measure(sidecar: Sidecar, version: str, path: str, count: int, connections: int) -> tuple[float, load.Result]:
    """CPU microseconds of the sidecar per request, and what the clients saw."""
    port, pid = sidecar.port, sidecar.process.pid
    before = usage(pid).cpu
    if version == "2":
        head = frames.block(
            (":method", "GET"), (":scheme", "http"), (":path", path), (":authority", f"127.0.0.1:{port}"),
            ("accept", "application/json"),
        )  # fmt: skip
        result = await frames.run(
            port, head, count=count, connections=max(connections // 8, 1), streams=8, length=len(BODY)
        )
    else:
        request = load.request(path, port)
        result = await load.run(port, request, count=count, connections=connections, length=len(BODY))
    return (usage(pid).cpu - before) / count * 1e6, result


async def compare(arguments: argparse.Namespace, directory: Path) -> str:
    ports = {"backend": free_port(), "http2_backend": free_port()}
    backends = [
        Process.module(f"benchmarks.peers.{name}", str(port), log=directory / f"{name}.log")
        for name, port in ports.items()
    ]
    urls = [f"http://127.0.0.1:{port}" for port in ports.values()]
    sidecar = Sidecar(directory, resources(*urls), {"telemetry.logs.std": "none"})
    figures: dict[tuple[str, str], list[tuple[float, load.Result]]] = {cell[:2]: [] for cell in CELLS}
    try:
        for backend, port in zip(backends, ports.values(), strict=True):
            await asyncio.to_thread(backend.wait_for, lambda port=port: listens(port), 20)
        await sidecar.open()
        for number in range(arguments.rounds + 1):
            for client, backend_version, path in CELLS:
                count = arguments.requests if number else 500
                found = await measure(sidecar, client, path, count, arguments.connections)
                if number:  # the first round warms up
                    figures[client, backend_version].append(found)
    finally:
        await sidecar.close()
        for backend in backends:
            backend.end()
    rows = []
    for (client, backend_version), rounds in figures.items():
        rows.append([
            f"client HTTP/{client}, backend HTTP/{backend_version}",
            f"{statistics.median(cpu for cpu, _ in rounds):.0f}",
            f"{statistics.median(result.throughput for _, result in rounds):.0f}",
            f"{statistics.median(result.percentile(0.99) * 1000 for _, result in rounds):.1f}",
            str(sum(result.failures for _, result in rounds)),
        ])  # fmt: skip
    return table(["", "CPU µs/request", "requests/s", "p99 ms", "failed"], rows)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.http2", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=4000, help="per round and cell")
    parser.add_argument("--connections", type=int, default=32, help="over HTTP/2 an eighth, with 8 streams each")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="passerelle-") as directory:
        try:
            print(uvloop.run(compare(arguments, Path(directory))))
        except NotReady as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
