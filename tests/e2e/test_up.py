"""`passerelle up` as a newcomer meets it: the page, the JSON line, the demo, taken ports, deaths, the end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from house import MODULES, REPOSITORY, House, Process, descendants, request, wait_until

pytestmark = pytest.mark.e2e

SERVICE = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local"
    "/providers/Microsoft.ApiManagement/service/passerelle"
)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    it = House(tmp_path_factory.mktemp("demo"), extra=())
    try:
        yield it.start()
    finally:
        it.stop()


def test_the_json_line_has_exactly_what_was_promised(demo: House) -> None:
    info = demo.info
    assert list(info) == ["management", "management_tls", "service", "gateways", "portal", "token", "ca"]
    assert info["service"] == SERVICE
    assert len(info["gateways"]) == 2
    assert info["management_tls"].startswith("https://127.0.0.1:")
    assert Path(info["ca"]) == demo.data / "ca.pem"
    assert "BEGIN CERTIFICATE" in Path(info["ca"]).read_text()
    assert request(info["portal"]).status == 200


def test_the_four_processes_stand_for_themselves(demo: House) -> None:
    counts = {module: len(demo.processes(module)) for module in MODULES}
    assert counts == {"management": 1, "syncagent": 1, "proxy": 2, "portal": 1}
    for module in MODULES:
        for process in demo.processes(module):
            assert demo.info["token"] not in " ".join(process.argv)


def test_who_dies_is_named_the_others_live_on_and_it_can_be_had_back(demo: House) -> None:
    victim = demo.processes("portal")[0]
    dead = demo.kill("portal")
    wait_until(lambda: "portal" in demo.stderr() and ("SIGKILL" in demo.stderr() or "signal 9" in demo.stderr()))
    for module in ("management", "syncagent", "proxy"):
        assert demo.processes(module), module
    demo.again(dead)
    wait_until(lambda: request(demo.info["portal"]).status == 200, what="the portal to return")
    assert demo.processes("portal")[0].argv == victim.argv
    one = demo.processes("proxy")[0]
    os.kill(one.pid, signal.SIGKILL)
    wait_until(lambda: not one.alive)
    assert request(demo.gateways[1] + "/status-0123456789abcdef").status == 200
    demo.again([one])
    wait_until(lambda: request(demo.gateways[0] + "/status-0123456789abcdef").status == 200)


def test_the_demo_serves_through_a_key_and_a_limit(demo: House) -> None:
    apis = demo.arm("/apis").json["value"]
    assert len(apis) >= 1
    subscriptions = {s["name"] for s in demo.arm("/subscriptions").json["value"]} - {"master"}
    assert subscriptions


def test_a_taken_port_is_named_and_nothing_is_left_behind(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "passerelle", "up", "--json", "--no-demo", "--data", str(tmp_path / "d"),
             "--management-port", "0", "--gateway-port", str(port), "--portal-port", "0"],
            capture_output=True, text=True, timeout=30, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert str(port) in done.stderr
    assert "--gateway-port" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_ends_everything_and_the_same_data_starts_again(tmp_path: Path) -> None:
    it = House(tmp_path)
    try:
        it.start()
        assert it.up is not None
        children: list[Process] = descendants(it.up.pid)
        assert len(children) >= 5
        it.put("/namedValues/kept", {"displayName": "kept", "value": "1"})
        it.up.send_signal(signal.SIGINT)
        assert it.up.wait(20) == 0
        wait_until(lambda: not any(child.alive for child in children), what="all children to end")
        assert "Traceback" not in it.stderr()
        it.stop()
        it.start()
        assert it.arm("/namedValues/kept").json["properties"]["value"] == "1"
    finally:
        it.stop()


def test_workers_share_one_port(tmp_path: Path) -> None:
    it = House(tmp_path, extra=("--no-demo", "--sidecars", "1", "--workers", "2"))
    try:
        it.start()
        assert len(it.gateways) == 1
        for _ in range(20):
            assert request(it.gateways[0] + "/status-0123456789abcdef").status == 200
        assert request(it.gateways[0] + "/nowhere").status == 404
    finally:
        it.stop()


def test_the_page_tells_the_truth(tmp_path: Path) -> None:
    """Run the commands of the printed page as they stand there."""
    command = [sys.executable, "-m", "passerelle", "up", "--data", str(tmp_path / "d")]
    for option in ("--management-port", "--gateway-port", "--portal-port"):
        command += [option, "0"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "COLUMNS": "200"}
    page_file = tmp_path / "page"
    with open(page_file, "wb") as page:
        up = subprocess.Popen(command, stdout=page, stderr=subprocess.STDOUT, env=environment)
    try:
        text = str(wait_until(lambda: "Ctrl-C" in page_file.read_text() and page_file.read_text(), timeout=60))
        lines = [line.strip().partition("        # ")[0] for line in text.splitlines()]
        curls = [line for line in lines if line.startswith(("curl ", "for "))]
        assert len(curls) >= 3, text
        outputs = [
            subprocess.run(
                ["bash", "-c", c], capture_output=True, text=True, timeout=60, cwd=REPOSITORY, env=environment
            )
            for c in curls
        ]
        joined = "\n".join(o.stdout for o in outputs)
        assert all(o.returncode == 0 for o in outputs), [(c, o.stderr) for c, o in zip(curls, outputs, strict=True)]
        assert "200" in joined
        assert "401" in joined
        assert "429" in joined
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(30)
    assert up.returncode == 0


def test_json_is_one_line(demo: House) -> None:
    assert json.loads(json.dumps(demo.info)) == demo.info
    assert demo.up is not None
    assert demo.up.stdout is not None
    os.set_blocking(demo.up.stdout.fileno(), False)
    assert not demo.up.stdout.read()
