"""A plane that speaks the feed of docs/configuration-feed.md over loopback, and misbehaves on demand.

Written from the document alone: it shares no code with the agent, so each checks the other's reading of it.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

TOKEN = "gw1&209901010000&" + "c2lnbmF0dXJl" * 7 + "canary=="


def canonical(body: Any) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def fingerprint(resources: dict[str, bytes]) -> str:
    total = 0
    for id, body in resources.items():
        digest = hashlib.sha256(body).hexdigest()
        total += int(hashlib.sha256(f"{id}\0{digest}".encode()).hexdigest(), 16)
    return f"{total % 2**256:064x}"


@dataclass
class FakePlane:
    """`fault` is empty or one of the modes in `_misbehave`; `requests` keeps every events query."""

    dataset: str = "d1"
    cursor: int = 0
    token: str = TOKEN
    fault: str = ""
    complete: bool = True
    resources: dict[str, bytes] = field(default_factory=dict)
    log: list[tuple[int, str, bytes | None]] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    heartbeats: list[dict[str, Any]] = field(default_factory=list)
    endpoint: str = ""
    _runner: web.AppRunner | None = None

    def put(self, id: str, body: Any) -> None:
        self.cursor += 1
        self.resources[id] = canonical(body)
        self.log.append((self.cursor, id, self.resources[id]))

    def delete(self, id: str) -> None:
        self.cursor += 1
        del self.resources[id]
        self.log.append((self.cursor, id, None))

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/configuration/s/gateways/gw1/events", self._events)
        app.router.add_post("/configuration/s/gateways/gw1/heartbeat", self._heartbeat)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        port = int(self.endpoint.rpartition(":")[2].partition("/")[0]) if self.endpoint else 0
        site = web.TCPSite(self._runner, "127.0.0.1", port, reuse_address=True)
        await site.start()
        port = self._runner.addresses[0][1]
        self.endpoint = f"http://127.0.0.1:{port}/configuration/s"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _heartbeat(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"GatewayKey {self.token}":
            return web.Response(status=401)
        self.heartbeats.append(await request.json())
        return web.Response(status=204)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(dict(request.query))
        if request.headers.get("Authorization") != f"GatewayKey {self.token}":
            return web.Response(status=401)
        if self.fault:
            return await self._misbehave(request)
        return self._answer(self.feed(request.query.get("dataset"), int(request.query.get("cursor", -1))))

    def feed(self, dataset: str | None, cursor: int) -> bytes:
        changes = [entry for entry in self.log if entry[0] > cursor]
        head: dict[str, Any] = {"dataset": self.dataset, "from": cursor, "cursor": self.cursor}
        if dataset != self.dataset or cursor > self.cursor:
            head |= {"kind": "snapshot", "complete": self.complete, "from": 0}
            changes = [(0, id, body) for id, body in self.resources.items()]
        else:
            head["kind"] = "changes" if changes else "none"
        lines = [b"H\t" + canonical(head)]
        for _, id, body in changes:
            if body is None:
                lines.append(b"D\t" + id.encode())
            else:
                digest = hashlib.sha256(body).hexdigest().encode()
                lines.append(b"U\t" + id.encode() + b"\t" + digest + b"\t" + body)
        lines.append(f"E\t{len(changes)}\t{fingerprint(self.resources)}".encode())
        return b"\n".join(lines) + b"\n"

    def _answer(self, text: bytes) -> web.Response:
        return web.Response(
            body=gzip.compress(text, 1),
            headers={"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"},
        )

    async def _misbehave(self, request: web.Request) -> web.StreamResponse:
        feed = self.feed(None, -1)
        match self.fault:
            case "500":
                return web.Response(status=500)
            case "503":
                return web.Response(status=503, headers={"Retry-After": "2"})
            case "401":
                return web.Response(status=401)
            case "redirect":
                return web.Response(status=302, headers={"Location": self.endpoint})
            case "hang":
                await asyncio.sleep(30)
                return web.Response(status=500)
            case "html":
                return web.Response(text="<html><body>Sign in to the hotel network</body></html>")
            case "empty":
                return web.Response()
            case "half":
                return self._answer(feed[: len(feed) // 2])
            case "half-gzip":
                whole = gzip.compress(feed)
                return web.Response(body=whole[: len(whole) // 2], headers={"Content-Encoding": "gzip"})
            case "bad-digest":
                return self._answer(feed.replace(b'"path"', b'"htap"', 1))
            case "bad-count":
                return self._answer(feed.replace(b"\nE\t", b"\nE\t9"))
            case "bad-fingerprint":
                return self._answer(feed[:-65] + b"0" * 64 + b"\n")
            case "bomb":
                return web.Response(body=gzip.compress(b"\0" * 64 * 2**20), headers={"Content-Encoding": "gzip"})
            case _:
                raise ValueError(self.fault)
