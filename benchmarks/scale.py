"""`python -m benchmarks.scale`: what thousands of APIs cost.

On a house of its own (`passerelle up`, loopback, a fresh store): the time from an ARM PUT of a policy until every
sidecar serves it; the time until agent and sidecars are ready from the backup while the plane is gone; the memory of
each process before and with N APIs of five operations and one policy each, half of the policy texts the same.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
import uvloop

from benchmarks.house import House, Recipe, restart
from benchmarks.processes import MEGABYTE, NotReady, proportional, usage
from benchmarks.seed import Arm, Refused, name_of, seed
from benchmarks.table import table

LIVE_WITHIN = 300.0  # seconds


async def live(session: aiohttp.ClientSession, gateways: tuple[str, ...], api: str, marker: str) -> list[float]:
    """When (monotonic seconds) each gateway first served `marker`. Raises NotReady."""
    deadline = time.monotonic() + LIVE_WITHIN

    async def watch(gateway: str) -> float:
        while time.monotonic() < deadline:
            async with session.get(f"{gateway}/{api}/things") as response:
                if response.headers.get("X-Marker") == marker:
                    return time.monotonic()
                status = response.status
            await asyncio.sleep(0.01)
        raise NotReady(
            f"{gateway}/{api} does not serve the marker {marker} within {LIVE_WITHIN:g} s; it answers {status}"
        )

    return await asyncio.gather(*map(watch, gateways))


async def propagation(arm: Arm, session: aiohttp.ClientSession, house: House, count: int, samples: int) -> list[float]:
    """Seconds from the PUT until the last sidecar has it, at moments that are unrelated to the agent's polls."""
    found = []
    for sample in range(samples):
        api = name_of(random.randrange(count))
        await asyncio.sleep(random.random())
        began = time.monotonic()
        await arm.put_policy(api, f"sample-{sample}")
        found.append(max(await live(session, house.line.gateways, api, f"sample-{sample}")) - began)
    return found


def memory(house: House) -> dict[str, list[float]]:
    """Resident and proportional megabytes by module, one entry per process."""
    found: dict[str, list[float]] = {}
    for module, pid in house.processes():
        found.setdefault(module, []).append(usage(pid).resident / MEGABYTE)
        found.setdefault(f"{module} (PSS)", []).append(proportional(pid) / MEGABYTE)
    return found


async def measure(count: int, arguments: argparse.Namespace, directory: Path) -> list[list[str]]:
    house = await asyncio.to_thread(House, directory, arguments.sidecars, arguments.poll_interval)
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
            arm = Arm(session, house.line.management, house.line.service, house.line.token)
            await asyncio.sleep(2)
            at_rest = memory(house)
            print(f"{count:,} APIs: putting them ...", file=sys.stderr)
            seconds = await seed(arm, count)
            print(f"{count:,} APIs: put in {seconds:.0f} s; waiting until they are live ...", file=sys.stderr)
            await arm.put_policy(name_of(count - 1), "last")
            began = time.monotonic()
            await live(session, house.line.gateways, name_of(count - 1), "last")
            caught_up = time.monotonic() - began
            times = await propagation(arm, session, house, count, arguments.samples)
            loaded = memory(house)
        recipes = house.recipes()
    finally:
        await asyncio.to_thread(house.end)
    ready = await asyncio.to_thread(from_backup, recipes, directory)
    rows = [
        ["APIs put, seconds (requests/s)", f"{seconds:.0f} ({3 * count / seconds:.0f})"],
        ["all of them live after the last, s", f"{caught_up:.1f}"],
        ["PUT of a policy to live everywhere, s: median", f"{statistics.median(times):.2f}"],
        ["PUT of a policy to live everywhere, s: longest", f"{max(times):.2f}"],
        ["ready from backup, s: slowest sidecar", f"{max(ready):.2f}"],
    ]
    for name in loaded:
        resting = "+".join(f"{value:.0f}" for value in at_rest.get(name, []))
        rows.append(
            [f"memory of {name}, MB: at rest, loaded", f"{resting}, {'+'.join(f'{v:.0f}' for v in loaded[name])}"]
        )
    return rows


def from_backup(recipes: list[Recipe], directory: Path) -> list[float]:
    processes, ready = restart(recipes, directory)
    for process in reversed(processes):
        process.end()
    return ready


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--apis", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--sidecars", type=int, default=2)
    parser.add_argument("--poll-interval", type=float, default=1.0, help="seconds")
    parser.add_argument("--samples", type=int, default=10, help="policies that are changed for the time to live")
    arguments = parser.parse_args()
    columns: list[list[list[str]]] = []
    for count in arguments.apis:
        with tempfile.TemporaryDirectory(prefix="passerelle-") as directory:
            try:
                columns.append(uvloop.run(measure(count, arguments, Path(directory))))
            except (NotReady, Refused) as error:
                print(error, file=sys.stderr)
                return 1
    heads = ["", *(f"{count:,} APIs" for count in arguments.apis)]
    rows = [[row[0][0], *(cell[1] for cell in row)] for row in zip(*columns, strict=False)]
    print(table(heads, rows))
    print(f"\n{arguments.sidecars} sidecars, poll interval {arguments.poll_interval:g} s, {arguments.samples} samples.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
