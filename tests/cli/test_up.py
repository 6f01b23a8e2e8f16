"""`passerelle up` on real processes: what it promises to scripts, and that the commands of its page do what it says."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import which

import pytest

ROOT = Path(__file__).resolve().parents[2]
POLL = 0.25  # seconds
FREE_PORTS = ["--management-port=0", "--gateway-port=0", "--portal-port=0", f"--poll-interval={POLL}"]
STATUS = "/status-0123456789abcdef"
pytestmark = [pytest.mark.e2e, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]


class Up:
    """A running `passerelle up`; `out` and `err` are what it has written so far."""

    def __init__(self, data: Path, *options: str) -> None:
        self.data = data
        self.again: list[subprocess.Popen[bytes]] = []  # what a test started again
        self._files = [data.parent / f"{data.name}.{name}" for name in ("out", "err")]
        with self._files[0].open("w") as out, self._files[1].open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "passerelle", "up", "--data", str(data), *FREE_PORTS, *options],
                cwd=ROOT, stdout=out, stderr=err,
            )  # fmt: skip

    def __enter__(self) -> Up:
        return self

    def __exit__(self, *_: object) -> None:
        """Whatever a test found out, nothing of it stays behind."""
        if self.process.poll() is None:
            self.end()
        for again in self.again:
            again.kill()
            again.wait()

    @property
    def out(self) -> str:
        return self._files[0].read_text()

    @property
    def err(self) -> str:
        return self._files[1].read_text()

    def ready(self, mark: str) -> Up:
        until(lambda: mark in self.out or self.process.poll() is not None, 60)
        assert self.process.poll() is None, self.err
        return self

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)

    def children(self) -> dict[str, int]:
        """Process ids by name, from how each was started."""
        found = {}
        for pid in children_of(self.process.pid):
            environment = environ_of(pid)
            argv = cmdline_of(pid)
            found[environment.get("instance.id") or argv[2]] = pid
        return found


def until(ready: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "took too long"
        time.sleep(0.05)


def children_of(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def cmdline_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode().strip("\0").split("\0")


def has_ended(pid: int) -> bool:
    """Also when nobody has waited for it."""
    try:
        return cmdline_of(pid) == [""]
    except OSError:
        return True


def environ_of(pid: int) -> dict[str, str]:
    pairs = Path(f"/proc/{pid}/environ").read_bytes().decode().strip("\0").split("\0")
    return dict(pair.split("=", 1) for pair in pairs)


def status(url: str, key: str = "") -> int:
    request = urllib.request.Request(url, headers={"Ocp-Apim-Subscription-Key": key} if key else {})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return 0


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with Up(tmp_path_factory.mktemp("up") / "data", "--json") as running:
        yield running.ready("\n")
        assert running.end() == 0
        for again in running.again:
            again.terminate()
        assert [again.wait(20) for again in running.again] == [0] * len(running.again)


def test_stdout_is_one_line_of_json(up: Up) -> None:
    lines = up.out.splitlines()
    assert len(lines) == 1
    found = json.loads(lines[0])
    assert list(found) == ["management", "management_tls", "service", "gateways", "portal", "token", "ca"]
    assert found["service"] == (
        "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local"
        "/providers/Microsoft.ApiManagement/service/passerelle"
    )
    assert len(found["gateways"]) == 2
    assert found["management_tls"].startswith("https://127.0.0.1:")
    assert found["ca"] == str(up.data / "ca.pem")
    assert "BEGIN CERTIFICATE" in Path(found["ca"]).read_text()
    assert all(status(f"{gateway}{STATUS}") == 200 for gateway in found["gateways"])
    assert status(found["portal"]) == 200
    assert "[management] " in up.err
    assert "[sidecar-1] " in up.err


def test_no_secret_is_in_a_command_line_or_an_environment(up: Up) -> None:
    secrets = [
        (up.data / "admin.token").read_text().strip(),
        (up.data / "gateway.token").read_text().strip(),
        json.loads((up.data / "demo" / "state.json").read_text())["key"],
    ]
    for name in ("admin.token", "gateway.token", "demo/state.json", "run/agent.json"):
        assert stat.S_IMODE((up.data / name).stat().st_mode) == 0o600, name
    pids = up.children()
    assert sorted(pids) == [
        "management", "passerelle.demo.backend", "portal", "sidecar-1", "sidecar-2", "syncagent",
    ]  # fmt: skip
    for name, pid in pids.items():
        told = "\0".join([*cmdline_of(pid), *environ_of(pid).values()])
        assert not any(secret in told for secret in secrets), name


@pytest.mark.parametrize("name", ["sidecar-1", "syncagent", "management", "portal"])
def test_a_killed_process_is_back_with_its_own_command_line_and_environment(up: Up, name: str) -> None:
    found = json.loads(up.out)
    pid = up.children()[name]
    argv, environment = cmdline_of(pid), environ_of(pid)
    os.kill(pid, signal.SIGKILL)
    until(lambda: f"{name.replace('syncagent', 'agent')} has ended (signal SIGKILL)" in up.err)
    assert up.process.poll() is None
    urls = {
        "sidecar-1": f"{found['gateways'][0]}/shop/books",
        "syncagent": f"http://127.0.0.1:{environment.get('health.http.port')}/ready",
        "management": f"{found['management']}{found['service']}?api-version=2024-05-01",
        "portal": found["portal"],
    }
    assert status(urls[name]) == 0
    assert status(f"{found['gateways'][1]}{STATUS}") == 200
    with (up.data / "logs" / "again.log").open("ab") as log:
        up.again.append(subprocess.Popen(argv, env=environment, cwd="/", stdout=log, stderr=log))
    until(lambda: status(urls[name]) not in (0, 503))


def test_a_second_up_on_the_same_directory_is_refused(up: Up) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "passerelle", "up", "--data", str(up.data), *FREE_PORTS],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 1
    assert f"in use by another `passerelle up` (pid {up.process.pid})" in ran.stderr


def run(command: str) -> str:
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60).stdout


@pytest.mark.skipif(not (which("curl") and which("bash")), reason="the page is for curl and a shell")
def test_the_page_is_true_and_the_next_start_remembers(tmp_path: Path) -> None:
    with Up(tmp_path / "with a space") as first:
        page = first.ready("Ctrl-C ends it all.").out
        commands = [line.strip() for line in page.splitlines() if re.match(r"  (curl|for|\S*/)", line)]
        works, echo, no_key, loop, refused, put, changed, _install, script, by_sdk = commands
        assert "200 OK" in run(works)
        headers = json.loads(run(echo))["headers"]
        assert headers["X-Shop"] == "The little book shop"
        assert headers["X-Customer"] == "demo"
        assert "401 Access Denied" in run(no_key)
        assert run(loop).split() == ["200"] * 5 + ["429"]
        assert "422 Unprocessable Content" in run(refused)
        assert "X-Changed-At" not in run(changed)
        assert re.match(r"HTTP/1.1 20[01]", run(put))
        until(lambda: "X-Changed-At" in run(changed), 30)
        pytest.importorskip("azure.mgmt.apimanagement")
        assert run(script) == "The policy is stored.\n"
        until(lambda: "X-Served-By: changed with the SDK" in run(by_sdk), 30)
        for url in re.findall(r"http://\S+/metrics", page):
            assert "azure_apim_Requests" in run(f"curl -s {url}")
        children = first.children().values()
        assert first.end(signal.SIGINT) == 0
        assert not list(Path("/proc").glob(f"{first.process.pid}/task"))
        until(lambda: all(has_ended(pid) for pid in children))
        assert "Traceback" not in first.err
    with Up(tmp_path / "with a space", "--json") as second:
        second.ready("\n")
        key = re.search(r"Subscription-Key: (\w+)", works)
        assert key is not None
        request = urllib.request.Request(
            f"{json.loads(second.out)['gateways'][0]}/shop/books", headers={"Ocp-Apim-Subscription-Key": key[1]}
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert answer.headers["X-Served-By"] == "changed with the SDK"
        assert second.end() == 0


def test_without_a_demo_the_workers_of_one_port_are_ready_and_know_nothing(tmp_path: Path) -> None:
    with Up(tmp_path / "data", "--json", "--no-demo", "--sidecars=1", "--workers=2") as running:
        (gateway,) = json.loads(running.ready("\n").out)["gateways"]
        assert [status(f"{gateway}{STATUS}") for _ in range(20)] == [200] * 20
        assert status(f"{gateway}/shop/books") == 404
        assert "passerelle.demo.backend" not in running.children()
        assert running.end() == 0


def test_when_up_is_killed_its_children_end(tmp_path: Path) -> None:
    with Up(tmp_path / "data", "--json", "--sidecars=1") as running:
        pids = list(running.ready("\n").children().values())
        assert len(pids) == 5
        running.end(signal.SIGKILL)
    until(lambda: all(has_ended(pid) for pid in pids))


def test_a_taken_port_is_named_and_nothing_is_left_behind(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "passerelle", "up", "--json", "--no-demo", "--data", str(tmp_path / "d"),
             "--management-port=0", f"--gateway-port={port}", "--portal-port=0"],
            cwd=ROOT, capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert str(port) in done.stderr
    assert "--gateway-port" in done.stderr
    assert "Traceback" not in done.stderr
