"""Ours: one agent, one sidecar with one worker, and the full job with logs, spans and metrics to a collector."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from aiohttp import web

from benchmarks import configuration
from benchmarks.feed import GATEWAY, TOKEN, Feed
from benchmarks.peers.peer import Job
from benchmarks.processes import Process, answers, free_port

READY = "/status-0123456789abcdef"

FULL_POLICY = """<policies>
  <inbound>
    <base />
    <validate-jwt header-name="Authorization">
      <issuer-signing-keys><key id="one" n="{modulus}" e="AQAB" /></issuer-signing-keys>
      <audiences><audience>benchmark</audience></audiences>
      <issuers><issuer>{issuer}</issuer></issuers>
    </validate-jwt>
    <set-header name="X-Tenant" exists-action="override"><value>contoso</value></set-header>
    <set-header name="X-Api" exists-action="override"><value>@(context.Api.Name)</value></set-header>
  </inbound>
  <backend><base /></backend>
  <outbound>
    <base />
    <set-header name="X-Served-By" exists-action="override"><value>passerelle</value></set-header>
  </outbound>
  <on-error><base /></on-error>
</policies>"""


def resources(job: Job) -> dict[str, object]:
    """The usual configuration, and an API at /full."""
    origin = f"http://127.0.0.1:{job.backend}"
    policy = FULL_POLICY.format(modulus=job.issuer.modulus, issuer=job.issuer.name)
    return {
        **configuration.resources(origin),
        "/apis/full": configuration.api("full", origin, key=True),
        "/apis/full/operations/item": configuration.operation("/item"),
        "/apis/full/policies/policy": {"format": "rawxml", "value": policy},
        "/products/starter/apis/full": {},
    }


class House:
    """What belongs to our sidecar; the feed and the collector are served by the running loop."""

    def __init__(self, directory: Path, job: Job, gateway_core: int, other_core: int) -> None:
        self._directory = directory
        self._job = job
        self._cores = gateway_core, other_core
        self._processes: list[Process] = []
        self._feed = Feed(resources(job))
        self._collector: web.AppRunner | None = None

    async def open(self) -> tuple[Process, int]:
        """The sidecar and its port. Raises NotReady."""
        await self._feed.start()
        collector = web.Application(client_max_size=1 << 26)
        collector.router.add_post("/{path:.*}", _take)
        self._collector = web.AppRunner(collector, access_log=None)
        await self._collector.setup()
        await web.TCPSite(self._collector, "127.0.0.1", 0).start()
        port, socket = free_port(), f"unix:{self._directory}/sync/agent.sock"
        agent = {
            "gateway.name": GATEWAY,
            "config.service.endpoint": self._feed.endpoint,
            "config.service.auth": f"GatewayKey {TOKEN}",
            "config.backup.path": "none",
            "config.sync.listen": socket,
            "health.http.port": str(free_port()),
        }
        self._start("syncagent", self._cores[1], agent)
        sidecar = {
            "gateway.name": GATEWAY,
            "instance.id": "benchmark",
            "config.sync.endpoint": socket,
            "net.server.http.host": "127.0.0.1",
            "net.server.http.port": str(port),
            "telemetry.logs.std": "text",
            "observability.opentelemetry.enabled": "true",
            "observability.opentelemetry.protocol": "http/protobuf",
            "observability.opentelemetry.collector.uri": f"http://127.0.0.1:{self._collector.addresses[0][1]}",
            "observability.opentelemetry.metrics.interval": "00:00:05",
        }
        process = self._start("proxy", self._cores[0], sidecar)
        await asyncio.to_thread(process.wait_for, lambda: answers(f"http://127.0.0.1:{port}{READY}"), 40)
        return process, port

    def _start(self, module: str, core: int, settings: dict[str, str]) -> Process:
        argv = ["taskset", "-c", str(core), sys.executable, "-m", module]
        process = Process(argv, self._directory / f"{module}.log", {**os.environ, **settings})
        self._processes.append(process)
        return process

    async def close(self) -> None:
        for process in reversed(self._processes):
            process.end()
        await self._feed.stop()
        if self._collector is not None:
            await self._collector.cleanup()


async def _take(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(content_type="application/x-protobuf")
