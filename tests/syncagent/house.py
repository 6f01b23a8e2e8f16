"""Real processes for the tests: an agent with its settings, a sidecar in a thread, and waiting with a deadline."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from proxy.config.resources import Resource, ResourceIssue
from proxy.sync import SyncThread
from tests.ports import free_port
from tests.syncagent.plane import TOKEN

ROOT = Path(__file__).resolve().parents[2]


async def eventually(check: Callable[[], Any], seconds: float = 10.0, what: str = "") -> Any:
    """The first true answer of `check`; fails after `seconds`."""
    until = time.monotonic() + seconds
    while not (answer := check()):
        assert time.monotonic() < until, f"not within {seconds} s: {what or check}"
        await asyncio.sleep(0.02)
    return answer


@dataclass
class Agent:
    """`python -m syncagent` with its own directory; `settings` override the defaults of the tests."""

    directory: Path
    endpoint: str
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    program: str = ""  # Python to run in place of the module, for what is to be broken in the process

    def __post_init__(self) -> None:
        self.port = free_port()
        self.log = self.directory / "agent.log"

    @property
    def listen(self) -> str:
        return self.environment["config.sync.listen"]

    @property
    def backup(self) -> Path:
        return Path(self.environment["config.backup.path"])

    @property
    def environment(self) -> dict[str, str]:
        return {
            "config.service.endpoint": self.endpoint,
            "config.service.auth": f"GatewayKey {TOKEN}",
            "config.service.poll.interval": "0.15",
            "config.service.heartbeat.interval": "1",
            "config.service.integration.timeout": "3",
            "config.service.backoff.maximum": "0.2",
            "config.backup.path": str(self.directory / "backup"),
            "config.sync.listen": f"unix:{self.directory}/sync/agent.sock",
            "health.http.port": str(self.port),
            "telemetry.logs.std.level": "debug",
            **self.settings,
        }

    def start(self) -> Agent:
        environment = {"PATH": os.environ.get("PATH", ""), **self.environment}
        with open(self.log, "ab") as log:
            how = ["-c", self.program] if self.program else ["-m", "syncagent"]
            self.process = subprocess.Popen([sys.executable, *how], cwd=ROOT, env=environment, stdout=log, stderr=log)
        return self

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(5)

    def terminate(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(10)

    def text(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    async def health(self, path: str = "/ready") -> tuple[int, dict[str, Any]]:
        """Status 0 while nobody answers."""
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{self.port}{path}") as response,
            ):
                return response.status, await response.json()
        except aiohttp.ClientError:
            return 0, {}

    async def until_ready(self, seconds: float = 10.0) -> dict[str, Any]:
        return await self._until(200, seconds)

    async def until_waiting(self, seconds: float = 10.0) -> dict[str, Any]:
        return await self._until(503, seconds)

    async def _until(self, wanted: int, seconds: float) -> dict[str, Any]:
        until = time.monotonic() + seconds
        while True:
            status, facts = await self.health()
            if status == wanted:
                return facts
            assert time.monotonic() < until, f"/ready is {status}, not {wanted}\n{self.text()}"
            await asyncio.sleep(0.03)


@dataclass
class FakeSidecar:
    """Keeps what `SyncThread` hands over; `complain` answers the issues of a diff."""

    resources: dict[str, Resource] = field(default_factory=dict)
    applied: list[tuple[str, int, bool, int, int]] = field(default_factory=list)
    complain: Callable[[list[Resource]], list[ResourceIssue]] = lambda upserts: []
    thread: SyncThread | None = None
    stands: list[tuple[str, int, float, int]] = field(default_factory=list)

    def connect(self, endpoint: str, id: str = "sidecar-1", token: str = "") -> FakeSidecar:
        self.thread = SyncThread(
            endpoint, id, "0.1.0", token, self.apply, lambda: (7, 2, 1700000000.0), stand=self.stand
        )
        self.thread.start()
        return self

    def apply(
        self, dataset: str, version: int, full: bool, upserts: list[Resource], removals: list[str]
    ) -> list[ResourceIssue]:
        if full:
            self.resources.clear()
        for id in removals:
            self.resources.pop(id, None)
        self.resources.update({resource.id: resource for resource in upserts})
        self.applied.append((dataset, version, full, len(upserts), len(removals)))
        return self.complain(upserts)

    def stand(self, dataset: str, version: int, confirmed: float, reached: int) -> None:
        self.stands.append((dataset, version, confirmed, reached))

    @property
    def version(self) -> int:
        return self.applied[-1][1] if self.applied else 0

    def bodies(self) -> dict[str, Any]:
        return {id: resource.body for id, resource in self.resources.items()}
