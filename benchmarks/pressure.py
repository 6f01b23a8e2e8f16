"""`make bench-pressure`: a plane alone, under more clients than usual.

200 connections that read and write at once, and how evenly they are served; the memory of the plane over thousands of
PUTs, with readers that never read their answers; and what one batch of many thousand resources takes of it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

from benchmarks.processes import MEGABYTE, NotReady, Process, answers, free_port, peak, reset_peak, usage
from benchmarks.seed import Arm, Refused, resources
from benchmarks.table import table

SERVICE = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local"
    "/providers/Microsoft.ApiManagement/service/passerelle"
)
SLOW = 20  # readers that do not read
PUTS_AT_ONCE = 4


def start(directory: Path) -> tuple[Process, str]:
    """A plane of its own, and its address."""
    port = free_port()
    settings = {
        "management.data": str(directory),
        "management.http.port": str(port),
        "management.https.port": str(free_port()),
    }
    process = Process.module("management", log=directory / "log", settings=settings)
    process.wait_for(lambda: answers(f"http://127.0.0.1:{port}/health"), 60)
    return process, f"http://127.0.0.1:{port}"


async def together(plane: str, token: str, connections: int, seconds: float) -> list[list[str]]:
    """Each connection reads nine times and writes once, again and again; nobody may be left out."""
    served = [0] * connections
    times: dict[str, list[float]] = {"GET": [], "PUT": []}
    until = time.monotonic() + seconds
    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as session:
        arm = Arm(session, plane, SERVICE, token)

        async def client(number: int) -> None:
            await arm.put(f"/tags/c-{number}", {"displayName": "first"})
            while time.monotonic() < until:
                method = "GET" if served[number] % 10 else "PUT"
                body = {"properties": {"displayName": f"{served[number]}"}} if method == "PUT" else None
                began = time.monotonic()
                await arm.call(method, f"/tags/c-{number}", body)
                times[method].append(time.monotonic() - began)
                served[number] += 1

        await asyncio.gather(*map(client, range(connections)))
    rows = [["requests per second", f"{sum(served) / seconds:.0f}"]]
    rows.append(
        [
            "requests of a connection: fewest, median, most",
            f"{min(served)}, {statistics.median(served):.0f}, {max(served)}",
        ]
    )
    for method, found in times.items():
        ordered = sorted(found)
        figures = (ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)], ordered[-1])
        rows.append([f"{method}, ms: p50, p99, longest", ", ".join(f"{each * 1000:.0f}" for each in figures)])
    return rows


async def long_run(process: Process, plane: str, token: str, puts: int) -> list[list[str]]:
    """Memory of the plane before, in the middle and after; meanwhile readers ask for pages that they do not read."""
    slow = [await ask_and_wait(plane, token) for _ in range(SLOW)]
    found: list[str] = []
    async with aiohttp.ClientSession() as session:
        arm = Arm(session, plane, SERVICE, token)
        for part in range(4):
            numbers = iter(range(puts // 4))

            async def write(numbers: Any = numbers, part: int = part) -> None:
                for number in numbers:
                    await arm.put(f"/tags/p-{number % 500}", {"displayName": f"{part} {number}"})

            await asyncio.gather(*(write() for _ in range(PUTS_AT_ONCE)))
            found.append(f"{usage(process.pid).resident / MEGABYTE:.0f}")
    for writer in slow:
        writer.close()
    return [[f"memory after each quarter of {puts:,} PUTs, MB", ", ".join(found)]]


async def ask_and_wait(plane: str, token: str) -> asyncio.StreamWriter:
    """A client that asks for the longest page and reads nothing."""
    host, _, port = plane.removeprefix("http://").partition(":")
    _, writer = await asyncio.open_connection(host, int(port), limit=1024)
    path = f"{SERVICE}/tags?api-version=2024-05-01&$top=1000"
    writer.write(f"GET {path} HTTP/1.1\r\nHost: plane\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    await writer.drain()
    return writer


async def one_batch(process: Process, plane: str, token: str, count: int) -> list[list[str]]:
    body = json.dumps({"resources": list(islice(resources(75_000), count))})
    reset_peak(process.pid)
    before, cpu, began = usage(process.pid), usage(process.pid).cpu, time.monotonic()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=600)) as session:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        gateway = f"{plane}{SERVICE}/gateways/local?api-version=2024-05-01"
        await session.put(gateway, data='{"properties": {"locationData": {"name": "here"}}}', headers=headers)
        url = f"{plane}{SERVICE}/apply?api-version=2024-05-01"
        async with session.post(url, data=body, headers=headers) as response:
            text = await response.text()
            if response.status != 200:
                raise Refused(text[:500])
    name = f"batch of {count:,} resources, {len(body) / MEGABYTE:.0f} MB"
    taken = (peak(process.pid) - before.resident) / MEGABYTE
    return [
        [f"{name}: s (CPU s)", f"{time.monotonic() - began:.1f} ({usage(process.pid).cpu - cpu:.1f})"],
        [f"{name}: memory it took, MB", f"{taken:.0f}"],
        ["memory afterwards, MB", f"{usage(process.pid).resident / MEGABYTE:.0f}"],
    ]


async def measure(arguments: argparse.Namespace, directory: Path) -> list[list[str]]:
    process, plane = await asyncio.to_thread(start, directory)
    try:
        token = await asyncio.to_thread((directory / "admin.token").read_text)
        rows = [["memory at rest, MB", f"{usage(process.pid).resident / MEGABYTE:.0f}"]]
        rows += await together(plane, token, arguments.connections, arguments.seconds)
        rows += await long_run(process, plane, token, arguments.puts)
        rows += await one_batch(process, plane, token, arguments.batch)
    finally:
        await asyncio.to_thread(process.end)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pressure", description=__doc__)
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--puts", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=100_000, help="resources of one batch")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="passerelle-") as directory:
        try:
            rows = uvloop.run(measure(arguments, Path(directory)))
        except (NotReady, Refused) as error:
            print(error, file=sys.stderr)
            return 1
    print(table(["", f"{arguments.connections} connections, {os.cpu_count()} processors"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
