"""A plane that never changes: it feeds an agent one configuration, as docs/configuration-feed.md has it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

GATEWAY = "local"
TOKEN = f"{GATEWAY}&209901010000&" + "A" * 86 + "=="


def snapshot(resources: Mapping[str, Any]) -> tuple[bytes, str]:
    """The whole feed text for `resources` (id -> body), and its fingerprint."""
    lines = [b'H\t{"complete":true,"cursor":1,"dataset":"benchmark","from":0,"kind":"snapshot"}']
    total = 0
    for id, body in resources.items():
        text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        digest = hashlib.sha256(text).hexdigest()
        total += int(hashlib.sha256(f"{id}\0{digest}".encode()).hexdigest(), 16)
        lines.append(b"\t".join((b"U", id.encode(), digest.encode(), text)))
    fingerprint = f"{total % 2**256:064x}"
    lines.append(f"E\t{len(resources)}\t{fingerprint}".encode())
    return b"\n".join(lines) + b"\n", fingerprint


class Feed:
    """`endpoint` once started."""

    def __init__(self, resources: Mapping[str, Any]) -> None:
        self._resources = resources
        self._runner: web.AppRunner | None = None
        self.endpoint = ""

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get(f"/configuration/benchmark/gateways/{GATEWAY}/events", self._events)
        app.router.add_post(f"/configuration/benchmark/gateways/{GATEWAY}/heartbeat", self._heartbeat)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.endpoint = f"http://127.0.0.1:{self._runner.addresses[0][1]}/configuration/benchmark"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _events(self, request: web.Request) -> web.Response:
        whole, fingerprint = snapshot(self._resources)
        if request.query.get("dataset") == "benchmark" and request.query.get("cursor") == "1":
            head = '{"cursor":1,"dataset":"benchmark","from":1,"kind":"none"}'
            whole = f"H\t{head}\nE\t0\t{fingerprint}\n".encode()
        return web.Response(body=whole, content_type="application/x-ndjson")

    async def _heartbeat(self, request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=204)
