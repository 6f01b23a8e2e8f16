"""How long pages of the portal take with many APIs: `python -m tests.portal.pages [APIS]` (make pages), half a minute.

A real plane and the portal run in this process; each page is asked for ten times. What is printed is the portal's own
time, the median and the longest, beside the goal; more than ten times the goal is a failure.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
from pathlib import Path

import pytest

from portal import catalogue, visits
from tests.portal.house import House, house

GOAL = 50.0  # milliseconds
TIMES = 10
PAGES = (
    "/",
    "/?q=api-09",
    "/?page=12",
    "/apis/api-0001",
    "/apis/api-0001/operations/op-1",
    "/products",
    "/products/public",
    "/profile",
    "/profile/usage",
)


async def fill(people: House, apis: int) -> None:
    await people.product("public", "guests", "developers")
    for start in range(0, apis, 20):
        await asyncio.gather(*(one(people, number) for number in range(start, min(start + 20, apis))))


async def one(people: House, number: int) -> None:
    name = f"api-{number:04}"
    await people.plane.api(name, description="An API among many others. " * 4)
    await people.plane.put(f"/products/public/apis/{name}")
    if number < 20:
        operation = {"displayName": "An operation", "method": "GET", "urlTemplate": "/x"}
        await people.plane.put(f"/apis/{name}/operations/op-1", operation)


async def measured(people: House, path: str) -> list[float]:
    times = []
    for _ in range(TIMES):
        response = await people.client.get(path)
        assert response.status == 200, path
        times.append(float(response.headers["Server-Timing"].partition("dur=")[2]))
        await asyncio.sleep(0.05)
    return times


async def run(apis: int) -> bool:
    kept = {(module, name): getattr(module, name) for module, name in TUNED}
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        async with house(Path(folder), patch, gateways=("https://api.example.com",)) as people:
            for (module, name), value in kept.items():  # as it is in earnest
                patch.setattr(module, name, value)
            await fill(people, apis)
            await people.sign_up()
            await people.go("/")
            print(f"{apis} APIs, {TIMES} times each; milliseconds, goal {GOAL:g}")
            good = True
            for path in PAGES:
                times = await measured(people, path)
                good = good and statistics.median(times) < 10 * GOAL
                print(f"  {path:32} median {statistics.median(times):6.1f}   longest {max(times):6.1f}")
            return good


TUNED = ((catalogue, "CHECK"), (catalogue, "PATIENCE"), (catalogue, "REST"), (visits, "FRESH"))


def main() -> int:
    return 0 if asyncio.run(run(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)) else 1


if __name__ == "__main__":
    sys.exit(main())
