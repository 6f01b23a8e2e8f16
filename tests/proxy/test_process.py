"""`python -m proxy` as a process: start, no configuration, signals, workers, the taken port, wrong settings."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.ports import free_port

ROOT = Path(__file__).parents[2]


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[subprocess.Popen[str]] = []

    def run(port: int, **settings: str) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "net.server.http.host": "127.0.0.1",
            "net.server.http.port": str(port),
            "config.sync.endpoint": f"unix:{tmp_path}/agent.sock",
            "telemetry.logs.std": "json",
            **settings,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "proxy"], env=environment, cwd=tmp_path, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        running.append(process)
        return process

    yield run
    for process in running:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # also workers that a failed test left
        process.communicate()


def status(port: int) -> tuple[int, dict[str, object]] | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/status-0123456789abcdef", timeout=2) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)
    except OSError:
        return None


def wait_for(check: Callable[[], object], seconds: float = 20) -> object:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := check():
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")


def test_without_an_agent_it_waits_not_ready_and_ends_at_sigterm(start: Start) -> None:
    port = free_port()
    process = start(port)
    code, body = wait_for(lambda: status(port))  # type: ignore[misc]
    assert (code, body["status"]) == (503, "waiting")
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    events = [json.loads(line)["eventType"] for line in out.splitlines() if line.startswith("{")]
    assert events.count("GatewayStartup") == 1
    assert events[-1] == "GatewayStopped"


def test_a_reader_of_the_log_that_stopped_reading_stops_nothing(start: Start) -> None:
    port = free_port()
    process = start(port, **{"telemetry.logs.std": "text"})
    wait_for(lambda: status(port))
    assert process.stdout is not None
    full = os.open(f"/proc/self/fd/{process.stdout.fileno()}", os.O_WRONLY | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(full, b"x")
    os.close(full)
    process.send_signal(signal.SIGTERM)  # what is said about the end finds no room
    assert process.wait(10) == 0


def test_a_taken_port_is_one_clear_line_and_exit_1(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start(port, **{"telemetry.logs.std": "none"})
        out, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert errors.splitlines() == [
        f"proxy: 127.0.0.1:{port} is taken. Stop what listens there, or set net.server.http.port to another port."
    ]
    assert out == ""


def test_a_wrong_setting_is_one_clear_line_and_exit_1(start: Start) -> None:
    process = start(0, **{"proxy.workers": "many"})
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert errors.splitlines() == ["proxy: proxy.workers is 'many'; it must be a whole number from 1 to 64."]


def test_a_wrong_cache_setting_too_and_without_its_secret(start: Start) -> None:
    process = start(0, **{"policy.cache.external.connection": "http://:secret@cache", "proxy.workers": "2"})
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert len(errors.splitlines()) == 1
    assert errors.startswith("proxy: policy.cache.external.connection: the URL must begin with redis:// or rediss://.")
    assert "secret" not in errors


def test_an_external_cache_that_is_away_keeps_nothing_from_starting(start: Start) -> None:
    pytest.importorskip("redis")
    port = free_port()
    process = start(port, **{"policy.cache.external.connection": f"redis://127.0.0.1:{free_port()}"})
    wait_for(lambda: status(port) is not None)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "ExternalCacheDown" in output


def children(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if int(line[1]) == pid and b"\0proxy\0" in command:
                found.append(int(entry.name))
    return sorted(found)


def gone(pids: list[int]) -> bool:
    return not any(Path("/proc", str(pid)).exists() for pid in pids)


def test_workers_share_a_port_are_replaced_and_end_with_their_parent(start: Start) -> None:
    port = free_port()
    process = start(port, **{"proxy.workers": "2"})
    wait_for(lambda: len(children(process.pid)) == 2 and status(port))
    first = children(process.pid)
    os.kill(first[0], signal.SIGKILL)
    wait_for(lambda: len(now := children(process.pid)) == 2 and first[0] not in now)
    second = children(process.pid)
    wait_for(lambda: status(port))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=15)
    assert process.returncode == 0
    assert gone(second)


def test_workers_do_not_outlive_a_killed_parent(start: Start) -> None:
    port = free_port()
    process = start(port, **{"proxy.workers": "2"})
    wait_for(lambda: len(children(process.pid)) == 2 and status(port))
    workers = children(process.pid)
    process.kill()
    process.wait()
    wait_for(lambda: gone(workers))
