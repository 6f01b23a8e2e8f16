"""The plane as a process: what outlives a kill, how it starts again, and what it says when it cannot."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from management.provision import DEFAULT_SERVICE
from tests.ports import free_port

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def process(data: Path, http: int, https: int, store: str = "") -> Iterator[subprocess.Popen[str]]:
    environment = {
        **os.environ,
        "management.data": str(data),
        "management.http.port": str(http),
        "management.https.port": str(https),
        "management.store.url": store,
    }
    started = subprocess.Popen(
        [sys.executable, "-m", "management"],
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


def call(port: int, method: str, path: str, token: str, body: Any = None, context: ssl.SSLContext | None = None) -> Any:
    url = f"{'https' if context else 'http'}://127.0.0.1:{port}{path}"
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"Authorization": f"Bearer {token}"}, method=method)
    with urllib.request.urlopen(request, timeout=10, context=context) as response:
        content = response.read()
        return json.loads(content) if content else None


def wait(port: int, running: subprocess.Popen[str]) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError):
            call(port, "GET", "/health", "")
            return
        assert running.poll() is None, running.communicate()[1]
        time.sleep(0.1)
    raise AssertionError("the plane did not start")


def tag(name: str) -> str:
    return f"{DEFAULT_SERVICE}/tags/{name}?api-version=2024-05-01"


def test_what_was_acknowledged_outlives_a_kill(tmp_path: Path) -> None:
    http, https = free_port(), free_port()
    with process(tmp_path, http, https) as running:
        wait(http, running)
        token = (tmp_path / "admin.token").read_text()
        assert (tmp_path / "admin.token").stat().st_mode & 0o777 == 0o600
        call(http, "PUT", tag("kept"), token, {"properties": {"displayName": "Kept"}})
        running.kill()
        running.wait()
    authority = (tmp_path / "ca.pem").read_bytes()
    with process(tmp_path, http, https) as running:
        wait(http, running)
        context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        found = call(https, "GET", tag("kept"), token, context=context)
        assert found["properties"] == {"displayName": "Kept"}
        assert (tmp_path / "ca.pem").read_bytes() == authority
        running.send_signal(signal.SIGTERM)
        output, errors = running.communicate(timeout=10)
        assert (running.returncode, errors) == (0, "")
        assert token not in output


RUBBISH = (
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx",
    b"GET /exports/the-ticket" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"PUT /exports/the-ticket HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\nContent-Encoding: gzip\r\n\r\n"
    + gzip.compress(bytes(30_000_000)),
)


def test_rubbish_and_another_key_while_it_runs(tmp_path: Path) -> None:
    """What is no HTTP is answered and not told at length; the store's key may change under a plane that runs."""
    http, https = free_port(), free_port()
    with process(tmp_path, http, https) as running:
        wait(http, running)
        token = (tmp_path / "admin.token").read_text()
        for each in RUBBISH:
            with socket.create_connection(("127.0.0.1", http), timeout=10) as connection:
                connection.sendall(each)
                with contextlib.suppress(ConnectionError):
                    assert connection.recv(100)[9:12] in (b"400", b"401", b"413"), each[:60]
        call(http, "PUT", tag("before"), token, {"properties": {"displayName": "Before"}})
        command = [sys.executable, "-m", "passerelle", "rekey", "--data", str(tmp_path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        call(http, "PUT", tag("after"), token, {"properties": {"displayName": "After"}})
        running.kill()
        log = running.communicate()[0]
        assert not [word for word in ("Traceback", "the-ticket", token, "[Error]") if word in log], log
    assert subprocess.run([*command, "--check"], cwd=ROOT, capture_output=True, check=False).returncode == 0
    (tmp_path / "store.key.former").unlink()
    with process(tmp_path, http, https) as running:
        wait(http, running)
        for name in ("before", "after"):
            assert call(http, "GET", tag(name), token)["name"] == name
        call(http, "PUT", tag("again"), token, {"properties": {"displayName": "Again"}})


@pytest.mark.parametrize("taken", ["http", "https"])
def test_a_taken_port_is_named(tmp_path: Path, taken: str) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        ports = {"http": free_port(), "https": free_port(), taken: port}
        with process(tmp_path, ports["http"], ports["https"]) as running:
            _, errors = running.communicate(timeout=30)
    assert running.returncode == 1
    remedy = f"set management.{taken}.port to another one."
    assert errors == f"management: port {port} on 127.0.0.1 is in use by another process; {remedy}\n"


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    environment = {**os.environ, "management.data": str(tmp_path), "management.http.port": "many"}
    command = [sys.executable, "-m", "management"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        "management: management.http.port is 'many': it must be a port number.\n",
    )
