"""A storm of changes: a plane that publishes a hundred a second to an agent that asks twenty times a second."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from tests.faults.imposter import imposter
from tests.faults.place import Place
from tests.faults.row import Figures, fault

RATE = 100.0  # changes a second
POLL = "0.05"
INTERVAL = "config.service.poll.interval"


class Writes:
    """How often the newest generation of the backup became another file, or longer."""

    def __init__(self, current: Path) -> None:
        self.count = 0
        self._current, self._ending = current, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Writes:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join(5)

    def _watch(self) -> None:
        seen: object = None
        while not self._ending.wait(0.02):
            try:
                status = os.stat(self._current)
            except OSError:
                continue  # between two renames
            now = (status.st_ino, status.st_mtime_ns, status.st_size)
            self.count += seen not in (None, now)
            seen = now


@fault(
    "F12",
    "a storm of 100 changes a second",
    promise="changes are merged, the newest wins",
    goal="0 failed; <= 2 applies/s to a sidecar; <= 1 backup write/s; p99 <= 2x; equal at the end",
)
def storm(place: Place) -> Figures:
    figures = Figures()
    cars = len(place.house.gateways)
    calm_seconds, seconds = 4.0, 60.0 if place.options.full else 10.0
    place.restart_agent(**{INTERVAL: POLL})
    try:
        with imposter(place) as plane:
            current = Path(place.agent.environment["config.backup.path"]) / "current"
            with place.load() as load:
                time.sleep(1)
                calm_from = time.monotonic()
                time.sleep(calm_seconds)
                began, sent = time.monotonic(), place.log("syncagent").count("[SendingConfiguration]")
                published = 0
                with Writes(current) as writes:
                    while (now := time.monotonic()) < began + seconds:
                        if published < (now - began) * RATE:
                            newest = plane.publish()
                            published += 1
                        else:
                            time.sleep(0.002)
                    ended = time.monotonic()
                    applies = (place.log("syncagent").count("[SendingConfiguration]") - sent) / cars
                equal = place.arrived(newest)
            calm, stormy = load.p99(calm_from, began), load.p99(began, ended)
    finally:
        place.restart_agent(**{INTERVAL: f"{place.options.poll:g}"})
    figures.failed(load)
    figures.say(f"{published / seconds:.0f} changes/s for {seconds:g} s")
    figures.at_most("applies", applies / seconds, 2, "/s")
    figures.at_most("backup writes", writes.count / seconds, 1, "/s", bound=1.2)
    figures.at_most(f"p99 {calm:.1f} ms, in the storm", stormy, max(2 * calm, 2.0), "ms", bound=max(10 * calm, 100))
    figures.at_most("equal after", equal, 2, "s", bound=15)
    return figures
