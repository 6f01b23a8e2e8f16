"""`/live` and `/ready` for the orchestrator. Ready: a configuration is held, from the plane or from the backup."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

Facts = Callable[[], dict[str, Any]]


class Health:
    """`facts` answers the JSON body; its `ready` decides the status of `/ready`."""

    def __init__(self, host: str, port: int, facts: Facts) -> None:
        self._host, self._port, self._facts = host, port, facts
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Raises OSError when the port is taken."""
        app = web.Application()
        app.router.add_get("/live", self._live)
        app.router.add_get("/ready", self._ready)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _live(self, request: web.Request) -> web.Response:
        return web.json_response({"live": True, **self._facts()})

    async def _ready(self, request: web.Request) -> web.Response:
        facts = self._facts()
        return web.json_response(facts, status=200 if facts["ready"] else 503)
