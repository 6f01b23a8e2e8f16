"""The agent's volume is full, read-only, away, damaged; and everything starts from it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.house import request, wait_until
from tests.faults.line import PASS, REFUSE
from tests.faults.place import STATUS, Place
from tests.faults.row import Figures, fault
from tests.faults.volume import empty, fill, read_only, volume

KEY = {"config.backup.key": "a key of the tests"}
COLD = ("config.service.poll.interval", "config.service.heartbeat.interval")


@fault(
    "F13",
    "the volume of the backup is full",
    promise="serve and apply; the old backup stays whole",
    goal="0 failed; the next save works <= 15 s after there is space",
)
def full(place: Place) -> Figures:
    figures = Figures()
    with elsewhere(place) as mounted:
        last = place.publish()
        place.arrived(last)
        wait_until(lambda: (mounted / "backup" / "current").exists(), 20, what="a backup")
        settled(place)
        with place.load() as load:
            fill(mounted)
            before = (mounted / "backup" / "current").read_bytes()
            version = place.publish()
            applied = place.arrived(version)
            wait_until(lambda: "BackupFailed" in place.ready()["issues"], 20, what="the issue to be told")
            kept = (mounted / "backup" / "current").read_bytes() == before
            empty(mounted)
            began = time.monotonic()
            wait_until(lambda: "BackupFailed" not in place.ready()["issues"], 30, what="the next save")
            saved = time.monotonic() - began
        figures.failed(load)
        figures.true("the old backup stayed whole, byte by byte", kept)
        figures.at_most("a change applied after", applied, place.options.poll + 4, "s", bound=30)
        figures.at_most("saved after there was space", saved, 15, "s", bound=25)
    return figures


@fault(
    "F14",
    "the volume of the backup is read-only, or not there",
    promise="serve and apply, with a warning",
    goal="0 failed; start <= 2 s; a backup within 15 s of its coming",
)
def unwritable(place: Place) -> Figures:
    figures = Figures()
    with elsewhere(place) as mounted:
        settled(place)
        with place.load() as load:
            read_only(mounted)
            version = place.publish()
            applied = place.arrived(version)
            wait_until(lambda: "BackupFailed" in place.ready()["issues"], 20, what="the issue to be told")
            began = time.monotonic()
            place.restart_agent()
            wait_until(lambda: place.ready().get("ready"), 30, what="the agent")
            started = time.monotonic() - began
            place.arrived(place.publish())
            read_only(mounted, False)
            began = time.monotonic()
            wait_until(lambda: not backup_issues(place), 30, what="the next save")
            saved = time.monotonic() - began
            missing = place.directory / "file"
            missing.touch()
            place.restart_agent(**{"config.backup.path": str(missing / "backup")})
            wait_until(lambda: place.ready().get("ready") and backup_issues(place), 30, what="a start without a volume")
            place.arrived(place.publish())
            missing.unlink()
            began = time.monotonic()
            wait_until(lambda: (missing / "backup" / "current").exists(), 30, what="a backup in what came late")
            late = time.monotonic() - began
        figures.failed(load)
        figures.at_most("a change applied after", applied, place.options.poll + 4, "s", bound=30)
        figures.at_most("agent started on it, ready after", started, 2, "s", bound=10)
        figures.at_most("saved when it was writable after", saved, 15, "s", bound=25)
        figures.at_most("saved when it came after", late, 15, "s", bound=25)
    return figures


@fault(
    "F15",
    "the newest backup is damaged, and the plane is away",
    promise="the previous generation is used, the damaged one set aside",
    goal="0 failed; ready <= 2 s",
)
def newest_damaged(place: Place) -> Figures:
    figures = Figures()
    for _ in range(2):
        place.arrived(place.publish())
    backup = Path(place.agent.environment["config.backup.path"])
    wait_until(lambda: (backup / "prev-1").exists(), 20, what="two generations")
    settled(place)
    with place.load() as load:
        place.plane.set(REFUSE)
        dead = place.house.kill("syncagent")[0]
        content = (backup / "current").read_bytes()
        (backup / "current").write_bytes(content[: len(content) // 2])
        began = time.monotonic()
        place.start_again(dead)
        wait_until(lambda: place.ready().get("source") == "backup", 30, what="the agent to be ready")
        ready = time.monotonic() - began
        aside = (backup / "current.bad").exists()
        place.plane.set(PASS)
        version = place.publish()
        place.arrived(version)
    (backup / "current.bad").unlink(missing_ok=True)
    figures.failed(load)
    figures.at_most("ready from the previous generation after", ready, 2, "s", bound=10)
    figures.true("the damaged one is set aside", aside)
    return figures


@fault(
    "F16",
    "all backups are damaged, and the plane is away",
    promise="503 and not ready, never 2xx; then in sync",
    goal="no 2xx; in sync <= 12 s after the plane is back",
)
def all_damaged(place: Place) -> Figures:
    figures = Figures()
    backup = Path(place.agent.environment["config.backup.path"])
    settled(place)
    place.plane.set(REFUSE)
    dead = [*place.house.kill("proxy"), *place.house.kill("syncagent")]
    for gateway in place.house.gateways:
        place.forgotten(gateway)
    for path in backup.iterdir():
        if path.name in ("current", "prev-1", "prev-2", "prev-3", "changes", "changes-1"):
            path.write_bytes(os.urandom(100))
    for process in dead:
        place.start_again(process)
    wait_until(lambda: place.ready().get("ready") is False, 30, what="the agent")
    for gateway in place.house.gateways:
        wait_until(lambda gateway=gateway: request(gateway + STATUS).status, 60, what=f"any answer of {gateway}")
    seen: set[int] = set()
    end = time.monotonic() + 5
    while time.monotonic() < end:
        for gateway in place.house.gateways:
            for path in ("/shop/open", "/nowhere", STATUS):
                with contextlib.suppress(OSError):
                    seen.add(request(gateway + path, timeout=2).status)
        time.sleep(0.05)
    version = place.publish()
    place.plane.set(PASS)
    synced = place.arrived(version)
    for path in backup.glob("*.bad"):
        path.unlink()
    figures.true(f"answers meanwhile: {sorted(seen)}", seen == {503})
    figures.at_most("in sync after", synced, 2 + place.options.poll, "s", bound=20)
    return figures


@fault(
    "F20",
    "the plane is cut off, then everything is killed and starts again",
    promise="start from the backup",
    goal="first good answer <= 2 s",
)
def everything_again(place: Place) -> Figures:
    figures = Figures()
    place.arrived(place.publish())
    settled(place)
    place.plane.set(REFUSE)
    dead = [*place.house.kill("proxy"), *place.house.kill("syncagent")]
    for gateway in place.house.gateways:
        place.forgotten(gateway)
    began = time.monotonic()
    for process in dead:
        place.start_again(process)
    kind, firsts = place.kinds[1], []
    for gateway in place.house.gateways:
        wait_until(lambda gateway=gateway: place.answers(kind, gateway), 30, every=0.02, what="a good answer")
        firsts.append(time.monotonic() - began)
    place.plane.set(PASS)
    place.arrived(place.publish())
    figures.at_most("first good answer, with a key, after", firsts[0], 2, "s", bound=10)
    figures.at_most("of all sidecars after", firsts[-1], 2, "s", bound=15)
    return figures


@contextlib.contextmanager
def elsewhere(place: Place) -> Iterator[Path]:
    """The agent's backup on a volume of 256 KiB of its own; afterwards it is where it was."""
    _ = place.house
    former = place.agent.environment["config.backup.path"]
    with volume(place.directory / "volume", 256) as mounted:
        place.restart_agent(**{"config.backup.path": str(mounted / "backup"), **KEY})
        wait_until(lambda: place.ready().get("source") == "plane", 30, what="the agent")
        try:
            yield mounted
        finally:
            place.restart_agent(**{"config.backup.path": former, "config.backup.key": ""})
            wait_until(lambda: place.ready().get("source") == "plane", 30, what="the agent")


def backup_issues(place: Place) -> list[str]:
    """What is wrong with it now; `BackupUnusable` tells what was wrong at the start."""
    return [code for code in place.ready()["issues"] if code.startswith("Backup") and code != "BackupUnusable"]


def settled(place: Place) -> None:
    """What is held is saved: a poll later, and nothing to complain of."""
    wait_until(lambda: not backup_issues(place), 30, what="a backup without complaint")
    time.sleep(place.options.poll + 1)
