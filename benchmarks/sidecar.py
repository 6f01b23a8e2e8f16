"""One agent with one sidecar (one worker), for benchmarks of the gateway. The running loop serves the agent a feed."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.feed import GATEWAY, TOKEN, Feed
from benchmarks.processes import Process, answers, free_port

READY = "/status-0123456789abcdef"


class Sidecar:
    """`process` and `port` once open. `cores` are those of the sidecar and of the agent; without them any will do."""

    process: Process
    port: int

    def __init__(
        self,
        directory: Path,
        resources: Mapping[str, object],
        settings: Mapping[str, str],
        cores: tuple[int, int] | None = None,
    ) -> None:
        self._directory = directory
        self._feed = Feed(dict(resources))
        self._settings = settings
        self._cores = cores
        self._agent: Process | None = None

    async def open(self) -> None:
        """Raises NotReady."""
        await self._feed.start()
        self.port, socket = free_port(), f"unix:{self._directory}/sync/agent.sock"
        self._agent = self._start(
            "syncagent",
            1,
            {
                "gateway.name": GATEWAY,
                "config.service.endpoint": self._feed.endpoint,
                "config.service.auth": f"GatewayKey {TOKEN}",
                "config.backup.path": "none",
                "config.sync.listen": socket,
                "health.http.port": str(free_port()),
            },
        )
        self.process = self._start(
            "proxy",
            0,
            {
                "gateway.name": GATEWAY,
                "instance.id": "benchmark",
                "config.sync.endpoint": socket,
                "net.server.http.host": "127.0.0.1",
                "net.server.http.port": str(self.port),
                **self._settings,
            },
        )
        # The feed is served by this very loop, so waiting happens in a thread.
        ready = f"http://127.0.0.1:{self.port}{READY}"
        await asyncio.to_thread(self.process.wait_for, lambda: answers(ready), 40)

    def _start(self, module: str, core: int, settings: Mapping[str, str]) -> Process:
        pinned = ["taskset", "-c", str(self._cores[core])] if self._cores else []
        argv = [*pinned, sys.executable, "-m", module]
        return Process(argv, self._directory / f"{module}.log", {**os.environ, **settings})

    async def close(self) -> None:
        for process in (getattr(self, "process", None), self._agent):
            if process is not None:
                process.end()
        await self._feed.stop()
