"""Figures from /proc: what is measured is what was used."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import processes
from benchmarks.processes import NotReady, Process
from benchmarks.table import table

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")

BURN = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass\ninput()"
FAMILY = "import subprocess, sys; subprocess.run([sys.executable, '-m', 'http.server', '--help']); input()"


def test_cpu_and_memory_of_a_process() -> None:
    with subprocess.Popen([sys.executable, "-c", BURN], stdin=subprocess.PIPE) as child:
        until = time.monotonic() + 20
        while processes.usage(child.pid).cpu < 0.25 and time.monotonic() < until:
            time.sleep(0.02)
        used = processes.usage(child.pid)
        assert 0.25 <= used.cpu < 5
        assert 1e6 < processes.proportional(child.pid) <= used.resident < 1e9
        assert child.pid in processes.children(processes.os.getpid())
        child.communicate(b"\n")


def test_a_process_is_known_by_its_module_and_environment(tmp_path: Path) -> None:
    process = Process.module("http.server", "0", log=tmp_path / "log", settings={"a.b": "c=d"})
    try:
        process.wait_for(lambda: processes.module_of(process.pid) == "http.server", 10)
        assert processes.environment_of(process.pid)["a.b"] == "c=d"
        assert processes.command_of(process.pid)[1:] == ["-m", "http.server", "0"]
    finally:
        process.end()
    with pytest.raises(OSError, match="No such"):
        processes.usage(process.pid)


def test_a_process_that_ends_too_soon_says_why(tmp_path: Path) -> None:
    process = Process([sys.executable, "-c", "raise SystemExit('no such thing')"], tmp_path / "log")
    with pytest.raises(NotReady, match="no such thing"):
        process.wait_for(lambda: False, 10)


def test_a_process_that_never_gets_ready_is_given_up(tmp_path: Path) -> None:
    process = Process([sys.executable, "-c", "input()"], tmp_path / "log")
    with pytest.raises(NotReady):
        process.wait_for(lambda: False, 0.05)
    process.end()


def test_a_table() -> None:
    assert table(["", "MB"], [["proxy", "60"], ["agent", "7"]]).splitlines() == [
        "|       | MB |",
        "|-------|---:|",
        "| proxy | 60 |",
        "| agent |  7 |",
    ]
