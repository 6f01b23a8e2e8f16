"""How long pages of both sites take with many APIs: `python -m tests.portal.pages [APIS]` (make pages), a minute.

A real plane and the portal run in this process; each page is asked for once after the start, ten times, and once after
a change of the configuration. What is printed is the time of the portal, which has that of the plane in it, beside the
goal, and the processor time of both; more than ten times the goal is a failure.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

import pytest

from portal import keeper, session, visits
from tests.management.conftest import TOKEN
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
    "/apis/api-0002/try",
    "/sign-in",
    "/forgotten",
    "/console",
    "/console/activity",
    "/console/requests",
    "/console/apis",
    "/console/apis/api-0001",
    "/console/apis/api-0001/operations/op-1/effective",
    "/console/products",
    "/console/subscriptions",
    "/console/subscriptions/master",
    "/console/policies",
    "/console/policy?scope=/apis/api-0001",
    "/console/debugger",
    "/console/debugger?api=api-0001",
    "/console/revisions",
    "/console/revisions/900",
    "/console/revisions/900/rollback",
    "/console/import",
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


async def measured(people: House, path: str, times: int) -> list[tuple[float, float]]:
    """(milliseconds, of processor time), each time."""
    found = []
    for _ in range(times):
        began = time.process_time()
        response = await people.client.get(path)
        await response.read()
        used = (time.process_time() - began) * 1000
        assert response.status == 200, path
        found.append((float(response.headers["Server-Timing"].partition("dur=")[2]), used))
        await asyncio.sleep(0.05)
    return found


async def every(people: House, times: int) -> dict[str, list[tuple[float, float]]]:
    return {path: await measured(people, path, times) for path in PAGES}


async def run(apis: int) -> bool:
    kept = {(module, name): getattr(module, name) for module, name in TUNED}
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        async with house(Path(folder), patch, gateways=("https://api.example.com",)) as people:
            for (module, name), value in kept.items():  # as it is in earnest
                patch.setattr(module, name, value)
            await fill(people, apis)
            await people.sign_up()
            people.client.session.cookie_jar.update_cookies({session.COOKIE: session.begin(TOKEN)})
            first, then = await every(people, 1), await every(people, TIMES)
            await people.plane.api("api-0001", description="Another description.")
            await asyncio.sleep(1.5)  # the log is looked at once a second
            changed = await every(people, 1)
            print(f"{apis} APIs, {TIMES} times each; milliseconds (of processor time), goal {GOAL:g}")
            print(f"{'':50} {'first':>15} {'median':>15} {'longest':>15} {'after a change':>15}")
            good = True
            for path in PAGES:
                ((once, used),), ((after, spent),) = first[path], changed[path]
                walls, works = zip(*then[path], strict=True)
                median = statistics.median(walls)
                good = good and max(median, once, after) < 10 * GOAL
                told = ((once, used), (median, statistics.median(works)), (max(walls), max(works)), (after, spent))
                print(f"{path:50} " + " ".join(f"{wall:7.1f} ({work:5.1f})" for wall, work in told))
            return good


TUNED = ((keeper, "CHECK"), (keeper, "PATIENCE"), (keeper, "REST"), (visits, "FRESH"))


def main() -> int:
    return 0 if asyncio.run(run(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)) else 1


if __name__ == "__main__":
    sys.exit(main())
