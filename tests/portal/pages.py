"""How long pages of both sites take with many APIs: `python -m tests.portal.pages [APIS]` (make pages), two minutes.

Plane and portal are processes of their own, as in production. A visitor walks while the APIs are made; then both start
again, and each page is asked for at once, ten times, and within a second of a change of the configuration. What is
printed is the time of the portal by its Server-Timing, which has that of the plane in it, beside the processor time of
portal and plane; more than ten times the goal by that time is a failure.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from management.provision import DEFAULT_SERVICE
from portal import session
from tests.portal.house import PASSWORD, csrf
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
GOAL = 50.0  # milliseconds
TIMES = 10
EMAIL = "ann@example.com"
PAGES = (
    "/",
    "/?q=api-09",
    "/?tag=Tag+3",
    "/?page=12",
    "/apis/api-0001",
    "/apis/api-0001/operations/op-1",
    "/apis/api-0003",
    "/apis/api-0003/operations/op-100",
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
    "/console/apis?q=09",
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
    "/console/revisions/REVISION",
    "/console/revisions/REVISION/rollback",
    "/console/import",
)


@dataclass(frozen=True)
class Took:
    """Milliseconds by the clock, and of processor time in the portal and in the plane."""

    wall: float
    portal: float
    plane: float

    def __str__(self) -> str:
        return f"{self.wall:6.1f} ({self.portal:4.1f} +{self.plane:5.1f})"


class Running:
    """A process of ours, started as in production."""

    def __init__(self, module: str, port: int, **settings: object) -> None:
        self._module, self._settings = module, settings
        self.url = f"http://127.0.0.1:{port}"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> float:
        """Seconds until it answered."""
        began = time.monotonic()
        environment = {**os.environ, **{name.replace("__", "."): str(each) for name, each in self._settings.items()}}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", self._module, cwd=ROOT, env=environment, stdout=asyncio.subprocess.DEVNULL
        )
        async with aiohttp.ClientSession() as client:
            while time.monotonic() - began < 60:
                assert self._process.returncode is None, f"{self._module} has ended"
                try:
                    async with client.get(f"{self.url}/health"):
                        return time.monotonic() - began
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.02)
        raise AssertionError(f"{self._module} does not answer")

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    @property
    def used(self) -> float:
        """Milliseconds of processor time, all threads together."""
        assert self._process is not None
        tasks = Path(f"/proc/{self._process.pid}/task").iterdir()
        return sum(int((each / "schedstat").read_text().split()[0]) for each in tasks) / 1e6


@dataclass
class Town:
    """`plane` and `portal`, who makes APIs, and who looks at pages."""

    plane: Running
    portal: Running
    token: str
    client: aiohttp.ClientSession

    async def put(self, id: str, properties: dict[str, Any] | None = None) -> None:
        url = f"{self.plane.url}{DEFAULT_SERVICE}{id}?api-version=2024-05-01"
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.client.put(url, json={"properties": properties or {}}, headers=headers) as answer:
            assert answer.status in (200, 201), await answer.text()

    async def look(self, path: str) -> Took:
        portal, plane = self.portal.used, self.plane.used
        async with self.client.get(self.portal.url + path) as answer:
            await answer.read()
            assert answer.status == 200, path
            wall = float(answer.headers["Server-Timing"].partition("dur=")[2])
        return Took(wall, self.portal.used - portal, self.plane.used - plane)

    async def sign_up(self) -> None:
        """Ann, and the operator, in one browser."""
        for path, fields in (("/sign-up", {"firstName": "Ann", "lastName": "X"}), ("/sign-in", {})):
            async with self.client.get(self.portal.url + path) as form:
                token = csrf(await form.text())
            data = {"csrf": token, "email": EMAIL, "password": PASSWORD, **fields}
            async with self.client.post(self.portal.url + path, data=data) as answer:
                assert answer.status == 200, await answer.text()
        self.client.cookie_jar.update_cookies({session.COOKIE: session.begin(self.token)})


@asynccontextmanager
async def town(folder: Path) -> AsyncIterator[Town]:
    port, other, door = free_port(), free_port(), free_port()
    plane = Running(
        "management", port, management__data=folder, management__http__port=port, management__https__port=other
    )
    portal = Running(
        "portal",
        door,
        portal__http__port=door,
        portal__management__url=plane.url,
        portal__management__token__file=folder / "admin.token",
        portal__gateways="https://api.example.com",
    )
    try:
        await plane.start()
        await portal.start()
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as client:
            yield Town(plane, portal, (folder / "admin.token").read_text().strip(), client)
    finally:
        await portal.stop()
        await plane.stop()


async def fill(town: Town, apis: int) -> None:
    for name, groups in (("public", ("guests", "developers")), ("partners", ("developers",)), ("inside", ())):
        await town.put(f"/products/{name}", {"displayName": name.capitalize(), "state": "published"})
        for group in groups:
            await town.put(f"/products/{name}/groups/{group}")
    for number in range(10):
        await town.put(f"/tags/t{number}", {"displayName": f"Tag {number}"})
    for start in range(0, apis, 20):
        await asyncio.gather(*(one(town, number) for number in range(start, min(start + 20, apis))))


async def one(town: Town, number: int) -> None:
    name = f"api-{number:04}"
    description = f"An API among many others, number {number}. " * 4
    await town.put(f"/apis/{name}", {"displayName": name, "path": name, "description": description})
    await town.put(f"/products/public/apis/{name}")
    if number % 10 == 0:
        await town.put(f"/products/{('partners', 'inside')[number // 10 % 2]}/apis/{name}")
        await town.put(f"/apis/{name}/tags/t{number // 10 % 10}")
    for each in range(1, 101 if number == 3 else 2 if number < 20 else 1):
        operation = {
            "displayName": "An operation",
            "method": "GET",
            "urlTemplate": f"/{each}",
            "description": "So. " * 9,
        }
        await town.put(f"/apis/{name}/operations/op-{each}", operation)


async def meanwhile(town: Town, path: str, work: asyncio.Task[None]) -> list[Took]:
    """What a visitor who comes five times a second waits, until `work` is done and for three seconds more."""
    found, ends = [], float("inf")
    while time.monotonic() < ends:
        found.append(await town.look(path))
        await asyncio.sleep(0.2)
        if work.done() and ends == float("inf"):
            work.result()
            ends = time.monotonic() + 3
    return found


async def change(town: Town, number: int) -> None:
    """Of an API, one of its operations, or a product in turn."""
    if number % 3 == 0:
        name = f"api-{number:04}"
        await town.put(f"/apis/{name}", {"displayName": name, "path": name, "description": f"Changed by {number}."})
    elif number % 3 == 1:
        operation = {"displayName": f"Operation {number}", "method": "GET", "urlTemplate": "/x"}
        await town.put("/apis/api-0001/operations/op-1", operation)
    else:
        await town.put(
            "/products/public", {"displayName": "Public", "state": "published", "description": f"As of {number}."}
        )


async def run(apis: int) -> bool:
    with tempfile.TemporaryDirectory() as name:
        async with town(Path(name)) as people:
            await people.sign_up()
            filling = asyncio.create_task(fill(people, apis))
            visitor = await meanwhile(people, "/", filling)
            await people.portal.stop()
            await people.plane.stop()
            await people.plane.start()
            started = await people.portal.start()
            paths = [path.replace("REVISION", str(apis * 9 // 10)) for path in PAGES]
            first = {path: await people.look(path) for path in paths}
            then = {path: [await again(people, path) for _ in range(TIMES)] for path in paths}
            changed = {}
            for number, path in enumerate(paths):
                await asyncio.sleep(1.05)  # the log is looked at once a second
                await change(people, number)
                changed[path] = await people.look(path)
            print(f"{apis} APIs, {TIMES} times each; milliseconds (processor: portal + plane), goal {GOAL:g}")
            print(f"{'':50} {'first':>21} {'median':>21} {'longest':>21} {'after a change':>21}")
            for path in paths:
                told = (first[path], median(then[path]), max(then[path], key=lambda one: one.wall), changed[path])
                print(f"{path:50} " + " ".join(map(str, told)))
            print(f"{'/ while the APIs are made':50} {'':21} {median(visitor)} {longest(visitor)}")
            print(f"The portal started with them in {started:.2f} s.")
            every = [*first.values(), *changed.values(), *(one for several in then.values() for one in several)]
            over = [one for one in every if one.wall > GOAL]
            print(f"{len(over)} of {len(every)} answers took more than {GOAL:g} ms; the longest {longest(every)}.")
            return all(one.portal + one.plane < 10 * GOAL for one in every)


async def again(people: Town, path: str) -> Took:
    await asyncio.sleep(0.05)
    return await people.look(path)


def median(several: Iterable[Took]) -> Took:
    walls, portals, planes = zip(*((one.wall, one.portal, one.plane) for one in several), strict=True)
    return Took(statistics.median(walls), statistics.median(portals), statistics.median(planes))


def longest(several: Iterable[Took]) -> Took:
    return max(several, key=lambda one: one.wall)


def main() -> int:
    return 0 if asyncio.run(run(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)) else 1


if __name__ == "__main__":
    sys.exit(main())
