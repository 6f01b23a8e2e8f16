"""`python -m benchmarks.peers.collector PORT`: takes what telemetry posts to it (OTLP over HTTP) and keeps nothing."""

from __future__ import annotations

import asyncio
import sys

import uvloop
from aiohttp import web


async def _take(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(content_type="application/x-protobuf")


async def serve(port: int) -> None:
    application = web.Application(client_max_size=1 << 26)
    application.router.add_post("/{path:.*}", _take)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
