"""Too few descriptors, too little memory: some are refused, nothing crashes, and it recovers."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from tests.e2e.house import Process, request, wait_until
from tests.faults.place import STATUS, Place, policies
from tests.faults.row import Figures, fault
from tests.faults.volume import descriptors, enter, killed, memory

MANY = 400
UPLOADS, UPLOAD = 200, 1_900_000  # clients at a time, bytes of each: far more than there is memory
READS = policies(inbound="<set-body>@(context.Request.Body.As&lt;string&gt;(preserveContent: true))</set-body>")


@fault(
    "F34",
    "ulimit -n 256, and 400 clients",
    promise="503, no crash",
    goal="every answer 200 or 503; good answers again <= 5 s",
)
def few_descriptors(place: Place) -> Figures:
    figures, gateway = Figures(), place.house.gateways[0]
    with limited(place, lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))) as process:
        parts = urlsplit(gateway)
        taken, told = [], Counter[int]()
        for _ in range(MANY):
            with contextlib.suppress(OSError):
                taken.append(socket.create_connection((parts.hostname or "", parts.port or 80), 2))
        most = descriptors(process.pid)
        for _ in range(30):
            told[_status(gateway)] += 1
        alive = process.alive
        for each in taken:
            each.close()
        began = time.monotonic()
        wait_until(lambda: all(place.answers(kind, gateway) for kind in place.kinds), 30, what="good answers")
        recovered = time.monotonic() - began
        time.sleep(2)
        base = descriptors(process.pid)
        # and a storm of requests, each of which needs a connection to the backend too
        with place.load([gateway], clients=300, rate=600, timeout=20) as load:
            time.sleep(6)
        wrong = [text for text in load.failures if ": 503 " not in text]
        with place.load([gateway]) as after:
            time.sleep(2)
    figures.true(f"alive, with {most} descriptors at most", alive and most < 256)
    figures.true(f"answers while {MANY} are connected: {dict(told)}", set(told) <= {200, 503}, f"answers: {dict(told)}")
    figures.at_most("good answers again after", recovered, 5, "s", bound=10)
    figures.at_most("descriptors then", base, 96)
    figures.true(
        f"300 clients: {load.total} requests, {len(load.failures)} of them 503, no other failure",
        not wrong and load.total > 100,
        f"{len(wrong)} of {load.total} failed otherwise: {wrong[:3]}",
    )
    figures.failed(after)
    return figures


@fault(
    "F35",
    "a memory cgroup of 256 MiB, and uploads of 380 MiB at a time that a policy reads",
    promise="load is shed at 90 %",
    goal="no OOM kill; every answer 200 or 503; good answers again <= 5 s",
)
def little_memory(place: Place) -> Figures:
    figures, gateway = Figures(), place.house.gateways[0]
    place.house.api("reads", place.echo)
    place.house.policy("/apis/reads", READS)
    place.arrived(place.publish())
    with contextlib.ExitStack() as stack:
        group = stack.enter_context(memory(f"passerelle-{os.getpid()}", 256))
        process = stack.enter_context(limited(place, lambda: enter(group)))
        answers, ending = Counter[str](), threading.Event()
        threads = [
            threading.Thread(target=_upload, args=(gateway, answers, ending), daemon=True) for _ in range(UPLOADS)
        ]
        for thread in threads:
            thread.start()
        end, most = time.monotonic() + (300 if place.options.full else 20), 0.0
        while time.monotonic() < end and process.alive:
            most = max(most, process.rss_mb())
            time.sleep(0.1)
        alive = process.alive
        ending.set()
        for thread in threads:
            thread.join(15)
        began = time.monotonic()
        wait_until(lambda: all(place.answers(kind, gateway) for kind in place.kinds), 30, what="good answers")
        recovered = time.monotonic() - began
        kills = killed(group)
    place.house.delete("/apis/reads")
    place.arrived(place.publish())
    figures.true(f"alive, with {most:.0f} MiB at most, no OOM kill", alive and not kills, f"OOM kills: {kills}")
    odd = {name: count for name, count in answers.items() if name not in ("200", "503")}
    figures.true(
        f"answers: {dict(answers)}", not odd and answers["200"] and answers["503"], f"answers: {dict(answers)}"
    )
    figures.at_most("good answers again after", recovered, 5, "s", bound=15)
    return figures


def _status(gateway: str) -> int:
    """0 when the connection is refused or cut."""
    try:
        return request(f"{gateway}/shop/open", timeout=5).status
    except OSError:
        return 0


def _upload(gateway: str, answers: Counter[str], ending: threading.Event) -> None:
    """One upload after the other, each on a connection of its own; what was answered is counted."""
    parts = urlsplit(gateway)
    head = f"POST /reads/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {UPLOAD}\r\n\r\n".encode()
    piece = b"x" * 50_000
    while not ending.is_set():
        answer = b""
        try:
            with socket.create_connection((parts.hostname or "", parts.port or 80), 10) as connection:
                connection.settimeout(20)
                with contextlib.suppress(OSError):  # an answer may come before the end of the body
                    connection.sendall(head)
                    for _ in range(UPLOAD // len(piece)):
                        connection.sendall(piece)
                        time.sleep(0.002)
                answer = connection.recv(65536)
        except OSError:
            pass
        # A refusal may be cut off by the rest of the body that is still under way.
        answers[answer[9:12].decode() if answer else "cut"] += 1
        time.sleep(0.05)


@contextlib.contextmanager
def limited(place: Place, first: Callable[[], None]) -> Iterator[Process]:
    """The first sidecar, in a process that did `first` before it began; afterwards it is as it was."""
    gateway, before = place.house.gateways[0], place.sidecar(0)
    _end(place, before)
    with open(place.house.data / "again-proxy.log", "ab") as log:
        child = subprocess.Popen(
            before.argv, env=before.environment, cwd=before.cwd, preexec_fn=first,
            stdout=log, stderr=log, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    place.house.restarted.append(child)
    wait_until(lambda: request(gateway + STATUS, timeout=2).status == 200, 30, what="the sidecar")
    try:
        yield place.sidecar(0)
    finally:
        _end(place, Process(child.pid, before.argv, before.environment, before.cwd))
        place.start_again(before)
        wait_until(lambda: request(gateway + STATUS, timeout=2).status == 200, 30, what="the sidecar")


def _end(place: Place, process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
    for child in place.house.restarted:
        if child.pid == process.pid:
            child.wait()
    wait_until(lambda: not process.alive, 10, what="a sidecar to die")
    place.forgotten(place.house.gateways[0])
