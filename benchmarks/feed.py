"""A plane for one agent: it feeds a configuration, and changes of it, as docs/configuration-feed.md has it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

GATEWAY = "local"
TOKEN = f"{GATEWAY}&209901010000&" + "A" * 86 + "=="
DATASET = "benchmark"


def line(id: str, body: Any) -> tuple[bytes, int]:
    """The feed's line of a resource, and its part of the fingerprint."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    digest = hashlib.sha256(text).hexdigest()
    part = int(hashlib.sha256(f"{id}\0{digest}".encode()).hexdigest(), 16)
    return b"\t".join((b"U", id.encode(), digest.encode(), text)), part


def feed(kind: str, origin: int, cursor: int, lines: list[bytes], total: int) -> bytes:
    """A whole answer; `total` is the sum behind the fingerprint."""
    head = {"complete": True, "cursor": cursor, "dataset": DATASET, "from": origin, "kind": kind}
    first = b"H\t" + json.dumps(head, sort_keys=True, separators=(",", ":")).encode()
    last = f"E\t{len(lines)}\t{total % 2**256:064x}".encode()
    return b"\n".join([first, *lines, last]) + b"\n"


class Feed:
    """`endpoint` once started; `resources` are id -> body."""

    def __init__(self, resources: Mapping[str, Any]) -> None:
        self._lines = {id: line(id, body) for id, body in resources.items()}
        self._total = sum(part for _, part in self._lines.values())
        self._changes: list[bytes] = []  # of cursor 2, 3 ...
        self._runner: web.AppRunner | None = None
        self.endpoint = ""

    @property
    def cursor(self) -> int:
        return 1 + len(self._changes)

    def snapshot(self) -> bytes:
        return feed("snapshot", 0, self.cursor, [text for text, _ in self._lines.values()], self._total)

    def change(self, id: str, body: Any) -> None:
        """Put a resource; the agent finds it at its next poll."""
        new, old = line(id, body), self._lines.get(id)
        self._total += new[1] - (old[1] if old is not None else 0)
        self._lines[id] = new
        self._changes.append(new[0])

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get(f"/configuration/benchmark/gateways/{GATEWAY}/events", self._events)
        app.router.add_post(f"/configuration/benchmark/gateways/{GATEWAY}/heartbeat", self._taken)
        app.router.add_post(f"/configuration/benchmark/gateways/{GATEWAY}/counters", self._counters)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.endpoint = f"http://127.0.0.1:{self._runner.addresses[0][1]}/configuration/benchmark"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _events(self, request: web.Request) -> web.Response:
        held = request.query.get("cursor", "")
        if request.query.get("dataset") == DATASET and held.isdigit() and 1 <= int(held) <= self.cursor:
            lines = self._changes[int(held) - 1 :]
            text = feed("changes" if lines else "none", int(held), self.cursor, lines, self._total)
        else:
            text = self.snapshot()
        return web.Response(body=text, content_type="application/x-ndjson")

    async def _taken(self, request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=204)

    async def _counters(self, request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({"quotas": []})
