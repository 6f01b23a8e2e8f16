"""The portal as a process: what it tells of itself."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.ports import free_port

ROOT = Path(__file__).parents[2]
RUBBISH = (
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"GET / HTTP/9\r\n\r\n",
    b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
)


def test_what_is_no_http_is_answered_and_not_told_at_length(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a token of the operator")
    port = free_port()
    environment = {
        **os.environ,
        "portal.http.port": str(port),
        "portal.management.url": "http://127.0.0.1:9",
        "portal.management.token.file": str(tmp_path / "token"),
    }
    command = [sys.executable, "-m", "portal"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE) as running:
        try:
            for each in RUBBISH:
                with contextlib.closing(connected(port)) as connection:
                    connection.sendall(each)
                    with contextlib.suppress(ConnectionError):
                        assert connection.recv(100)[9:12] == b"400", each[:60]
            running.send_signal(signal.SIGTERM)
            log = running.communicate(timeout=30)[0]
        finally:
            running.kill()
    assert "The portal is at" in log
    assert not [word for word in ("Traceback", "[Error]", "xxx") if word in log], log


def connected(port: int) -> socket.socket:
    deadline = time.monotonic() + 30
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=10)
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "the portal did not start"
            time.sleep(0.05)
