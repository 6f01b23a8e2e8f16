"""`make growth`: thousands of events in minutes, and what each process of a house keeps of one.

Everything that happens again and again happens at once: changes (of a policy, and APIs that come and go), requests on
connections that stay and that do not, with paths and keys that nobody knows, pages of both sites, calls with a wrong
token, and sidecars that connect, take the configuration and leave. Not memory of the process is judged, which an
allocator rounds, but what is in use after a collection; see `probe/sitecustomize.py`. The first laps fill what is
bounded, and do not count.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from benchmarks.table import table
from proxy.config.resources import ResourceIssue
from proxy.sync import SyncThread
from tests.e2e.house import API_VERSION, REPOSITORY, House, descendants, echo_backend, wait_until

PROBE = Path(__file__).with_name("probe")
# Of one change and all that comes with it; more is growth. gRPC keeps, in C, some 100 bytes of a sidecar that came and
# left.
OBJECTS, BYTES = 1.0, 250.0
ROUND = 1_000, 64 * 1024  # objects and bytes that are no growth: tables double, SQLite's cursors are swept by 200
LAPS = 5  # what is kept of each change shows in most; one more TLS connection, half a megabyte, in one
LOOKS = 3  # at what a process keeps
PACE = 0.01  # seconds from one change to the next, that the agent sees many of them
LEAST = 20  # times that each of the other things happens in a lap, however slow the machine is
PATIENCE = 60.0  # seconds for what takes some hundredths of one
PAGES = ("/", "/console", "/console/apis", "/console/activity", "/console/requests", "/console/gateways", "/none")


@dataclass(frozen=True)
class Kept:
    """Of one process after a collection; see `probe/sitecustomize.py`."""

    objects: int
    bytes: int


@dataclass
class Everything:
    """What happens to a house; each kind in a thread of its own, `failures` says what went wrong."""

    house: House
    events: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    _changes: int = 0

    def __post_init__(self) -> None:
        self.gateway = self.house.gateway_id

    def lap(self, changes: int) -> None:
        """So many changes, and as much else as there is time for meanwhile, LEAST of each."""
        over = threading.Event()
        others = [
            threading.Thread(target=self._until, args=(over, name, each))
            for name, each in {"requests": self._requests, "pages": self._pages, "sidecars": self._sidecar}.items()
        ]
        for each in others:
            each.start()
        try:
            self._change(changes)
        finally:
            over.set()
            for each in others:
                each.join()

    def _until(self, over: threading.Event, name: str, act: Callable[[], int]) -> None:
        """Ends when it is over, and LEAST have happened or one failed."""
        count = failed = 0
        while not over.is_set() or (count < LEAST and not failed):
            try:
                count += (done := act())
                self.events[name] = self.events.get(name, 0) + done
            except (OSError, http.client.HTTPException, AssertionError) as problem:
                failed += 1
                self.failures.append(f"{name}: {problem!r}")
                time.sleep(0.2)
            time.sleep(PACE * 5)

    def _change(self, changes: int) -> None:
        plane = urlsplit(self.house.info["management"])
        connection = http.client.HTTPConnection(plane.hostname or "", plane.port, timeout=PATIENCE)
        for _ in range(changes):
            began = time.monotonic()
            self._changes += 1
            number = self._changes
            if number % 10 == 0:  # on a connection of its own
                connection.close()
                _ask(connection, "GET", f"{self.house.info['service']}/apis?{API_VERSION}", "wrong", statuses={401})
            value = f'<set-header name="X-Version"><value>{number}</value></set-header>'
            policy = {"format": "rawxml", "value": f"<policies><inbound><base />{value}</inbound></policies>"}
            self._put(connection, "/apis/shop/policies/policy", policy)
            if number % 10 == 5:
                self._put(connection, f"/apis/a{number}", {"displayName": "a", "path": f"a{number}"})
                self._put(connection, f"/gateways/{self.gateway}/apis/a{number}", {})
                path = f"{self.house.info['service']}/apis/a{number}?{API_VERSION}"
                _ask(connection, "DELETE", path, self.house.info["token"], statuses={200, 202, 204})
            time.sleep(max(PACE - (time.monotonic() - began), 0))
        connection.close()
        self.events["changes"] = self.events.get("changes", 0) + changes

    def _put(self, connection: http.client.HTTPConnection, path: str, properties: dict[str, Any]) -> None:
        path = f"{self.house.info['service']}{path}?{API_VERSION}"
        _ask(connection, "PUT", path, self.house.info["token"], {"properties": properties}, statuses={200, 201})

    def _requests(self) -> int:
        count = 0
        for gateway in self.house.gateways:
            place = urlsplit(gateway)
            connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=PATIENCE)
            unique = f"{time.monotonic_ns():x}"
            for path in ("/shop/x", f"/shop/{unique}?q={unique}", f"/{unique}", f"/keyed/x?subscription-key={unique}"):
                connection.request("GET", path)
                connection.getresponse().read()
                count += 1
            connection.close()
        return count

    def _pages(self) -> int:
        place = urlsplit(self.house.info["portal"])
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=PATIENCE)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", "/console/sign-in", urlencode({"token": self.house.info["token"]}), form)
        answer = connection.getresponse()
        answer.read()
        cookie = (answer.headers.get("Set-Cookie") or "").partition(";")[0]
        assert cookie, f"signing in answers {answer.status}"
        for path in PAGES:
            connection.request("GET", path, headers={"Cookie": cookie})
            answer = connection.getresponse()
            answer.read()
            assert answer.status in (200, 303, 404), (path, answer.status)
        connection.close()
        return len(PAGES) + 1

    def _sidecar(self) -> int:
        """One more sidecar, with a name that no other had: it takes the configuration and leaves."""
        came = threading.Event()

        def apply(*_: object) -> list[ResourceIssue]:
            came.set()
            return []

        endpoint = self.house.processes("proxy")[0].environment["config.sync.endpoint"]
        thread = SyncThread(endpoint, f"guest-{time.monotonic_ns():x}", "0", "", apply, lambda: (1, 0, 1.0))
        thread.start()
        try:
            assert came.wait(PATIENCE), f"a sidecar got no configuration within {PATIENCE:g} s"
        finally:
            thread.stop()
        return 1


def _ask(
    connection: http.client.HTTPConnection, method: str, path: str, token: str, body: Any = None, *, statuses: set[int]
) -> None:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "If-Match": "*"}
    if method == "PUT":
        del headers["If-Match"]
    connection.request(method, path, json.dumps(body) if body is not None else None, headers)
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status in statuses, (method, path, answer.status, text[:300])


def probed(told: Path) -> dict[str, str]:
    """The environment of processes that tell what they keep in files of the directory `told`, which is made."""
    told.mkdir()
    return {"PYTHONPATH": f"{PROBE}:{REPOSITORY}", "PASSERELLE_PROBE": str(told)}


@contextlib.contextmanager
def house(directory: Path) -> Iterator[House]:
    """Of processes that tell what they keep: `kept`."""
    environment = probed(directory / "told") | {"PASSERELLE_PROBE_HURRY": "1"}
    it = House(directory / "house", 0.25, ("--no-demo", "--sidecars", "2"), environment)
    with echo_backend() as backend:
        try:
            it.start()
            it.api("shop", backend)
            it.api("keyed", backend, key=True)
            it.everywhere("/shop/x", lambda reply: reply.status == 200)
            yield it
        finally:
            it.stop()


def kept(house: House) -> dict[str, Kept]:
    """By the name of each process."""
    assert house.up is not None
    pids: dict[str, int] = {}
    for process in sorted(descendants(house.up.pid), key=lambda each: each.pid):
        name = process.module
        if name in ("proxy", "telemetry"):
            name += process.environment.get("instance.id", "").removeprefix("sidecar")
        if name:
            pids[name] = process.pid
            told = Path(process.environment["PASSERELLE_PROBE"])
    return dict(zip(pids, kept_of(told, *pids.values()), strict=True))


def kept_of(told: Path, *pids: int) -> list[Kept]:
    """The least that each process tells in the directory `told` when it is asked: what it is at work on is not kept."""
    found: list[list[Kept]] = []
    for _ in range(LOOKS):
        found.append(_told(told, pids))
        time.sleep(0.05)
    return [
        Kept(min(each.objects for each in looks), min(each.bytes for each in looks))
        for looks in zip(*found, strict=True)
    ]


def _told(told: Path, pids: Sequence[int]) -> list[Kept]:
    """All are asked at once."""

    def lines(pid: int) -> list[str]:
        path = told / str(pid)
        return path.read_text().splitlines(keepends=True) if path.exists() else []

    before = {pid: len(lines(pid)) for pid in pids}
    for pid in pids:
        os.kill(pid, signal.SIGUSR2)
    for pid, count in before.items():
        wait_until(
            lambda pid=pid, count=count: len(now := lines(pid)) > count and now[-1].endswith("\n"),
            PATIENCE,
            what=f"{pid} to tell what it keeps",
        )
    return [Kept(**json.loads(lines(pid)[-1])) for pid in pids]


@dataclass
class Grown:
    """What one process kept of so many changes, and all that came with them."""

    name: str
    before: Kept
    after: Kept
    changes: int

    @property
    def objects(self) -> float:
        """Of one change."""
        return (self.after.objects - self.before.objects) / self.changes

    @property
    def bytes(self) -> float:
        return (self.after.bytes - self.before.bytes) / self.changes

    @property
    def grows(self) -> bool:
        objects, size = ROUND
        return (
            self.after.objects - self.before.objects > objects + OBJECTS * self.changes
            or self.after.bytes - self.before.bytes > size + BYTES * self.changes
        )


def grown(house: House, everything: Everything, changes: int, before: dict[str, Kept] | None = None) -> list[Grown]:
    """One lap of so many changes; `before` is what was kept, where that is known already."""
    before = before or kept(house)
    everything.lap(changes)
    after = kept(house)
    return [Grown(name, before[name], each, changes) for name, each in sorted(after.items()) if name in before]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.growth", description=__doc__)
    parser.add_argument("--changes", type=int, default=5_000)
    parser.add_argument("--warm", type=int, default=2_000, help="changes that are not judged")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="growth") as directory, house(Path(directory)) as it:
        everything = Everything(it)
        everything.lap(arguments.warm)
        everything.events.clear()
        laps = [grown(it, everything, max(arguments.changes // LAPS, 1)) for _ in range(LAPS)]
    print(", ".join(f"{count} {name}" for name, count in sorted(everything.events.items())))
    print(f"goal: of one change, and all that comes with it, at most {OBJECTS:g} objects and {BYTES:g} bytes are kept")
    print(f"(median of {LAPS} laps)\n")
    rows, growing = [], False
    for same in zip(*laps, strict=True):
        grows = sum(each.grows for each in same) > LAPS // 2
        growing = growing or grows
        objects, size = statistics.median(each.objects for each in same), statistics.median(each.bytes for each in same)
        last = same[-1].after
        rows.append(
            [same[0].name, f"{last.objects:,}", f"{objects:+.2f}", f"{last.bytes / 2**20:.1f}", f"{size:+.0f}",
             "no" if grows else "yes"]
        )  # fmt: skip
    heads = ["objects", "of one change", "other memory, MiB", "bytes of one change", "holds"]
    print(table(["process", *heads], rows))
    for failure in everything.failures[:10]:
        print(failure)
    return bool(everything.failures) or growing


if __name__ == "__main__":
    sys.exit(main())
