"""Nobody takes what a sidecar tells: the collector is away, silent or slow; the pipe behind standard output is full."""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import select
import signal
import subprocess
import termios
import threading
import time
from collections.abc import Iterator

from tests.e2e.house import Process, request, wait_until
from tests.faults.compare import RATE, compared
from tests.faults.cost import family, resident
from tests.faults.line import ANSWER, BLACK_HOLE, REFUSE, Line, http
from tests.faults.place import STATUS, Place
from tests.faults.row import Figures, fault


@fault(
    "F24",
    "the collector refuses, is silent, or answers slowly",
    promise="what waits is bounded; requests do not notice",
    goal="0 failed; throughput >= 95 %; memory < +32 MiB; SIGTERM delayed <= 2 s",
)
def collector(place: Place) -> Figures:
    figures = Figures()
    lines = [Line(("127.0.0.1", 9)).start() for _ in range(2)]
    slow = {"latency": 2.5, "answer": lambda head, body: http("200 OK")}
    healed_at = [0.0, 0.0]

    def heal(number: int) -> None:
        healed_at[number] = time.monotonic()
        lines[number].set(ANSWER, answer=lambda head, body: http("200 OK"))

    try:
        for number in (0, 1):
            heal(number)
        with contextlib.ExitStack() as stack:
            processes = [
                stack.enter_context(changed(place, number, **_collected(place, number, lines[number])))
                for number in (0, 1)
            ]
            found = compared(
                place,
                [process.pid for process in processes],
                figures,
                [
                    lambda number: lines[number].set(REFUSE),
                    lambda number: lines[number].set(BLACK_HOLE),
                    lambda number: lines[number].set(ANSWER, **slow),
                ],
                heal,
                lambda number: lines[number].asked(healed_at[number]) > 0,
            )
            process = processes[0]
            before = resident(family(process))
            lines[0].set(BLACK_HOLE)
            with place.load([place.house.gateways[0]], rate=RATE / 2) as load:
                time.sleep(8)
            grown = resident(family(process)) - before
            ended = seconds_to_end(process)
    finally:
        for line in lines:
            line.stop()
    figures.failed(load)
    found.tell(figures)
    figures.at_most("memory of sidecar and child grew by", grown, 32, "MiB")
    figures.at_most("SIGTERM to exit", ended, 2, "s", bound=4)
    return figures


def _collected(place: Place, number: int, line: Line) -> dict[str, str]:
    return {
        "observability.opentelemetry.enabled": "true",
        "observability.opentelemetry.collector.uri": line.url,
        "observability.opentelemetry.protocol": "http/protobuf",
        "telemetry.spool.path": str(place.directory / f"spool-{number}"),
    }


@fault(
    "F25",
    "nobody reads standard output: the pipe is full",
    promise="lines are dropped, nobody waits",
    goal="0 failed; throughput >= 95 %; SIGTERM delayed <= 2 s",
)
def pipe(place: Place) -> Figures:
    figures = Figures()
    logging = {"telemetry.logs.std": "json", "telemetry.logs.std.level": "info"}
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(changed(place, number, piped=True, **logging)) for number in (0, 1)]
        readers = [stack.enter_context(_Reader(place, process.pid)) for process in processes]
        found = compared(
            place,
            [process.pid for process in processes],
            figures,
            [lambda number: readers[number].pause()],
            lambda number: readers[number].go_on(),
        )
        readers[0].pause()
        with place.load(place.house.gateways[:1], rate=RATE / 2) as load:
            time.sleep(3)
        figures.true("the pipe was full", readers[0].full, "the pipe was never full")
        place.arrived(place.publish())
        figures.at_most("SIGTERM to exit", seconds_to_end(processes[0]), 2, "s", bound=4)
    figures.failed(load)
    found.tell(figures)
    dead = place.house.kill("syncagent")[0]
    blocked_agent = _piped(place, dead, {"telemetry.logs.std.level": "debug"})
    wait_until(lambda: place.ready(blocked_agent).get("source") == "plane", 30, what="the agent")
    time.sleep(20 if place.options.full else 5)
    figures.at_most("agent with a full pipe: a change in force after", place.arrived(place.publish()), 15, "s")
    place.restart_agent(**{"telemetry.logs.std.level": dead.environment.get("telemetry.logs.std.level", "")})
    return figures


@contextlib.contextmanager
def changed(place: Place, number: int = 0, piped: bool = False, **settings: str) -> Iterator[Process]:
    """That sidecar with these settings too; afterwards it is as it was."""
    gateway, before = place.house.gateways[number], place.sidecar(number)
    before.environment.pop("telemetry.spool.path", None)
    _end(place, before, gateway)
    if piped:
        _piped(place, before, settings)
    else:
        place.start_again(before, **settings)
    _until_ready(gateway)
    try:
        yield place.sidecar(number)
    finally:
        now = [each for each in place.house.processes("proxy") if each.environment["net.server.http.port"] in gateway]
        for process in now:
            _end(place, process, gateway)
        place.forgotten(gateway)
        place.start_again(before)
        _until_ready(gateway)


def _piped(place: Place, process: Process, settings: dict[str, str]) -> Process:
    """Start it with a pipe that nobody reads for its output."""
    child = subprocess.Popen(
        process.argv, env={**process.environment, **settings}, cwd=process.cwd,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    place.house.restarted.append(child)
    return wait_until(lambda: Process.read(child.pid), 5)


def _end(place: Place, process: Process, gateway: str) -> None:
    os.kill(process.pid, signal.SIGKILL)
    for child in place.house.restarted:
        if child.pid == process.pid:
            child.wait()
            if child.stdout is not None:
                child.stdout.close()
    wait_until(lambda: not process.alive, 10, what="a sidecar to die")
    place.forgotten(gateway)


def _until_ready(gateway: str) -> None:
    wait_until(lambda: request(gateway + STATUS, timeout=2).status == 200, 30, what="the sidecar")


def seconds_to_end(process: Process) -> float:
    """From SIGTERM, with nothing in flight."""
    began = time.monotonic()
    os.kill(process.pid, signal.SIGTERM)
    wait_until(lambda: not process.alive, 30, every=0.01, what="the sidecar to end")
    return time.monotonic() - began


class _Reader:
    """Reads what a process that `_piped` started says, or does not."""

    def __init__(self, place: Place, pid: int) -> None:
        [child] = [each for each in place.house.restarted if each.pid == pid]
        assert child.stdout is not None
        self._descriptor = os.dup(child.stdout.fileno())
        self._reading = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._read, name="reader", daemon=True)

    def __enter__(self) -> _Reader:
        self._reading.set()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._reading.set()
        self._thread.join(5)
        os.close(self._descriptor)

    def go_on(self) -> None:
        self._reading.set()

    def pause(self) -> None:
        self._reading.clear()

    @property
    def full(self) -> bool:
        """Whether as much waits as it takes in pieces that leave much of their pages empty."""
        waiting = array.array("i", [0])
        fcntl.ioctl(self._descriptor, termios.FIONREAD, waiting)
        return waiting[0] > fcntl.fcntl(self._descriptor, fcntl.F_GETPIPE_SZ) // 2

    def _read(self) -> None:
        while not self._ended:
            self._reading.wait()
            ready, _, _ = select.select([self._descriptor], [], [], 0.05)
            if ready and self._reading.is_set() and not os.read(self._descriptor, 1 << 16):
                return
