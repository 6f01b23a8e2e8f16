"""What the tests of outages are made of: a plane, agents, their streams' other ends, whole sidecars with a client."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.model.plane import everywhere, header, policy
from tests.ports import free_port
from tests.syncagent.conftest import sidecars
from tests.syncagent.house import ROOT, Agent, FakeSidecar
from tests.syncagent.plane import FakePlane

__all__ = ["sidecars"]
NewAgent = Callable[..., Agent]
NewSidecar = Callable[[], FakeSidecar]
READY = "/status-0123456789abcdef"


@dataclass
class Car:
    """`python -m proxy` beside an agent; `settings` override those of the tests."""

    directory: Path
    listen: str
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> Car:
        self.port = free_port()
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "net.server.http.host": "127.0.0.1",
            "net.server.http.port": str(self.port),
            "config.sync.endpoint": self.listen,
            "telemetry.enabled": "false",
            "telemetry.spool.path": "none",
            **self.settings,
        }
        with open(self.directory / "car.log", "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "proxy"], cwd=ROOT, env=environment, stdout=log, stderr=log
            )
        return self

    def get(self, path: str) -> tuple[int, str]:
        """Status and body; 0 while nobody listens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError:
            return 0, ""
        finally:
            connection.close()

    def until(self, path: str, status: int, body: str = "", seconds: float = 30.0) -> None:
        end = time.monotonic() + seconds
        while (answer := self.get(path))[0] != status or body not in answer[1]:
            assert time.monotonic() < end, f"{path} answers {answer}, not {status} {body}: {self.log()[-2000:]}"
            time.sleep(0.03)

    def log(self) -> str:
        return (self.directory / "car.log").read_text()


NewCar = Callable[..., Car]


def says(text: str) -> dict[str, str]:
    """A policy that answers by itself."""
    body = f"<return-response><set-status code='200' /><set-body>{text}</set-body></return-response>"
    return policy(header("X-Text", text) + body)


def add_api(plane: FakePlane, name: str, text: str) -> None:
    body = {"displayName": name, "path": name, "serviceUrl": "http://127.0.0.1:1", "protocols": ["http"]}
    plane.put(f"/apis/{name}", {**body, "subscriptionRequired": False})
    plane.put(f"/apis/{name}/operations/get", {"displayName": "get", "method": "GET", "urlTemplate": "/*"})
    plane.put(f"/apis/{name}/policies/policy", says(text))


@pytest.fixture
async def plane() -> Iterator[FakePlane]:  # type: ignore[misc]
    plane = FakePlane()
    plane.put("/", {"id": "s", "name": "passerelle"})
    plane.put("/policies/policy", everywhere())
    plane.put("/namedValues/second", {"displayName": "second", "value": "2"})
    for name in ("orders", "stock", "people"):
        add_api(plane, name, f"{name} here")
    await plane.start()
    yield plane
    await plane.stop()


@pytest.fixture
def new_agent(tmp_path: Path, plane: FakePlane) -> Iterator[NewAgent]:
    """Agents in one directory (one volume, one socket) that tell soon what they know."""
    made: list[Agent] = []

    def make(**settings: str) -> Agent:
        quick = {"config.service.poll.interval": "0.1", "config.service.heartbeat.interval": "0.2"}
        given = {key.replace("_", "."): value for key, value in settings.items()}
        made.append(Agent(tmp_path, plane.endpoint, {**quick, **given}))
        return made[-1]

    yield make
    for agent in made:
        if agent.process is not None and agent.process.poll() is None:
            agent.kill()


@pytest.fixture
def new_car(tmp_path: Path) -> Iterator[NewCar]:
    made: list[Car] = []

    def make(agent: Agent | str, **settings: str) -> Car:
        listen = agent if isinstance(agent, str) else agent.listen
        made.append(Car(tmp_path, listen, {key.replace("__", "."): value for key, value in settings.items()}))
        return made[-1].start()

    yield make
    for car in made:
        if car.process is not None and car.process.poll() is None:
            car.process.kill()
            car.process.wait()
