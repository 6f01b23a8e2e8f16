"""Ours: one agent, one sidecar with one worker, and the full job with logs, spans and metrics to a collector."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from benchmarks import configuration
from benchmarks.peers.peer import Job
from benchmarks.processes import Process
from benchmarks.sidecar import Sidecar

TOKEN_POLICY = """<validate-jwt header-name="Authorization">
      <issuer-signing-keys><key id="one" n="{modulus}" e="AQAB" /></issuer-signing-keys>
      <audiences><audience>benchmark</audience></audiences>
      <issuers><issuer>{issuer}</issuer></issuers>
    </validate-jwt>"""


def resources(job: Job) -> dict[str, object]:
    """The usual configuration, and an API at /full: what /shaped does, after the token was verified."""
    origin = f"http://127.0.0.1:{job.backend}"
    token = TOKEN_POLICY.format(modulus=job.issuer.modulus, issuer=job.issuer.name)
    policy = configuration.API_POLICY.replace("<base />", f"<base />\n    {token}", 1)
    return {
        **configuration.resources(origin),
        "/apis/full": configuration.api("full", origin, key=True),
        "/apis/full/operations/item": configuration.operation("/item"),
        "/apis/full/policies/policy": {"format": "rawxml", "value": policy},
        "/products/starter/apis/full": {},
    }


class House:
    """What belongs to our sidecar; the collector is served by the running loop."""

    def __init__(self, directory: Path, job: Job, gateway_core: int, other_core: int) -> None:
        self._directory = directory
        self._job = job
        self._cores = gateway_core, other_core
        self._collector: web.AppRunner | None = None
        self._sidecar: Sidecar | None = None

    async def open(self) -> tuple[Process, int]:
        """The sidecar and its port. Raises NotReady."""
        collector = web.Application(client_max_size=1 << 26)
        collector.router.add_post("/{path:.*}", _take)
        self._collector = web.AppRunner(collector, access_log=None)
        await self._collector.setup()
        await web.TCPSite(self._collector, "127.0.0.1", 0).start()
        settings = {
            "telemetry.logs.std": "text",
            "observability.opentelemetry.enabled": "true",
            "observability.opentelemetry.protocol": "http/protobuf",
            "observability.opentelemetry.collector.uri": f"http://127.0.0.1:{self._collector.addresses[0][1]}",
            "observability.opentelemetry.metrics.interval": "00:00:05",
        }
        self._sidecar = Sidecar(self._directory, resources(self._job), settings, self._cores)
        await self._sidecar.open()
        return self._sidecar.process, self._sidecar.port

    async def close(self) -> None:
        if self._sidecar is not None:
            await self._sidecar.close()
        if self._collector is not None:
            await self._collector.cleanup()


async def _take(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(content_type="application/x-protobuf")
