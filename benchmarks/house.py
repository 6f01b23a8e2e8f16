"""A whole house under measurement: `passerelle up` on free ports, and its processes by what they are."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import ROOT, NotReady, Process, answers, command_of, descendants, environment_of, module_of

START = 120.0  # seconds
READY = "/status-0123456789abcdef"


@dataclass(frozen=True)
class Line:
    """What `up --json` printed."""

    management: str
    service: str
    gateways: tuple[str, ...]
    token: str


@dataclass(frozen=True)
class Recipe:
    """How a process of the house was started, so that it can be started again without the rest."""

    module: str
    argv: list[str]
    environment: dict[str, str]

    def start(self, log: Path) -> Process:
        return Process(self.argv, log, self.environment)


class House:
    def __init__(self, directory: Path, sidecars: int, poll_interval: float) -> None:
        self._log = (directory / "up.log").open("ab")
        self._popen = subprocess.Popen(
            [
                *(sys.executable, "-m", "passerelle", "up", "--json", "--no-demo"),
                *("--data", str(directory / "data"), "--sidecars", str(sidecars)),
                *("--management-port", "0", "--gateway-port", "0", "--portal-port", "0"),
                *("--poll-interval", f"{poll_interval:g}"),
            ],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self._directory = directory
        self.line = self._ready()

    def _ready(self) -> Line:
        assert self._popen.stdout is not None
        text = self._popen.stdout.readline()
        if not text:
            self.end()
            raise NotReady(f"passerelle up did not start\n{(self._directory / 'up.log').read_text()[-3000:]}")
        said = json.loads(text)
        return Line(said["management"], said["service"], tuple(said["gateways"]), said["token"])

    def processes(self) -> list[tuple[str, int]]:
        """Module and pid of each process, with workers and telemetry children."""
        return [(module, pid) for pid in descendants(self._popen.pid) if (module := module_of(pid))]

    def recipes(self) -> list[Recipe]:
        """Of the agent and the sidecars: what serves when the plane is gone."""
        direct = [
            (module, pid)
            for module, pid in self.processes()
            if module in ("syncagent", "proxy") and _parent(pid) == self._popen.pid
        ]
        return [Recipe(module, command_of(pid), environment_of(pid)) for module, pid in direct]

    def end(self) -> None:
        if self._popen.poll() is None:
            self._popen.terminate()
            try:
                self._popen.wait(60)
            except subprocess.TimeoutExpired:
                self._popen.kill()
                self._popen.wait()
        self._log.close()


def restart(recipes: list[Recipe], directory: Path) -> tuple[list[Process], list[float]]:
    """Starts agent and sidecars at once; the processes, and for each sidecar the seconds until it is ready."""
    ordered = sorted(recipes, key=lambda recipe: recipe.module != "syncagent")
    processes = [recipe.start(directory / f"again-{at}.log") for at, recipe in enumerate(ordered)]
    ready = []
    for recipe, process in zip(ordered, processes, strict=True):
        if recipe.module == "proxy":
            port = recipe.environment["net.server.http.port"]
            began = processes[0].started
            process.wait_for(lambda port=port: answers(f"http://127.0.0.1:{port}{READY}"), START)  # type: ignore[misc]
            ready.append(time.monotonic() - began)
    return processes, ready


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
