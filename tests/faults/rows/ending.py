"""SIGTERM under load, a second one, and SIGKILL while a sidecar drains."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.e2e.house import Process, request, wait_until
from tests.faults.line import PASS
from tests.faults.place import STATUS, Place
from tests.faults.row import Figures, fault

SLOW = 1.0  # seconds that the backend of the API `line` takes each way, so that requests are in flight
IN_FLIGHT = 20


@fault(
    "F31",
    "SIGTERM to a sidecar under load",
    promise="not ready, drain, exit",
    goal="0 of those in flight fail; exit <= 30 s",
)
def term(place: Place) -> Figures:
    figures, gateway = Figures(), place.house.gateways[0]
    process = place.sidecar(0)
    others = [each for each in place.house.gateways if each != gateway]
    place.backend.set(PASS, latency=SLOW)
    with place.load(others) as load:
        flight = Flight(gateway)
        flight.arrive(place)
        os.kill(process.pid, signal.SIGTERM)
        began = time.monotonic()
        refused = _refused(gateway, 3)
        wait_until(lambda: not process.alive, 40, what="the sidecar to end")
        ended = time.monotonic() - began
        flight.join()
    place.backend.set()
    _again(place, process)
    figures.failed(load)
    figures.true(f"{flight.good} of {IN_FLIGHT} in flight were answered", flight.good == IN_FLIGHT, f"{flight.wrong}")
    figures.true("new connections are refused at once", refused)
    figures.at_most("exit after", ended, 30, "s")
    return figures


@fault(
    "F32",
    "a second SIGTERM, then SIGKILL, while a sidecar drains",
    promise="ends at once; starts again",
    goal="exit <= 2 s; next start <= 2 s; the backup is whole",
)
def twice(place: Place) -> Figures:
    figures, gateway = Figures(), place.house.gateways[0]
    for name, second in (("second SIGTERM", signal.SIGTERM), ("SIGKILL", signal.SIGKILL)):
        process = place.sidecar(0)
        place.backend.set(PASS, latency=20)
        flight = Flight(gateway, 4)
        flight.arrive(place)
        os.kill(process.pid, signal.SIGTERM)
        time.sleep(1)
        draining = process.alive
        os.kill(process.pid, second)
        began = time.monotonic()
        wait_until(lambda process=process: not process.alive, 40, what="the sidecar to end")
        figures.true(f"drains until the {name}", draining)
        figures.at_most(f"{name}: exit after", time.monotonic() - began, 2, "s", bound=5)
        flight.join()
        place.backend.set()
        figures.at_most("next start", _again(place, process), 2, "s", bound=10)
    agent = place.agent
    for _ in range(2):
        os.kill(agent.pid, signal.SIGTERM)
    began = time.monotonic()
    wait_until(lambda: not agent.alive, 20, what="the agent to end")
    figures.at_most("agent, two SIGTERM: exit after", time.monotonic() - began, 5, "s", bound=10)
    place.start_again(agent)
    wait_until(lambda: place.ready().get("ready"), 30, what="the agent")
    figures.true("its backup was whole", "BackupUnusable" not in place.ready()["issues"])
    return figures


def _again(place: Place, process: Process) -> float:
    """Start a sidecar that ended; seconds until it is ready."""
    gateway = place.house.gateways[0]
    place.forgotten(gateway)
    began = time.monotonic()
    place.start_again(process)
    wait_until(lambda: request(gateway + STATUS, timeout=2).status == 200, 30, every=0.02, what="the sidecar")
    return time.monotonic() - began


def _refused(gateway: str, seconds: float) -> bool:
    """Whether connecting fails within that time, and from then on."""
    parts = urlsplit(gateway)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            socket.create_connection((parts.hostname or "", parts.port or 80), 1).close()
        except OSError:
            return True
        time.sleep(0.02)
    return False


@dataclass
class Flight:
    """Requests that are under way, each on a connection of its own."""

    gateway: str
    count: int = IN_FLIGHT
    good: int = 0
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._began = time.monotonic()
        self._threads = [threading.Thread(target=self._one, daemon=True) for _ in range(self.count)]
        for thread in self._threads:
            thread.start()

    def arrive(self, place: Place) -> None:
        """Wait until the sidecar has them all: each has come to the line before the backend."""
        wait_until(lambda: place.backend.asked(self._began) >= self.count, 10, what="requests in flight")

    def join(self) -> None:
        for thread in self._threads:
            thread.join(40)

    def _one(self) -> None:
        parts = urlsplit(self.gateway)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=40)
        try:
            connection.request("GET", "/line/x")
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                self.good += 1
            else:
                self.wrong.append(str(answer.status))
        except (OSError, http.client.HTTPException) as error:
            self.wrong.append(repr(error))
        finally:
            connection.close()
