"""`make bench-scale`: what a service of the Premium tier's size costs: 75,000 operations and as many subscriptions.

On a house of its own (`passerelle up`, loopback, a fresh store) for each size: reads and writes at the plane, the
snapshot that a new agent gets, the time from a PUT until every sidecar serves it, ready time from the backup while the
plane is gone, and the memory of each process. A PUT should cost the same in every column.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

from benchmarks.house import House, Recipe, restart
from benchmarks.processes import MEGABYTE, NotReady, peak, proportional, reset_peak, usage
from benchmarks.seed import (
    GATEWAY,
    PRODUCTS,
    Arm,
    Refused,
    apis_for,
    name_of,
    operation,
    policy,
    seed,
    subscription,
)
from benchmarks.table import table

LIVE_WITHIN = 300.0  # seconds
DEEP = 100


@dataclass
class Column:
    """One size: what was measured, in the order it is printed."""

    rows: dict[str, str] = field(default_factory=dict)

    def times(self, name: str, samples: list[float]) -> None:
        """Median and 99th percentile of seconds, in milliseconds."""
        ordered = sorted(samples)
        last = ordered[min(len(ordered) - 1, round(len(ordered) * 0.99))]
        self.rows[f"{name}, ms: p50, p99"] = f"{statistics.median(ordered) * 1000:.1f}, {last * 1000:.1f}"


async def live(session: aiohttp.ClientSession, gateways: tuple[str, ...], api: str, marker: str) -> None:
    """Until each gateway serves `marker`. Raises NotReady."""
    deadline = time.monotonic() + LIVE_WITHIN

    async def watch(gateway: str) -> None:
        while time.monotonic() < deadline:
            async with session.get(f"{gateway}/{api}/things") as response:
                if response.headers.get("X-Marker") == marker:
                    return
                status = response.status
            await asyncio.sleep(0.01)
        raise NotReady(
            f"{gateway}/{api} does not serve the marker {marker} within {LIVE_WITHIN:g} s; it answers {status}"
        )

    await asyncio.gather(*map(watch, gateways))


@dataclass
class Bench:
    """One house with one service of `size` operations in it."""

    size: int
    samples: int
    arm: Arm
    session: aiohttp.ClientSession
    house: House
    column: Column = field(default_factory=Column)

    def pid(self, module: str) -> int:
        return next(pid for name, pid in self.house.processes() if name == module)

    async def timed(self, name: str, work: Callable[[int], Awaitable[Any]], samples: int = 0) -> None:
        count, plane = samples or self.samples, self.pid("management")
        await work(0)
        times, before = [], usage(plane).cpu
        for number in range(count):
            began = time.perf_counter()
            await work(number)
            times.append(time.perf_counter() - began)
        self.column.times(name, times)
        self.column.rows[f"{name}, plane's CPU ms"] = f"{(usage(plane).cpu - before) / count * 1000:.1f}"

    async def writes(self) -> None:
        size, apis, arm = self.size, apis_for(self.size), self.arm
        named = max(size * 6 // 25, 1)
        pick = random.Random(1)
        await self.timed(
            "PUT operation",
            lambda n: arm.put(
                f"/apis/{name_of(pick.randrange(apis))}/operations/op-0", operation(0) | {"description": f"{n}"}
            ),
        )
        await self.timed(
            "PUT subscription",
            lambda n: arm.put(
                f"/subscriptions/customer-{(k := pick.randrange(size)):05}", subscription(k) | {"displayName": f"C {n}"}
            ),
        )
        await self.timed(
            "PUT named value",
            lambda n: arm.put(
                f"/namedValues/value-{(k := pick.randrange(named)):05}",
                {"displayName": f"value-{k:05}", "value": f"w{n}"},
            ),
        )
        await self.timed(
            "PUT policy",
            lambda n: arm.put(
                f"/apis/{name_of(pick.randrange(apis))}/policies/policy", {"format": "rawxml", "value": policy(f"m{n}")}
            ),
        )
        await self.timed(
            "PUT API",
            lambda n: arm.put(f"/apis/new-{n}", {"displayName": f"N{n}", "path": f"new-{n}", "protocols": ["https"]}),
        )

    async def reads(self) -> None:
        size, arm = self.size, self.arm
        pick = random.Random(2)
        await self.timed(
            "GET subscription", lambda n: arm.call("GET", f"/subscriptions/customer-{pick.randrange(size):05}")
        )
        await self.timed("list subscriptions, first page", lambda n: arm.call("GET", "/subscriptions"), 20)
        skip = str(max(size - DEEP, 0))
        await self.timed(
            "list subscriptions, last page", lambda n: arm.call("GET", "/subscriptions", **{"$skip": skip}), 20
        )
        await self.timed(
            "list subscriptions, $filter",
            lambda n: arm.call("GET", "/subscriptions", **{"$filter": f"contains(displayName,'{size - 1}')"}),
            3,
        )
        await self.timed(
            "list a product's subscriptions",
            lambda n: arm.call("GET", f"/products/product-{n % PRODUCTS}/subscriptions"),
            3,
        )

    async def snapshot(self) -> None:
        """What an agent without a backup asks for, and what one asks for that is one change behind."""
        expiry = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        told = await self.arm.call(
            "POST", f"/gateways/{GATEWAY}/generateToken", {"keyType": "primary", "expiry": expiry}
        )
        headers = {"Authorization": f"GatewayKey {told['value']}", "Accept-Encoding": "gzip"}
        name = self.house.line.service.rsplit("/", 1)[1]
        url = f"{self.house.line.management}/configuration/{name}/gateways/{GATEWAY}/events"
        plane = self.pid("management")
        reset_peak(plane)
        before, cpu, began = usage(plane).resident, usage(plane).cpu, time.perf_counter()
        async with self.session.get(url, headers=headers, auto_decompress=False) as response:
            size = 0
            async for piece in response.content.iter_chunked(1 << 20):
                size += len(piece)
        rows = self.column.rows
        rows["snapshot, s (plane's CPU s)"] = f"{time.perf_counter() - began:.2f} ({usage(plane).cpu - cpu:.2f})"
        rows["snapshot, compressed MB"] = f"{size / MEGABYTE:.1f}"
        rows["snapshot, memory that the plane took for it, MB"] = f"{(peak(plane) - before) / MEGABYTE:.0f}"

        async def changes(n: int) -> None:
            await self.arm.put(f"/apis/{name_of(0)}/operations/op-0", operation(0) | {"description": f"c{n}"})

        async with self.session.get(url, headers=headers, params={"dataset": "x"}, auto_decompress=True) as response:
            head = (await response.content.readline()).decode()
            await response.read()
        dataset, cursor = re.findall(r'"dataset": ?"([^"]+)".*"cursor": ?(\d+)', head)[0]
        await changes(0)

        async def ask(_: int) -> None:
            async with self.session.get(
                url, headers=headers, params={"dataset": dataset, "cursor": cursor}
            ) as response:
                await response.read()

        await self.timed("feed, one change behind", ask, 20)

    async def propagation(self) -> None:
        """Seconds from the PUT until the last sidecar has it, at moments that are unrelated to the agent's polls."""
        found, pids = [], dict.fromkeys(("syncagent", "proxy"), 0.0)
        count = max(self.samples // 20, 3)
        started = self._cpu(pids)
        for sample in range(count):
            api = name_of(random.randrange(apis_for(self.size)))
            await asyncio.sleep(random.random())
            began = time.monotonic()
            await self.arm.put(
                f"/apis/{api}/policies/policy", {"format": "rawxml", "value": policy(f"sample-{sample}")}
            )
            await live(self.session, self.house.line.gateways, api, f"sample-{sample}")
            found.append(time.monotonic() - began)
        ended = self._cpu(pids)
        rows = self.column.rows
        rows["PUT of a policy to live everywhere, s: p50, longest"] = (
            f"{statistics.median(found):.2f}, {max(found):.2f}"
        )
        for module in pids:
            rows[f"CPU of {module} per change (all of it), ms"] = (
                f"{(ended[module] - started[module]) / count * 1000:.0f}"
            )

    def _cpu(self, modules: dict[str, float]) -> dict[str, float]:
        found = dict.fromkeys(modules, 0.0)
        for module, pid in self.house.processes():
            if module in found:
                found[module] += usage(pid).cpu
        return found

    def memory(self) -> None:
        found: dict[str, list[str]] = {}
        for module, pid in self.house.processes():
            found.setdefault(module, []).append(
                f"{usage(pid).resident / MEGABYTE:.0f} ({proportional(pid) / MEGABYTE:.0f})"
            )
        for module, texts in found.items():
            self.column.rows[f"memory of {module}, MB: RSS (PSS)"] = ", ".join(texts)


async def measure(size: int, arguments: argparse.Namespace, directory: Path) -> Column:
    house = await asyncio.to_thread(House, directory, arguments.sidecars, arguments.poll_interval)
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=600)) as session:
            arm = Arm(session, house.line.management, house.line.service, house.line.token)
            bench = Bench(size, arguments.samples, arm, session, house)
            column = bench.column
            print(f"{size:,} operations: seeding ...", file=sys.stderr)
            count, seconds = await seed(arm, size)
            column.rows["resources"] = f"{count:,}"
            column.rows["seeding, s (resources/s)"] = f"{seconds:.1f} ({count / seconds:.0f})"
            first = name_of(0)
            await arm.put(f"/apis/{first}/policies/policy", {"format": "rawxml", "value": policy("all")})
            began = time.monotonic()
            await live(session, house.line.gateways, first, "all")
            column.rows["all of it live after the last PUT, s"] = f"{time.monotonic() - began:.1f}"
            print(f"{size:,} operations: measuring ...", file=sys.stderr)
            await bench.propagation()
            await bench.writes()
            await bench.reads()
            await bench.snapshot()
            bench.memory()
        recipes = house.recipes()
    finally:
        await asyncio.to_thread(house.end)
    column.rows["store, MB"] = f"{await asyncio.to_thread(stored, directory) / MEGABYTE:.0f}"
    ready = await asyncio.to_thread(from_backup, recipes, directory)
    column.rows["ready from backup, s: slowest sidecar"] = f"{max(ready):.2f}"
    return column


def stored(directory: Path) -> int:
    """Bytes of the store on the disk."""
    return sum(each.stat().st_size for each in directory.rglob("store.db*"))


def from_backup(recipes: list[Recipe], directory: Path) -> list[float]:
    processes, ready = restart(recipes, directory)
    for process in reversed(processes):
        process.end()
    return ready


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--operations", type=int, nargs="+", default=[10, 1_000, 75_000])
    parser.add_argument("--sidecars", type=int, default=2)
    parser.add_argument("--poll-interval", type=float, default=1.0, help="seconds")
    parser.add_argument("--samples", type=int, default=200, help="calls of each kind")
    arguments = parser.parse_args()
    columns: list[Column] = []
    for size in arguments.operations:
        with tempfile.TemporaryDirectory(prefix="passerelle-") as directory:
            try:
                columns.append(uvloop.run(measure(size, arguments, Path(directory))))
            except (NotReady, Refused) as error:
                print(error, file=sys.stderr)
                return 1
    heads = ["", *(f"{size:,}" for size in arguments.operations)]
    print(table(heads, [[name, *(column.rows.get(name, "") for column in columns)] for name in columns[-1].rows]))
    print(f"\n{arguments.sidecars} sidecars, poll interval {arguments.poll_interval:g} s, {arguments.samples} samples.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
