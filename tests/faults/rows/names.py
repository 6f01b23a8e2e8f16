"""Names: their servers are away, slow or wrong, and what they answer changes. No connection is kept, so all ask."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.e2e.house import Process, request, wait_until
from tests.faults.dns import NXDOMAIN, SERVFAIL, SILENCE, Names
from tests.faults.line import ANSWER, Line, http
from tests.faults.load import Kind, Load
from tests.faults.place import STATUS, Place
from tests.faults.row import Figures, fault
from tests.ports import free_port
from tests.proxy.certificates import self_signed

BACKEND, LOST, PLANE, COLLECTOR = (f"{name}.faults.test" for name in ("backend", "lost", "plane", "collector"))
FIRST, SECOND, SILENT, DEAD = "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"
CACHE = 1.0  # seconds that a sidecar keeps an answer
TROUBLES = {
    NXDOMAIN: {"failure": NXDOMAIN},
    SERVFAIL: {"failure": SERVFAIL},
    SILENCE: {"failure": SILENCE},
    "5 s slow": {"delay": 5.0},
}


class _Backend(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps({"here": self.server.server_address[0]}).encode()
        self.send_response(200)
        for name, value in (("Content-Length", len(body)), ("Connection", "close")):
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 128


@fault(
    "F37a",
    "the name of a backend: NXDOMAIN, SERVFAIL, silence, 5 s slow, another address, several of which some are dead",
    promise="the last addresses go on; a new one is used once it is told",
    goal="0 failed; new connections at the new address within what is kept + 1 s; other names are not kept waiting",
)
def backend(place: Place) -> Figures:
    figures, gateway = Figures(), place.house.gateways[0]
    with contextlib.ExitStack() as stack:
        names = stack.enter_context(Names())
        port = free_port()
        servers = {address: stack.enter_context(_serving(address, port)) for address in (FIRST, SECOND)}
        stack.enter_context(_silent(SILENT, port))
        names.set(BACKEND, FIRST)
        names.set(LOST, failure=SILENCE)
        place.apply(place.api("named", f"http://{BACKEND}:{port}") + place.api("lost", f"http://{LOST}:{port}"))
        before = place.sidecar(0)
        os.kill(before.pid, signal.SIGKILL)
        wait_until(lambda: not before.alive, 10)
        place.forgotten(gateway)
        try:
            place.house.again([names.believed_by(before, **{"net.client.dns.cache": f"{CACHE:g}"})])
            wait_until(lambda: _here(gateway) == FIRST, 30, what="the backend by its name")
            with _asking(place, gateway) as load:
                for name, trouble in TROUBLES.items():
                    _calm(names, FIRST)
                    since = time.monotonic()
                    names.set(BACKEND, FIRST, **trouble)
                    if name == SILENCE:
                        for _ in range(30):
                            threading.Thread(target=_lost, args=(gateway,), daemon=True).start()
                    time.sleep(place.outage / 4 if place.options.full else 4 * CACHE)
                    figures.say(f"{name}: slowest {_slowest(load, since):.0f} ms")
                _calm(names, FIRST)
                since = time.monotonic()
                names.set(BACKEND, SECOND)
                wait_until(lambda: _here(gateway) == SECOND, 20, every=0.02, what="the new address")
                figures.at_most("the new address after", time.monotonic() - since, CACHE + 1, "s", bound=5)
                time.sleep(CACHE)  # what is on its way to the old one arrives
                servers[FIRST].shutdown()
                servers[FIRST].server_close()
                for dead, what in ((DEAD, "refuses"), (SILENT, "is silent")):
                    since = time.monotonic()
                    names.set(BACKEND, dead, SECOND)
                    time.sleep(4 * CACHE)
                    figures.say(f"one of two {what}: slowest {_slowest(load, since):.0f} ms")
            figures.failed(load)
            names.set(BACKEND, failure=SILENCE)
            time.sleep(CACHE)
            figures.true("the last one goes on", _here(gateway) == SECOND)
            sidecar = place.sidecar(0)
            since = time.monotonic()
            os.kill(sidecar.pid, signal.SIGTERM)
            wait_until(lambda: not sidecar.alive, 30, every=0.01)
            figures.at_most("SIGTERM to exit while nobody answers", time.monotonic() - since, 2, "s", bound=5)
        finally:
            _back(place, before, gateway)
            place.apply([], ["/apis/named", "/apis/lost"])
    return figures


@fault(
    "F37b",
    "the name of the plane, likewise",
    promise="the agent goes on with the last addresses",
    goal="0 failed; changes arrive within a poll + 2 s all the time",
)
def plane(place: Place) -> Figures:
    figures, _ = Figures(), place.house
    with contextlib.ExitStack() as stack:
        names = stack.enter_context(Names())
        certificate = self_signed(place.directory / "plane-name.pem", PLANE)
        port = free_port()
        first = stack.enter_context(_secured(FIRST, port, certificate, place.plane.port))
        names.set(PLANE, FIRST)
        endpoint = urlsplit(place.endpoint)._replace(scheme="https", netloc=f"{PLANE}:{port}").geturl()
        before = place.house.kill("syncagent")[0]
        settings = {"config.service.endpoint": endpoint, "config.service.endpoint.ca": str(certificate)}
        try:
            place.house.again([names.believed_by(before, **settings)])
            place.arrived(place.publish())
            bound = place.options.poll + 2
            with place.load() as load:
                for name, trouble in TROUBLES.items():
                    names.set(PLANE, FIRST, **trouble)
                    slowest = max(place.arrived(place.publish()) for _ in range(3))
                    figures.at_most(f"{name}: a change after", slowest, bound, "s", bound=bound + 10)
                with _secured(SECOND, port, certificate, place.plane.port):
                    names.set(PLANE, SECOND)
                    first.set()
                    figures.at_most("another address: a change after", place.arrived(place.publish()), bound, "s", 20)
            figures.failed(load)
            names.set(PLANE, failure=SILENCE)
            time.sleep(2 * place.options.poll)
            agent, since = place.agent, time.monotonic()
            os.kill(agent.pid, signal.SIGTERM)
            wait_until(lambda: not agent.alive, 30, every=0.01)
            figures.at_most("SIGTERM to exit while nobody answers", time.monotonic() - since, 2, "s", bound=5)
        finally:
            for process in place.house.processes("syncagent"):
                os.kill(process.pid, signal.SIGKILL)
            place.start_again(before)
            place.arrived(place.publish())
    return figures


@fault(
    "F37c",
    "the name of the collector, likewise",
    promise="telemetry waits on disk, and nothing of it is lost",
    goal="0 failed; all spans arrive in the end",
)
def collector(place: Place) -> Figures:
    figures, gateway = Figures(), place.house.gateways[0]
    line = Line(("127.0.0.1", 9)).start()
    line.set(ANSWER, answer=lambda head, body: http("200 OK"))
    with Names() as names:
        names.set(COLLECTOR, FIRST)
        before = place.sidecar(0)
        os.kill(before.pid, signal.SIGKILL)
        wait_until(lambda: not before.alive, 10)
        place.forgotten(gateway)
        settings = {
            "observability.opentelemetry.enabled": "true",
            "observability.opentelemetry.collector.uri": f"http://{COLLECTOR}:{line.port}",
            "observability.opentelemetry.protocol": "http/protobuf",
            "observability.opentelemetry.system-metrics.enabled": "false",
            "telemetry.spool.path": str(place.directory / "spool-names"),
        }
        try:
            place.house.again([names.believed_by(before, **settings)])
            wait_until(lambda: request(gateway + STATUS, timeout=2).status == 200, 30)
            with place.load([gateway]) as load:
                wait_until(lambda: line.requests, 30, what="the collector to be told")
                for trouble in TROUBLES.values():
                    names.set(COLLECTOR, FIRST, **trouble)
                    time.sleep(4)
                names.set(COLLECTOR, FIRST)
            since = time.monotonic()
            wait_until(lambda: line.asked(since, "/v1/traces"), 60, what="what waited")
            figures.say(f"again after {time.monotonic() - since:.1f} s")
            spool = place.directory / "spool-names"
            wait_until(lambda: not [*spool.rglob("*traces*/*")], 60, what="the end of what waited")
            figures.true("nothing waits any more", True)
            figures.failed(load)
            sidecar = place.sidecar(0)
            names.set(COLLECTOR, failure=SILENCE)
            since = time.monotonic()
            os.kill(sidecar.pid, signal.SIGTERM)
            wait_until(lambda: not sidecar.alive, 30, every=0.01)
            figures.at_most("SIGTERM to exit while nobody answers", time.monotonic() - since, 2.5, "s", bound=5)
        finally:
            _back(place, before, gateway)
            line.stop()
    return figures


def _asking(place: Place, gateway: str) -> Load:
    kinds = [Kind("named", "/named/x", frozenset({200})), *place.kinds[:2]]
    return place.load([gateway], kinds, rate=100)


def _here(gateway: str) -> str:
    reply = request(f"{gateway}/named/x", timeout=5)
    return str(reply.json["here"]) if reply.status == 200 else ""


def _lost(gateway: str) -> None:
    with contextlib.suppress(OSError):
        request(f"{gateway}/lost/x", timeout=30)


def _slowest(load: Load, since: float) -> float:
    return max((each.seconds * 1000 for each in list(load.answers) if each.at >= since), default=0.0)


def _calm(names: Names, address: str) -> None:
    names.set(BACKEND, address)
    time.sleep(2 * CACHE)


def _back(place: Place, before: Process, gateway: str) -> None:
    for process in place.house.processes("proxy"):
        if process.environment.get("net.server.http.port", "") == before.environment["net.server.http.port"]:
            os.kill(process.pid, signal.SIGKILL)
            wait_until(lambda process=process: not process.alive, 10)
    place.forgotten(gateway)
    place.start_again(before)
    wait_until(lambda: request(gateway + STATUS, timeout=2).status == 200, 30, what="the sidecar")


@contextlib.contextmanager
def _serving(address: str, port: int) -> Iterator[ThreadingHTTPServer]:
    server = _Server((address, port), _Backend)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        if server.socket.fileno() >= 0:
            server.shutdown()
            server.server_close()
        thread.join(5)


@contextlib.contextmanager
def _silent(address: str, port: int) -> Iterator[None]:
    """Packets that open a connection there are dropped: those who wait for its listener are as many as may."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex((address, port))
        yield


@contextlib.contextmanager
def _secured(address: str, port: int, certificate: object, target: int) -> Iterator[threading.Event]:
    """TLS in front of a port of loopback; connections that idle are closed, so that others are made. The event ends
    it early."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(str(certificate))
    over = threading.Event()
    listener = socket.create_server((address, port))
    listener.settimeout(0.1)

    def carry(client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, socket.create_connection((FIRST, target), 5) as inner:
            client.settimeout(5)
            with context.wrap_socket(client, server_side=True) as outer:
                asked = True
                while (ready := select.select([outer, inner], [], [], 0.2)[0]) or asked:
                    for reader in ready:
                        data = reader.recv(65536)
                        while reader is outer and outer.pending():
                            data += outer.recv(65536)
                        if not data:
                            return
                        asked = reader is outer
                        (inner if asked else outer).sendall(data)

    def accept() -> None:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                threading.Thread(target=carry, args=(listener.accept()[0],), daemon=True).start()
        listener.close()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield over
    finally:
        over.set()
        thread.join(5)
