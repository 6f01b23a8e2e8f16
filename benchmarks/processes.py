"""Processes under measurement: started on loopback, watched through /proc, ended by their own pid."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[1]
TICK = os.sysconf("SC_CLK_TCK")
MEGABYTE = 1024 * 1024
# A folder in memory for what processes write, so that the disk is not measured; None: there is none, use any.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class NotReady(RuntimeError):
    """A process did not do in time what it must; the message has the end of its log."""


@dataclass(frozen=True)
class Usage:
    """Seconds of CPU (user and system, since start) and bytes of resident memory."""

    cpu: float
    resident: int


def usage(pid: int) -> Usage:
    """Raises OSError when there is no such process."""
    # The command name, in parentheses, may itself hold spaces and parentheses.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return Usage((int(fields[11]) + int(fields[12])) / TICK, int(fields[21]) * os.sysconf("SC_PAGE_SIZE"))


def resident_of_family(pid: int) -> int:
    """Bytes of resident memory of a process and its descendants."""
    return sum(usage(each).resident for each in [pid, *descendants(pid)])


def proportional(pid: int) -> int:
    """Bytes of memory with shared pages divided among those who share them (PSS)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def peak(pid: int) -> int:
    """The most bytes of resident memory since the start, or since `reset_peak`."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def reset_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def children(pid: int) -> list[int]:
    """Direct children, whichever thread started them."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return found


def descendants(pid: int) -> list[int]:
    return [each for child in children(pid) for each in (child, *descendants(child))]


def module_of(pid: int) -> str:
    """NAME of `python -m NAME`; "" for a process that was started otherwise."""
    words = command_of(pid)
    return words[words.index("-m") + 1] if "-m" in words[:-1] else ""


def command_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")


def environment_of(pid: int) -> dict[str, str]:
    text = Path(f"/proc/{pid}/environ").read_bytes().decode().rstrip("\0")
    return dict(entry.partition("=")[::2] for entry in text.split("\0") if entry)


class Process:
    """One process in its own group, its output in a file."""

    def __init__(self, argv: list[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.argv = argv
        self._log = log
        self.started = time.monotonic()
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                argv,
                cwd=ROOT,
                env=dict(environment) if environment is not None else None,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @classmethod
    def module(cls, name: str, *arguments: str, log: Path, settings: Mapping[str, str] | None = None) -> Process:
        return cls([sys.executable, "-m", name, *arguments], log, {**os.environ, **(settings or {})})

    @property
    def pid(self) -> int:
        return self._popen.pid

    def wait_for(self, ready: Callable[[], bool], seconds: float) -> float:
        """Seconds from the start of the process until `ready`. Raises NotReady."""
        while not ready():
            if self._popen.poll() is not None:
                raise NotReady(f"{' '.join(self.argv[1:])} ended with {self._popen.returncode}\n{self.tail()}")
            if time.monotonic() - self.started > seconds:
                raise NotReady(f"{' '.join(self.argv[1:])} was not ready within {seconds:g} s\n{self.tail()}")
            time.sleep(0.01)
        return time.monotonic() - self.started

    def tail(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]

    def end(self, seconds: float = 20) -> None:
        """SIGTERM, and SIGKILL to the group after `seconds`."""
        if self._popen.poll() is None:
            self._popen.terminate()
            try:
                self._popen.wait(seconds)
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)
                self._popen.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers(url: str) -> bool:
    """Does `url` answer 200?"""
    try:
        with urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False
