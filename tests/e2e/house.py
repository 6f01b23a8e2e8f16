"""A whole Passerelle on loopback, as a person would have it: `passerelle up --json` and clients that nobody here wrote.

`House` starts it, reads the one JSON line, finds the processes behind it in /proc, kills and restarts them from their
own command line and environment. `Load` sends steady traffic from threads and counts what went wrong.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

REPOSITORY = Path(__file__).resolve().parents[2]
MODULES = ("management", "syncagent", "proxy", "portal")
API_VERSION = "api-version=2024-05-01"
PLAIN_POLICY = (
    "<policies><inbound><base /></inbound><backend><base /></backend><outbound><base /></outbound></policies>"
)


@dataclass(slots=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def request(
    url: str, method: str = "GET", headers: dict[str, str] | None = None, body: Any = None, timeout: float = 10
) -> Reply:
    """One HTTP exchange; an HTTP error is an answer, a broken connection raises OSError."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    sent = dict(headers or {})
    if data is not None:
        sent.setdefault("Content-Type", "application/json")
    message = urllib.request.Request(url, data=data, method=method, headers=sent)
    try:
        with urllib.request.urlopen(message, timeout=timeout) as answer:
            return Reply(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read())


def wait_until(check: Callable[[], Any], timeout: float = 30, every: float = 0.05, what: str = "") -> Any:
    """The first true value of `check`; OSErrors count as not yet."""
    end = time.monotonic() + timeout
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if value := check():
                return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what or check}")
        time.sleep(every)


@dataclass(slots=True)
class Process:
    """A process found in /proc, with all that is needed to start it again."""

    pid: int
    argv: list[str]
    environment: dict[str, str]
    cwd: str

    @classmethod
    def read(cls, pid: int) -> Process:
        proc = Path("/proc", str(pid))
        argv = proc.joinpath("cmdline").read_bytes().decode().rstrip("\0").split("\0")
        pairs = proc.joinpath("environ").read_bytes().decode().split("\0")
        return cls(pid, argv, dict(pair.split("=", 1) for pair in pairs if "=" in pair), os.readlink(proc / "cwd"))

    @property
    def module(self) -> str:
        """`proxy` of `python -m proxy`."""
        return self.argv[self.argv.index("-m") + 1] if "-m" in self.argv else ""

    @property
    def alive(self) -> bool:
        try:
            return Path("/proc", str(self.pid), "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
        except OSError:
            return False

    def rss_mb(self) -> float:
        for line in Path("/proc", str(self.pid), "status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        return 0.0


def descendants(root: int) -> list[Process]:
    """All living processes below `root`."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
    found: list[Process] = []
    layer = {root}
    while layer:
        layer = {pid for pid, parent in parents.items() if parent in layer}
        for pid in layer:
            with contextlib.suppress(OSError, UnicodeDecodeError):
                found.append(Process.read(pid))
    return found


@dataclass
class House:
    """One `passerelle up`. `restarted` are processes that the test itself started again."""

    data: Path
    poll: float = 0.25
    extra: tuple[str, ...] = ("--no-demo",)
    environment: dict[str, str] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)
    restarted: list[subprocess.Popen[bytes]] = field(default_factory=list)
    up: subprocess.Popen[bytes] | None = None

    def start(self, timeout: float = 60) -> House:
        self.data.mkdir(parents=True, exist_ok=True)
        arguments = ["up", "--json", "--data", str(self.data), "--poll-interval", str(self.poll)]
        for option in ("--management-port", "--gateway-port", "--portal-port"):
            arguments += [option, "0"]
        with open(self.data / "up.stderr", "ab") as errors:
            self.up = subprocess.Popen(
                [sys.executable, "-m", "passerelle", *arguments, *self.extra],
                stdout=subprocess.PIPE,
                stderr=errors,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY), **self.environment},
            )
        watchdog = threading.Timer(timeout, self.up.kill)
        watchdog.start()
        assert self.up.stdout is not None
        line = self.up.stdout.readline()
        watchdog.cancel()
        assert line, f"`passerelle up` printed nothing:\n{self.stderr()[-4000:]}"
        self.info = json.loads(line)
        return self

    def stderr(self) -> str:
        return (self.data / "up.stderr").read_text(errors="replace")

    def stop(self) -> None:
        for process in self.restarted:
            if process.poll() is None:
                process.terminate()
        for process in self.restarted:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
            if process.poll() is None:
                process.kill()
                process.wait()
        if self.up is not None:
            if self.up.poll() is None:
                self.up.send_signal(signal.SIGINT)
            try:
                self.up.wait(30)
            except subprocess.TimeoutExpired:
                self.up.kill()
                self.up.wait()
            if self.up.stdout is not None:
                self.up.stdout.close()
            self.up = None

    # the processes

    def processes(self, module: str) -> list[Process]:
        """The living processes of `python -m MODULE` that belong to this house, sidecars in the order of `gateways`."""
        assert self.up is not None
        roots = [self.up.pid]
        found = [p for root in roots for p in descendants(root) if p.module == module]
        for process in self.restarted:
            if process.poll() is None:
                with contextlib.suppress(OSError):
                    candidate = Process.read(process.pid)
                    if candidate.module == module:
                        found.append(candidate)
        order = [str(urlsplit(gateway).port) for gateway in self.info["gateways"]]
        port = "net.server.http.port"

        def place(process: Process) -> tuple[int, int]:
            own = process.environment.get(port, "")
            return (order.index(own) if own in order else -1, process.pid)

        return sorted((p for p in found if p.alive), key=place)

    def kill(self, module: str) -> list[Process]:
        """kill -9 every process of a module; what they were is returned, to be started again."""
        victims = self.processes(module)
        assert victims, f"no living process of {module}"
        for victim in victims:
            os.kill(victim.pid, signal.SIGKILL)
        for process in self.restarted:
            if any(process.pid == victim.pid for victim in victims):
                process.wait()
        wait_until(lambda: not any(victim.alive for victim in victims), what=f"{module} to die")
        return victims

    def again(self, processes: list[Process]) -> list[subprocess.Popen[bytes]]:
        """Start killed processes again from their own command line and environment."""
        started = []
        for process in processes:
            with open(self.data / f"again-{process.module}.log", "ab") as log:
                child = subprocess.Popen(
                    process.argv,
                    executable=process.argv[0] if os.path.isabs(process.argv[0]) else None,
                    env=process.environment,
                    cwd=process.cwd,
                    stdout=log,
                    stderr=log,
                    stdin=subprocess.DEVNULL,
                )
            started.append(child)
        self.restarted += started
        return started

    # the plane, by plain HTTP

    @property
    def gateways(self) -> list[str]:
        return list(self.info["gateways"])

    def arm(self, path: str, method: str = "GET", body: Any = None, **headers: str) -> Reply:
        """One ARM call; `path` below the service."""
        separator = "&" if "?" in path else "?"
        url = f"{self.info['management']}{self.info['service']}{path}{separator}{API_VERSION}"
        return request(url, method, {"Authorization": f"Bearer {self.info['token']}", **headers}, body, timeout=30)

    def put(self, path: str, properties: Any) -> Reply:
        reply = self.arm(path, "PUT", {"properties": properties})
        assert reply.status in (200, 201), (path, reply.status, reply.body)
        return reply

    def delete(self, path: str) -> Reply:
        reply = self.arm(path, "DELETE", **{"If-Match": "*"})
        assert reply.status in (200, 202, 204), (path, reply.status, reply.body)
        return reply

    def policy(self, scope: str, text: str) -> Reply:
        return self.put(f"{scope}/policies/policy", {"format": "rawxml", "value": text})

    def api(self, name: str, backend: str, *, key: bool = False, path: str | None = None) -> None:
        """An API with GET and POST on everything below its path, linked to the gateway."""
        self.put(
            f"/apis/{name}",
            {
                "displayName": name,
                "path": path or name,
                "serviceUrl": backend,
                "protocols": ["http", "https"],
                "subscriptionRequired": key,
            },
        )
        for method in ("GET", "POST"):
            self.put(
                f"/apis/{name}/operations/{method.lower()}",
                {
                    "displayName": method.lower(),
                    "method": method,
                    "urlTemplate": "/{*rest}",
                    "templateParameters": [{"name": "rest", "type": "string", "required": False}],
                },
            )
        self.link(name)

    def link(self, name: str) -> None:
        self.arm(f"/gateways/{self.gateway_id}/apis/{name}", "PUT", {"properties": {}})

    @property
    def gateway_id(self) -> str:
        return str(self.arm("/gateways").json["value"][0]["name"])

    def everywhere(self, path: str, good: Callable[[Reply], bool], timeout: float = 30, **headers: str) -> None:
        """Wait until every sidecar answers `path` as wanted."""
        for gateway in self.gateways:
            wait_until(
                lambda gateway=gateway: good(request(gateway + path, headers=headers)),
                timeout,
                what=f"{gateway}{path}",
            )


class Load:
    """Steady keep-alive traffic to all sidecars. `failures` holds everything that was not the status asked for."""

    def __init__(
        self, urls: list[str], status: int = 200, threads: int = 2, pause: float = 0.004, **headers: str
    ) -> None:
        self.urls, self.status, self.pause, self.headers = urls, status, pause, headers
        self.answers: Counter[int] = Counter()
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(url,), daemon=True) for url in urls for _ in range(threads)
        ]

    def _run(self, url: str) -> None:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
        while not self._stop.is_set():
            try:
                connection.request("GET", parts.path, headers=self.headers)
                answer = connection.getresponse()
                answer.read()
                self.answers[answer.status] += 1
                if answer.status != self.status:
                    self.failures.append(f"{url}: {answer.status}")
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(f"{url}: {error!r}")
                connection.close()
            time.sleep(self.pause)
        connection.close()

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(15)

    @property
    def total(self) -> int:
        return sum(self.answers.values())


class _Echo(BaseHTTPRequestHandler):
    """Answers with what it got."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        received = self.rfile.read(size)
        body = json.dumps(
            {
                "method": self.command,
                "path": self.path,
                "headers": {k.lower(): v for k, v in self.headers.items()},
                "body": received.decode("utf-8", "replace"),
            }
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

    def log_message(self, *_: object) -> None:
        pass


class _Backend(ThreadingHTTPServer):
    """Hundreds may connect at once: with the usual five, the kernel drops connections that nobody has accepted yet, and
    what was sent on them is answered with a reset."""

    request_queue_size = 1024
    daemon_threads = True


@contextlib.contextmanager
def echo_backend() -> Iterator[str]:
    """A backend on loopback that echoes requests as JSON; yields its URL."""
    server = _Backend(("127.0.0.1", 0), _Echo)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
