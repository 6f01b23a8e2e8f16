"""Nobody takes what a sidecar tells: the collector is away, silent or slow; the pipe behind standard output is full."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator

from tests.e2e.house import Process, request, wait_until
from tests.faults.cost import Meter, family, resident
from tests.faults.line import ANSWER, BLACK_HOLE, REFUSE, Line, http
from tests.faults.place import STATUS, Place
from tests.faults.row import Figures, fault

SECONDS = 4.0  # of load for each measurement, of which there are two
RATE = 400.0


@fault(
    "F24",
    "the collector refuses, is silent, or answers slowly",
    promise="what waits is bounded; requests do not notice",
    goal="0 failed; throughput >= 95 %; memory < +32 MiB; SIGTERM delayed <= 2 s",
)
def collector(place: Place) -> Figures:
    figures = Figures()
    line = Line(("127.0.0.1", 9)).start()
    line.set(ANSWER, answer=lambda head, body: http("200 OK"))
    settings = {
        "observability.opentelemetry.enabled": "true",
        "observability.opentelemetry.collector.uri": line.url,
        "observability.opentelemetry.protocol": "http/protobuf",
        "telemetry.spool.path": str(place.directory / "spool"),
    }
    try:
        with changed(place, **settings) as process:
            measured(place, process, figures, "")  # its pools and caches are warm now
            healthy = measured(place, process, figures, "")
            before = resident(family(process))
            worst = healthy
            for name, mode, options in (
                ("refuses", REFUSE, {}),
                ("is silent", BLACK_HOLE, {}),
                ("answers after 5 s", ANSWER, {"latency": 2.5, "answer": lambda head, body: http("200 OK")}),
            ):
                line.set(mode, **options)
                worst = max(worst, measured(place, process, figures, f"collector {name}: "))
            grown = resident(family(process)) - before
            began = time.monotonic()
            os.kill(process.pid, signal.SIGTERM)
            wait_until(lambda: not process.alive, 30, what="the sidecar to end")
            ended = time.monotonic() - began
    finally:
        line.stop()
    figures.at_least("throughput by processor time", healthy / worst * 100, 95, "%", bound=75)
    figures.at_most("memory of sidecar and child grew by", grown, 32, "MiB")
    figures.at_most("SIGTERM to exit", ended, 2, "s", bound=4)
    return figures


@fault(
    "F25",
    "nobody reads standard output: the pipe is full",
    promise="lines are dropped, nobody waits",
    goal="0 failed; throughput >= 95 %",
)
def pipe(place: Place) -> Figures:
    figures = Figures()
    logging = {"telemetry.logs.std": "json", "telemetry.logs.std.level": "info"}
    with changed(place, **logging) as process:
        measured(place, process, figures, "")
        healthy = measured(place, process, figures, "")
    with changed(place, piped=True, **logging) as process:
        measured(place, process, figures, "")  # the pipe takes 64 KiB
        blocked = measured(place, process, figures, "pipe full: ")
        place.arrived(place.publish())
        began = time.monotonic()
        os.kill(process.pid, signal.SIGTERM)
        wait_until(lambda: not process.alive, 30, what="the sidecar to end")
        figures.at_most("SIGTERM to exit", time.monotonic() - began, 4, "s", bound=8)
    figures.at_least("throughput by processor time", healthy / blocked * 100, 95, "%", bound=75)
    dead = place.house.kill("syncagent")[0]
    blocked_agent = _piped(place, dead, {"telemetry.logs.std.level": "debug"})
    wait_until(lambda: place.ready(blocked_agent).get("source") == "plane", 30, what="the agent")
    time.sleep(20 if place.options.full else 5)
    figures.at_most("agent with a full pipe: a change in force after", place.arrived(place.publish()), 15, "s")
    place.restart_agent(**{"telemetry.logs.std.level": dead.environment.get("telemetry.logs.std.level", "")})
    return figures


@contextlib.contextmanager
def changed(place: Place, piped: bool = False, **settings: str) -> Iterator[Process]:
    """The first sidecar with these settings too; afterwards it is as it was."""
    gateway, before = place.house.gateways[0], place.sidecar(0)
    before.environment.pop("telemetry.spool.path", None)
    _end(place, before)
    if piped:
        _piped(place, before, settings)
    else:
        place.start_again(before, **settings)
    _until_ready(gateway)
    try:
        yield place.sidecar(0)
    finally:
        now = [each for each in place.house.processes("proxy") if each.environment["net.server.http.port"] in gateway]
        for process in now:
            _end(place, process)
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


def _end(place: Place, process: Process) -> None:
    os.kill(process.pid, signal.SIGKILL)
    for child in place.house.restarted:
        if child.pid == process.pid:
            child.wait()
            if child.stdout is not None:
                child.stdout.close()
    wait_until(lambda: not process.alive, 10, what="a sidecar to die")
    place.forgotten(place.house.gateways[0])


def _until_ready(gateway: str) -> None:
    wait_until(lambda: request(gateway + STATUS, timeout=2).status == 200, 30, what="the sidecar")


def measured(place: Place, process: Process, figures: Figures, name: str) -> float:
    """Milliseconds of processor time that the sidecar took per request, the better of two times: other work on the
    machine only makes it more. With a name what failed is told."""
    gateway = place.house.gateways[0]
    costs, failures, total = [], [], 0
    for _ in range(2):
        meter = Meter(process.pid)
        with place.load([gateway], rate=RATE) as load:
            time.sleep(SECONDS)
        costs.append(meter.per_request(load.total))
        failures += load.failures
        total += load.total
    if name:
        figures.broken += failures[:5]
        figures.say(f"{name}{len(failures)} of {total} failed")
    return min(costs)
