"""One gateway in the world of the model: real agent, real sidecars, a backend, a plane and a wire that obey the steps.

Each method that begins with `step_` is a step; it may be done at any time, whatever was done before. Watchers ask every
sidecar all the time, and judge each answer at once:
1. Never an answer but 503 without a configuration, and never 503 for that reason once there is one.
2. A backend that is away is told as 5xx, and only by what asks it.
3. Every answer is explained by one state of the plane, none older than what the same process answered before.
4. The version that a process tells never goes back within a dataset.
5. Who is started anew begins with at least what was served before, unless the backup was damaged or could not be
   written meanwhile.
`settle` mends everything and waits until all sidecars answer as the newest state says.
"""

from __future__ import annotations

import http.client
import inspect
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from tests.model.oracle import ITEMS, Answer, explains
from tests.model.plane import ModelPlane, Outside, Wire
from tests.ports import free_port
from tests.syncagent.house import ROOT, Agent

POLL = 0.25
GOAL = POLL + 2.0  # seconds from the end of a fault to equality
PATIENCE = 60.0  # the same, before it is judged to be a failure: a busy machine is none
STATUS = "/internal-status-0123456789abcdef"
PLANE_FAULTS = ("500", "html", "hang", "half", "bad-fingerprint", "empty", "stale", "401")
STEP = re.compile(r"(\w+)(?:\((\d*)\))?")


class Broken(AssertionError):
    """A promise does not hold."""


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if getattr(self.server, "away", False):
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("X-First", self.headers.get("X-First", ""))
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass


class _Backend(ThreadingHTTPServer):
    """While it is `away` it closes connections without an answer."""

    daemon_threads = True
    away = False

    def handle_error(self, *_: object) -> None:
        """A sidecar that was killed."""


@dataclass
class Car:
    """One sidecar and what its process in its present life has answered. `life` grows with each start and kill."""

    number: int
    port: int
    process: subprocess.Popen[bytes] | None = None
    life: int = 0
    base: int = 0  # index of the oldest state that this life may begin with
    floor: int = 0  # index of the oldest state that it may answer with
    configured: bool = False
    told: tuple[str, int] = ("", 0)
    answers: int = 0
    dying: bool = False  # it is being killed, or is gone
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


class World:
    """`directory` is its own; `cars` is how many sidecars there are."""

    def __init__(self, directory: Path, cars: int = 2) -> None:
        self.directory = directory
        self.done: list[str] = []
        self.broken: list[str] = []
        self.worst = self.settled = 0.0
        self.durable = 0  # index of a state that is known to be in an intact backup
        self.dirty = False  # the backup was damaged, or could not be written
        self._backend_back = 0.0  # when the backend last was back, monotonic
        self._backend = _Backend(("127.0.0.1", 0), _Echo)
        threading.Thread(target=self._backend.serve_forever, args=(0.05,), daemon=True).start()
        self.outside = Outside()
        self.plane = ModelPlane(f"http://127.0.0.1:{self._backend.server_address[1]}")
        self.outside.do(self.plane.start())
        self.wire = Wire(urlsplit(self.plane.endpoint).port or 0)
        self.outside.do(self.wire.start())
        self.plane_alive = True
        endpoint = f"http://127.0.0.1:{self.wire.port}/configuration/s"
        settings = {"config.service.poll.interval": str(POLL), "telemetry.logs.std.level": "info"}
        self.agent = Agent(directory, endpoint, settings)
        self.cars = [Car(number, free_port()) for number in range(cars)]
        self._ending = threading.Event()
        self.agent.start()
        for car in self.cars:
            self._start_car(car)
        self._watchers = [threading.Thread(target=self._watch, args=(car,), daemon=True) for car in self.cars]
        for watcher in self._watchers:
            watcher.start()

    def close(self) -> None:
        self._ending.set()
        for watcher in self._watchers:
            watcher.join(10)
        for car in self.cars:
            if car.process is not None:
                car.process.kill()
                car.process.wait()
        self._agent_signal(signal.SIGCONT)
        self.agent.kill()
        self.outside.do(self.plane.stop())
        self.outside.do(self.wire.cut("refuse"))
        self.outside.close()
        self._backend.shutdown()
        self._backend.server_close()

    # Steps

    def step_edit(self) -> None:
        self.plane.edit()

    def step_add(self, number: int) -> None:
        self.plane.add(number % ITEMS)

    def step_delete(self, number: int) -> None:
        if number % ITEMS in self.plane.items:
            self.plane.delete_item(number % ITEMS)

    def step_break_policy(self) -> None:
        self.plane.break_policy()

    def step_mend_policy(self) -> None:
        self.plane.mend_policy()

    def step_new_dataset(self) -> None:
        self.plane.new_dataset()

    def step_plane_fault(self, number: int) -> None:
        self.plane.fault = PLANE_FAULTS[number % len(PLANE_FAULTS)]

    def step_plane_well(self) -> None:
        self.plane.fault = ""

    def step_kill_plane(self) -> None:
        if self.plane_alive:
            self.outside.do(self.plane.stop())
            self.plane_alive = False

    def step_start_plane(self) -> None:
        if not self.plane_alive:
            self.outside.do(self.plane.start())
            self.plane_alive = True

    def step_cut(self, number: int) -> None:
        if self.wire.state == "whole":
            self.outside.do(self.wire.cut(("refuse", "hole")[number % 2]))

    def step_heal(self) -> None:
        self.outside.do(self.wire.heal())

    def step_kill_agent(self) -> None:
        if self._agent_alive:
            self.agent.kill()

    def step_start_agent(self) -> None:
        if not self._agent_alive:
            self.agent.start()

    def step_freeze_agent(self) -> None:
        self._agent_signal(signal.SIGSTOP)

    def step_thaw_agent(self) -> None:
        self._agent_signal(signal.SIGCONT)

    def step_kill_car(self, number: int) -> None:
        car = self.cars[number % len(self.cars)]
        if car.process is not None and car.alive:
            with car.lock:
                car.life, car.dying = car.life + 1, True
            car.process.kill()
            car.process.wait()

    def step_start_car(self, number: int) -> None:
        car = self.cars[number % len(self.cars)]
        if not car.alive:
            self._start_car(car)

    def step_corrupt(self, number: int) -> None:
        """One bit of the newest generation of the backup."""
        try:
            with open(self.agent.backup / "current", "r+b") as file:
                size = file.seek(0, os.SEEK_END)
                place = random.Random(number).randrange(max(size, 1))
                file.seek(place)
                byte = file.read(1)
                file.seek(place)
                file.write(bytes([byte[0] ^ 1]))
        except (OSError, IndexError):
            return  # there is none yet
        self._doubt()

    def step_fill_disk(self) -> None:
        """No file of the agent may grow, its log neither."""
        self._limit(1)
        self._doubt()

    def step_free_disk(self) -> None:
        self._limit(resource.RLIM_INFINITY)

    def step_kill_backend(self) -> None:
        self._backend.away = True

    def step_start_backend(self) -> None:
        if self._backend.away:
            self._backend.away, self._backend_back = False, time.monotonic()

    def step_rest(self) -> None:
        time.sleep(POLL)

    def step_settle(self) -> None:
        self.settle()

    # Doing

    @classmethod
    def steps(cls) -> dict[str, bool]:
        """The names of all steps, and whether they take a number."""
        found = {name.removeprefix("step_"): getattr(cls, name) for name in dir(cls) if name.startswith("step_")}
        return {name: len(inspect.signature(method).parameters) > 1 for name, method in found.items()}

    def do(self, text: str) -> None:
        """One step, as `cut(1)` or `heal`; raises Broken when a watcher saw a broken promise."""
        match = STEP.fullmatch(text)
        if match is None or match[1] not in self.steps():
            raise ValueError(f"there is no step {text}")
        self.done.append(text)
        method = getattr(self, f"step_{match[1]}")
        method(int(match[2] or 0)) if self.steps()[match[1]] else method()
        self.judge()

    def judge(self) -> None:
        if self.broken:
            raise Broken("\n".join([*self.broken[:5], "after: " + " ".join(self.done)]))

    def settle(self) -> float:
        """Mend everything; seconds until all sidecars answered as the newest state says."""
        self.step_free_disk()
        self.step_thaw_agent()
        self.step_plane_well()
        self.step_start_backend()
        self.step_start_plane()
        self.step_start_agent()
        for car in self.cars:
            self.step_start_car(car.number)
        until = time.monotonic() + PATIENCE
        while not (self._listens(self.agent.port) and all(self._listens(car.port) for car in self.cars)):
            if time.monotonic() > until:
                raise Broken("a process does not listen, after: " + " ".join(self.done))
            time.sleep(0.02)
        self.step_heal()
        healed = time.monotonic()
        while not all(self._equal(car) for car in self.cars):
            self.judge()
            if time.monotonic() - healed > PATIENCE:
                raise Broken(f"not equal {PATIENCE:g} s after healing, after: " + " ".join(self.done))
            time.sleep(0.02)
        self.settled = time.monotonic() - healed
        self.worst = max(self.worst, self.settled)
        self._until_saved()
        self.judge()
        return self.settled

    def _until_saved(self) -> None:
        """An undamaged backup of the newest state: the last save went well and is newer than the last change."""
        if not self.dirty:
            return
        index, until = len(self.plane.history.states) - 1, time.monotonic() + PATIENCE
        self.plane.edit()
        # four generations: the damaged one is out of the way when each was written anew
        while time.monotonic() < until:
            if all(self._equal(car) for car in self.cars) and "BackupFailed" not in self._agent_issues():
                self.dirty, self.durable = False, index
                return
            time.sleep(0.05)
        raise Broken("the backup is not written again, after: " + " ".join(self.done))

    def _doubt(self) -> None:
        """From now on the backup may lack what was served; who has yet to get a configuration may get an older one."""
        self.dirty = True
        for car in self.cars:
            with car.lock:
                if not car.configured:
                    car.floor = 0

    def _agent_issues(self) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.agent.port, timeout=5)
        try:
            connection.request("GET", "/live")
            return connection.getresponse().read().decode()
        except OSError:
            return "BackupFailed"
        finally:
            connection.close()

    @property
    def _agent_alive(self) -> bool:
        return self.agent.process is not None and self.agent.process.poll() is None

    def _agent_signal(self, number: signal.Signals) -> None:
        if self.agent.process is not None and self._agent_alive:
            self.agent.process.send_signal(number)

    def _limit(self, size: int) -> None:
        if self.agent.process is not None and self._agent_alive:
            hard = resource.prlimit(self.agent.process.pid, resource.RLIMIT_FSIZE)[1]
            resource.prlimit(self.agent.process.pid, resource.RLIMIT_FSIZE, (size, hard))

    def _start_car(self, car: Car) -> None:
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "net.server.http.host": "127.0.0.1",
            "net.server.http.port": str(car.port),
            "config.sync.endpoint": self.agent.listen,
            "instance.id": f"car-{car.number}",
            "telemetry.enabled": "false",
            "net.client.loopback.allowed": "true",
            "net.client.http.allowed": "true",
        }
        with car.lock:
            car.life, car.dying = car.life + 1, False
            car.floor = 0 if self.dirty else self.durable
            car.configured, car.told = False, ("", 0)
        with open(self.directory / f"car-{car.number}.log", "ab") as log:
            car.process = subprocess.Popen(
                [sys.executable, "-m", "proxy"], cwd=ROOT, env=environment, stdout=log, stderr=log
            )

    @staticmethod
    def _listens(port: int) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.connect()
        except OSError:
            return False
        finally:
            connection.close()
        return True

    # Watching

    def _watch(self, car: Car) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", car.port, timeout=20)
        wanted = [("shop", 0), ("odd", 0), *(("item", number) for number in range(ITEMS)), ("status", 0)]
        while not self._ending.is_set():
            for kind, number in wanted:
                self._ask_once(car, connection, kind, number)
                if not car.alive:
                    break
            time.sleep(0.02)
        connection.close()

    def _ask_once(self, car: Car, connection: http.client.HTTPConnection, kind: str, number: int) -> None:
        with car.lock:
            life, floor, configured = car.life, car.floor, car.configured
        began = time.monotonic()
        try:
            if kind == "status":
                self._check_status(car, connection, life)
                return
            answer = ask(connection, kind, number)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            time.sleep(0.02)
            with car.lock:
                if car.life == life and not car.dying and configured:
                    self.broken.append(
                        f"car-{car.number}: {kind} failed after {time.monotonic() - began:.2f} s: {error!r}"
                    )
            return
        if kind == "shop" and answer.status >= 500 and (self._backend.away or began <= self._backend_back):
            return  # it says so, and nothing else does
        with car.lock:
            if car.life == life:
                self._check(car, answer, floor, configured)

    def _check(self, car: Car, answer: Answer, floor: int, configured: bool) -> None:
        if answer.status == 503:
            if configured:
                self.broken.append(f"car-{car.number} lost its configuration: {answer}")
            return
        with self.plane.lock:
            index = self.plane.history.explaining(answer, floor)
        if index is None:
            with self.plane.lock:
                older = self.plane.history.explaining(answer, 0)
                newest = self.plane.history.newest
            why = "no state explains it" if older is None else f"state {older} does, {floor} was answered before"
            self.broken.append(f"car-{car.number}: {answer}: {why}; newest: {newest}")
            return
        car.configured, car.floor, car.answers = True, max(car.floor, index), car.answers + 1
        if not self.dirty:
            self.durable = max(self.durable, index)

    def _check_status(self, car: Car, connection: http.client.HTTPConnection, life: int) -> None:
        connection.request("GET", STATUS)
        reply = connection.getresponse()
        told = json.loads(reply.read())
        version = (str(told.get("dataset")), int(told.get("configuration") or 0))
        with car.lock:
            if car.life != life:
                return
            if reply.status == 200 and not version[0]:
                self.broken.append(f"car-{car.number} is ready without a configuration: {told}")
            if version[0] == car.told[0] and version[1] < car.told[1]:
                self.broken.append(f"car-{car.number} went back from {car.told} to {version}")
            car.told = version

    def _equal(self, car: Car) -> bool:
        with self.plane.lock:
            newest = self.plane.history.newest
        connection = http.client.HTTPConnection("127.0.0.1", car.port, timeout=10)
        try:
            asked = [("shop", 0), ("odd", 0), *(("item", number) for number in range(ITEMS))]
            return all(explains(newest, ask(connection, kind, number)) for kind, number in asked)
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def ask(connection: http.client.HTTPConnection, kind: str, number: int) -> Answer:
    """One request. Raises OSError, HTTPException."""
    connection.request("GET", f"/item-{number}/x" if kind == "item" else f"/{kind}/x")
    reply = connection.getresponse()
    reply.read()
    first, second, stamp = (reply.getheader(name) for name in ("X-First", "X-Second", "X-Stamp"))
    return Answer(kind, number, reply.status, first, second, stamp)
