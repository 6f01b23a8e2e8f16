"""What the benchmarks of one figure stand on: a backend of ours, our sidecar, and peers as plain proxies before it."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks import configuration
from benchmarks.feed import GATEWAY
from benchmarks.goals import OURS
from benchmarks.issuer import Issuer
from benchmarks.peers import envoy, nginx
from benchmarks.peers.passerelle import OFF
from benchmarks.peers.peer import Job, Peer
from benchmarks.processes import MEMORY, Process, free_port, listens
from benchmarks.sidecar import Sidecar

BESIDE = (nginx.large, envoy.peer)
CORES = sorted(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Proxy:
    """`path` comes before what the backend is asked for; `process` is None for the backend itself."""

    name: str
    process: Process | None
    port: int
    path: str = ""


LIMIT = 400  # calls in a minute that have the same X-Key
LIMITED = """<policies><inbound><base />
  <{name} calls="{calls}" renewal-period="{seconds}"
    counter-key="@(context.Request.Headers.GetValueOrDefault("X-Key"))" />
</inbound><backend><base /></backend><outbound><base /></outbound><on-error><base /></on-error></policies>"""


def limited(name: str, seconds: int) -> dict[str, str]:
    return {"format": "rawxml", "value": LIMITED.format(name=name, calls=LIMIT, seconds=seconds)}


def resources(origin: str) -> dict[str, Any]:
    """APIs without a key: /open takes all, /socket is a WebSocket API, /limited and /quota let `LIMIT` calls pass."""
    socket = configuration.api("socket", origin.replace("http:", "ws:"), key=False) | {
        "type": "websocket",
        "protocols": ["ws", "wss"],
    }
    return {
        "/": {"id": "benchmark", "name": "benchmark", "location": "local", "gatewayUrl": "http://127.0.0.1"},
        f"/gateways/{GATEWAY}": {"locationData": {"name": "local"}},
        "/apis/open": configuration.api("open", origin, key=False),
        **{
            f"/apis/open/operations/{method.lower()}": configuration.operation("/*") | {"method": method}
            for method in ("GET", "POST")
        },
        **{f"/apis/{name}": configuration.api(name, origin, key=False) for name in ("limited", "quota")},
        **{f"/apis/{name}/operations/item": configuration.operation("/item") for name in ("limited", "quota")},
        "/apis/limited/policies/policy": limited("rate-limit-by-key", 60),
        "/apis/quota/policies/policy": limited("quota-by-key", 3600),
        "/apis/socket": socket,
        "/apis/socket/operations/onHandshake": configuration.operation("/"),
    }


class Stage:
    """An asynchronous context: processes run inside of it. `settings` are of our sidecar, telemetry off without them.

    Gateways have the first core, everything else the last one. `backend` is a module of `benchmarks.peers`.
    """

    def __init__(
        self,
        backend: str,
        *,
        peers: tuple[Peer, ...] = BESIDE,
        settings: Mapping[str, str] | None = None,
        gateway_cores: str = "",
    ) -> None:
        self._backend = backend
        self._peers = peers
        self.settings = {**OFF, **(settings or {})}
        self._cores = gateway_cores or str(CORES[0])
        self._folder = tempfile.TemporaryDirectory(prefix="passerelle-", dir=MEMORY)
        self._processes: list[Process] = []
        self.directory = Path(self._folder.name)
        self.sidecar: Sidecar | None = None
        self.origin = Proxy("backend", None, 0)
        self.proxies: list[Proxy] = []

    async def __aenter__(self) -> Stage:
        """Raises NotReady."""
        os.sched_setaffinity(0, {CORES[-1]})
        try:
            await self._open()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def _open(self) -> None:
        port = free_port()
        argv = ["taskset", "-c", str(CORES[-1]), sys.executable, "-m", f"benchmarks.peers.{self._backend}", str(port)]
        self._start("backend", argv).wait_for(lambda: listens(port), 20)
        self.origin = Proxy("backend", None, port)
        self.sidecar = Sidecar(
            self.directory, resources(f"http://127.0.0.1:{port}"), self.settings, (self._cores, str(CORES[-1]))
        )
        await self.sidecar.open()
        self.proxies.append(Proxy(OURS, self.sidecar.process, self.sidecar.port, "/open"))
        for peer in self._peers:
            if peer.program() is None:
                print(f"{peer.name} is not here: {peer.install}", file=sys.stderr)
                continue
            job = Job(False, free_port(), port, self.directory, Issuer())
            argv = ["taskset", "-c", self._cores, *peer.launch(job)]
            process = self._start(peer.name, argv, peer.environment)
            process.wait_for(lambda job=job: listens(job.port), 60)  # type: ignore[misc]
            self.proxies.append(Proxy(peer.name, process, job.port))

    def _start(self, name: str, argv: list[str], more: Mapping[str, str] | None = None) -> Process:
        process = Process(argv, self.directory / f"{name}.log", {**os.environ, **(more or {})})
        self._processes.append(process)
        return process

    async def _close(self) -> None:
        for process in reversed(self._processes):
            process.end()
        if self.sidecar is not None:
            await self.sidecar.close()
        self._folder.cleanup()
