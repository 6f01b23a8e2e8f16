"""The feed over HTTP: gateway tokens in, lines out. See docs/configuration-feed.md."""

from __future__ import annotations

import asyncio
import datetime
import zlib

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from management import heartbeats
from management.arm import read_body
from management.errors import bad_request, not_found, unauthorized
from management.feed import Feed, Fingerprints
from management.keys import TokenRefused, verify
from management.schema import services
from management.store import Service, Store
from management.transaction import Transaction, find_service

SCHEME = "gatewaykey "
CONTENT_TYPE = "application/x-ndjson"
GZIP = 16 + zlib.MAX_WBITS
FAST = 1


class FeedServer:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.memo = Fingerprints({})

    async def events(self, request: web.Request) -> web.StreamResponse:
        dataset, cursor = request.query.get("dataset"), _cursor(request)
        async with self.store.reading() as connection:
            service, gateway = await self._admit(connection, request)
            feed = Feed(connection, self.store.vault, service, gateway.lower(), self.memo)
            response = web.StreamResponse(headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})
            packer = zlib.compressobj(FAST, zlib.DEFLATED, GZIP) if _wants_gzip(request) else None
            if packer:
                response.headers["Content-Encoding"] = "gzip"
            started = False
            async for text in feed.lines(dataset, cursor):
                if not started:
                    await response.prepare(request)
                    started = True
                data = text.encode()
                if packer:
                    data = (
                        await asyncio.to_thread(packer.compress, data) if len(data) > 65536 else packer.compress(data)
                    )
                if data:
                    await response.write(data)
            if packer:
                await response.write(packer.flush())
            await response.write_eof()
            return response

    async def heartbeat(self, request: web.Request) -> web.Response:
        async with self.store.reading() as connection:
            service, gateway = await self._admit(connection, request)
        document = await read_body(request)
        heartbeats.check(document)
        async with self.store.writing() as connection:
            await heartbeats.keep(connection, service, gateway, document)
        return web.Response(status=204)

    async def _admit(self, connection: AsyncConnection, request: web.Request) -> tuple[Service, str]:
        """The service and the gateway id that the token is good for."""
        header = request.headers.get("Authorization", "")
        if header[: len(SCHEME)].lower() != SCHEME:
            raise unauthorized("Send 'Authorization: GatewayKey <token>'.", "GatewayTokenInvalid")
        service = await _named(connection, request.match_info["service"])
        wanted = request.match_info["gateway"]
        row = await Transaction(connection, self.store.vault, service).get(f"/gateways/{wanted}") if service else None
        if service is None or row is None:
            raise not_found("Gateway")
        keys = row.clear()
        try:
            verify(
                header[len(SCHEME) :],
                row.name,
                [keys["primaryKey"], keys["secondaryKey"]],
                datetime.datetime.now(datetime.UTC),
            )
        except TokenRefused as refused:
            raise unauthorized(refused.reason, refused.code) from None
        return service, row.name


async def _named(connection: AsyncConnection, name: str) -> Service | None:
    """The service of that name; the oldest one when several resource groups have one."""
    query = select(services.c.id).where(services.c.key.endswith(f"/service/{name.lower()}", autoescape=True))
    id = await connection.scalar(query.order_by(services.c.number).limit(1))
    return await find_service(connection, id) if id else None


def _cursor(request: web.Request) -> int | None:
    text = request.query.get("cursor")
    if text is None:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise bad_request("InvalidCursor", "cursor must be a whole number.")
    return int(text)


def _wants_gzip(request: web.Request) -> bool:
    return "gzip" in request.headers.get("Accept-Encoding", "").lower()
