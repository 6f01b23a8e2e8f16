"""Planes that are not what they were: one of two is stale, the dataset is another one, the store was lost."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sqlite3
import time
import uuid
from pathlib import Path

from tests.e2e.house import Process, request, wait_until
from tests.faults.place import Place
from tests.faults.row import Figures, fault
from tests.ports import free_port

STORE = "store.db"


def _back(place: Place) -> None:
    wait_until(lambda: place.house.arm("").status == 200, 60, what="the plane to return")


@fault(
    "F22",
    "the plane returns with a new dataset id",
    promise="the whole is read again and swapped at once",
    goal="0 failed; in sync <= a poll + 2 s",
)
def new_dataset(place: Place) -> Figures:
    figures, house = Figures(), place.house
    with place.load() as load:
        before = place.ready()["dataset"]
        dead = house.kill("management")
        with sqlite3.connect(house.data / STORE) as store:
            store.execute("UPDATE services SET dataset = ?", (str(uuid.uuid4()),))
        store.close()
        house.again(dead)
        _back(place)
        took = place.arrived(place.publish())
        wait_until(lambda: place.ready()["dataset"] != before, 30, what="the new dataset")
        time.sleep(1)
    figures.failed(load)
    figures.at_most("in sync after", took, place.options.poll + 2, "s", bound=2 * place.options.poll + 10)
    return figures


@fault(
    "F22b",
    "the plane has lost its store; gateway, token and one API are made anew",
    promise="what is held is kept until half of it is there again",
    goal="0 failed; alarm; then in sync",
)
def lost_store(place: Place) -> Figures:
    figures = Figures()
    with place.another() as own:
        house = own.house
        dead = house.kill("management")
        kept = own.directory / "kept"
        shutil.copytree(house.data, kept, ignore=shutil.ignore_patterns("run", "logs", "backup", "*.sock"))
        for file in house.data.glob(f"{STORE}*"):
            file.unlink()
        held = own.ready()
        with own.load() as load:
            house.again(dead)
            _back(own)
            time.sleep(2 * own.options.poll)
            refused = own.ready()
            house.put("/gateways/local", {"locationData": {"name": "local"}})
            house.api("new", own.echo)
            own.token_file.write_text(own.token())
            wait_until(lambda: "not marked complete" in (own.ready()["lastError"] or ""), 60, what="the refusal")
            wait_until(
                lambda: any(
                    issue["code"] == "ConfigurationShrunk" for beat in own.heartbeats() for issue in beat["issues"]
                ),
                60,
                what="the alarm in a heartbeat",
            )
            same = own.ready()["cursor"] == held["cursor"]
            # the store is found again: everything is as it was
            dead = house.kill("management")
            for file in house.data.glob(f"{STORE}*"):
                file.unlink()
            for file in kept.glob(f"{STORE}*"):
                shutil.copy(file, house.data / file.name)
            house.again(dead)
            _back(own)
            own.token_file.write_text(own.token())
            own.arrived(own.publish())
    figures.failed(load)
    figures.true("refused by the empty plane first", refused["lastError"], "not even noticed")
    figures.true("kept, with an alarm", same, "the new plane's one API was taken for everything")
    return figures


@fault(
    "F23",
    "two planes behind one address, of which one is stale",
    promise="no flapping",
    goal="0 failed; the version never decreases; in sync <= 2 polls + 2 s",
)
def stale_replica(place: Place) -> Figures:
    figures, house = Figures(), place.house
    plane = house.processes("management")[0]
    copy = Path(place.directory, "stale")
    os.kill(plane.pid, signal.SIGSTOP)  # so that the copy is of one moment
    try:
        shutil.copytree(house.data, copy, ignore=shutil.ignore_patterns("run", "logs", "backup", "*.sock", "telemetry"))
    finally:
        os.kill(plane.pid, signal.SIGCONT)
    port = free_port()
    moved = {"management.data": str(copy), "management.http.port": str(port), "management.https.port": "0"}
    moved["management.token.file"] = str(copy / "admin.token")
    [child] = house.again([Process(0, plane.argv, {**plane.environment, **moved}, plane.cwd)])
    targets = itertools.cycle([("127.0.0.1", port), place.plane.target])
    fresh = place.plane.target
    try:
        wait_until(lambda: request(f"http://127.0.0.1:{port}/").status, 60, what="the stale plane")
        with place.load() as load:
            version, times = 0, []
            for _ in range(3):
                version = place.publish()
                # each new connection goes to the other one
                until = time.monotonic() + 8 * place.options.poll + 20
                began = time.monotonic()
                while min(place.version(gateway) for gateway in house.gateways) < version:
                    assert time.monotonic() < until, f"version {version} does not arrive: {place.ready()}"
                    place.plane.aim(next(targets))
                    place.plane.drop()
                    time.sleep(place.options.poll / 2)
                times.append(time.monotonic() - began)
            seen = []
            for _ in range(8):
                place.plane.aim(next(targets))
                place.plane.drop()
                time.sleep(place.options.poll / 2)
                seen.append(place.ready()["cursor"])
    finally:
        place.plane.aim(fresh)
        place.plane.drop()
        child.kill()
        child.wait()
        shutil.rmtree(copy, ignore_errors=True)
    figures.failed(load)
    figures.true("the agent's version only grows", seen == sorted(seen), f"the agent went {seen}")
    goal = 2 * place.options.poll + 2
    figures.at_most("in sync after at most", max(times), goal, "s", bound=8 * place.options.poll + 15)
    return figures
