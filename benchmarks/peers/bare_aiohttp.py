"""`python -m benchmarks.peers.bare_aiohttp PORT BACKEND`: a reverse proxy, the obvious way, doing nothing else.

It streams both ways, keeps connections, and drops hop-by-hop headers; that is the least a proxy may do.
"""

from __future__ import annotations

import sys

import aiohttp
import uvloop
from aiohttp import web

HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "host"}
)
SESSION: web.AppKey[aiohttp.ClientSession] = web.AppKey("session", aiohttp.ClientSession)
BACKEND: web.AppKey[str] = web.AppKey("backend", str)


async def forward(request: web.Request) -> web.StreamResponse:
    headers = [(name, value) for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP]
    async with request.app[SESSION].request(
        request.method,
        request.app[BACKEND] + request.raw_path,
        headers=headers,
        data=request.content if request.can_read_body else None,
        allow_redirects=False,
    ) as answer:
        kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP]
        response = web.StreamResponse(status=answer.status, reason=answer.reason)
        response.headers.extend(kept)
        await response.prepare(request)
        async for part in answer.content.iter_any():
            await response.write(part)
        await response.write_eof()
        return response


async def _open(app: web.Application) -> None:
    app[SESSION] = aiohttp.ClientSession(
        auto_decompress=False, connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
    )


async def _close(app: web.Application) -> None:
    await app[SESSION].close()


def main() -> None:
    app = web.Application()
    app[BACKEND] = sys.argv[2]
    app.router.add_route("*", "/{path:.*}", forward)
    app.on_startup.append(_open)
    app.on_cleanup.append(_close)
    uvloop.install()
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)


if __name__ == "__main__":
    main()
