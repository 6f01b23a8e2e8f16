"""One agent with one sidecar or more, for benchmarks of the gateway. The running loop serves the agent a feed."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.feed import GATEWAY, TOKEN, Feed
from benchmarks.processes import Process, answers, free_port

READY = "/status-0123456789abcdef"
READY_WITHIN = 60.0  # seconds


class Sidecar:
    """`process` and `port` once open. `cores` are those of sidecars and of the agent, as taskset reads them; without
    them any will do.

    `settings` are the sidecar's, `agent` those of the agent beside what it must have. `module` is what is started in
    place of the sidecar's own. A change of the configuration goes through `feed`.
    """

    process: Process
    port: int

    def __init__(
        self,
        directory: Path,
        resources: Mapping[str, object],
        settings: Mapping[str, str],
        cores: tuple[str, str] | None = None,
        *,
        agent: Mapping[str, str] | None = None,
        module: str = "proxy",
    ) -> None:
        self.feed = Feed(resources)
        self._directory = directory
        self._settings = settings
        self._cores = cores
        self._agent_settings = agent or {}
        self._module = module
        self._processes: list[Process] = []

    @property
    def _socket(self) -> str:
        return f"unix:{self._directory}/sync/agent.sock"

    async def open(self) -> None:
        """Raises NotReady."""
        await self.feed.start()
        self.agent = self._start(
            "syncagent",
            "syncagent",
            1,
            {
                "gateway.name": GATEWAY,
                "config.service.endpoint": self.feed.endpoint,
                "config.service.auth": f"GatewayKey {TOKEN}",
                "config.backup.path": "none",
                "config.sync.listen": self._socket,
                "health.http.port": str(free_port()),
                **self._agent_settings,
            },
        )
        self.process, self.port = await self.beside("proxy", self._settings)

    async def beside(self, name: str, settings: Mapping[str, str]) -> tuple[Process, int]:
        """One more sidecar at the same agent, with its own settings; its process and port. Raises NotReady."""
        port = free_port()
        process = self._start(
            name,
            self._module,
            0,
            {
                "gateway.name": GATEWAY,
                "instance.id": f"benchmark-{name}",
                "config.sync.endpoint": self._socket,
                "telemetry.spool.path": f"{self._directory}/telemetry",
                "net.server.http.host": "127.0.0.1",
                "net.server.http.port": str(port),
                **settings,
            },
        )
        # The feed is served by this very loop, so waiting happens in a thread.
        ready = f"http://127.0.0.1:{port}{READY}"
        await asyncio.to_thread(process.wait_for, lambda: answers(ready), READY_WITHIN)
        return process, port

    def log(self, name: str = "proxy") -> str:
        """What a sidecar has written so far."""
        return (self._directory / f"{name}.log").read_text(errors="replace")

    def _start(self, name: str, module: str, core: int, settings: Mapping[str, str]) -> Process:
        pinned = ["taskset", "-c", self._cores[core]] if self._cores else []
        argv = [*pinned, sys.executable, "-m", module]
        process = Process(argv, self._directory / f"{name}.log", {**os.environ, **settings})
        self._processes.append(process)
        return process

    async def close(self) -> None:
        for process in reversed(self._processes):
            process.end()
        await self.feed.stop()
