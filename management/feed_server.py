"""The feed over HTTP: gateway tokens in, lines out. See docs/configuration-feed.md."""

from __future__ import annotations

import datetime
import zlib
from typing import Any

from aiohttp import web
from sqlalchemy import Connection, select

from management import figures, heartbeats, quotas, traces
from management.arm import json_response, read_body
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

    async def events(self, request: web.Request) -> web.Response:
        dataset, cursor = request.query.get("dataset"), _cursor(request)
        gzip = "gzip" in request.headers.get("Accept-Encoding", "").lower()

        def build() -> bytes:
            with self.store.reading() as connection:
                service, gateway = self._admit(connection, request)
                feed = Feed(connection, self.store.vault, service, gateway.lower(), self.memo)
                pieces = (text.encode() for text in feed.lines(dataset, cursor))
                if not gzip:
                    return b"".join(pieces)
                packer = zlib.compressobj(FAST, zlib.DEFLATED, GZIP)
                return b"".join([*(packer.compress(piece) for piece in pieces), packer.flush()])

        # built whole, so that a slow reader keeps no transaction open
        body = await self.store.read(build)
        headers = {"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store", "Vary": "Accept-Encoding"}
        if gzip:
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=body, headers=headers)

    async def heartbeat(self, request: web.Request) -> web.Response:
        def admit() -> tuple[Service, str]:
            with self.store.reading() as connection:
                return self._admit(connection, request)

        service, gateway = await self.store.read(admit)
        document = await read_body(request)
        heartbeats.check(document)

        def keep() -> None:
            with self.store.writing() as connection:
                heartbeats.keep(connection, service, gateway, document)

        await self.store.write(keep)
        return web.Response(status=204)

    async def traces(self, request: web.Request) -> web.Response:
        def admit() -> tuple[Service, str]:
            with self.store.reading() as connection:
                return self._admit(connection, request)

        service, gateway = await self.store.read(admit)
        found = traces.check(await read_body(request))

        def keep() -> None:
            with self.store.writing() as connection:
                traces.keep(connection, self.store.vault, service, gateway, found)

        await self.store.write(keep)
        return web.Response(status=204)

    async def counters(self, request: web.Request) -> web.Response:
        def admit() -> tuple[Service, str]:
            with self.store.reading() as connection:
                return self._admit(connection, request)

        service, gateway = await self.store.read(admit)
        document = await read_body(request)
        instance = heartbeats.instance_of(document)
        batch = figures.check(document["figures"]) if document.get("figures") is not None else None
        told = quotas.check(document["quotas"]) if document.get("quotas") is not None else None

        def keep(connection: Connection) -> list[dict[str, Any]]:
            if batch is not None:
                figures.keep(connection, self.store.vault, service, gateway, instance, batch)
            if told is None:
                return []
            return quotas.keep(connection, self.store.vault, service, gateway, instance, told)

        def read() -> list[dict[str, Any]]:
            with self.store.reading() as connection:
                return keep(connection)

        def write() -> list[dict[str, Any]]:
            with self.store.writing() as connection:
                return keep(connection)

        # most calls only ask whether somebody has set a quota counter
        news = batch is not None or (told is not None and (told.get("counters") or told.get("confirmed")))
        return json_response({"quotas": await (self.store.write(write) if news else self.store.read(read))})

    def _admit(self, connection: Connection, request: web.Request) -> tuple[Service, str]:
        """The service and the gateway id that the token is good for."""
        header = request.headers.get("Authorization", "")
        if header[: len(SCHEME)].lower() != SCHEME:
            raise unauthorized("Send 'Authorization: GatewayKey <token>'.", "GatewayTokenInvalid")
        service = _named(connection, request.match_info.get("service"))
        wanted = request.match_info["gateway"]
        row = Transaction(connection, self.store.vault, service).get(f"/gateways/{wanted}") if service else None
        if service is None or row is None:
            raise not_found("Gateway")
        clear = row.clear()
        keys = [clear["primaryKey"], clear["secondaryKey"]]
        try:
            verify(header[len(SCHEME) :], row.name, keys, datetime.datetime.now(datetime.UTC))
        except TokenRefused as refused:
            raise unauthorized(refused.reason, refused.code) from None
        return service, row.name


def _named(connection: Connection, name: str | None) -> Service | None:
    """The service of that name, or of any; the oldest one when there are several."""
    query = select(services.c.id).where(services.c.key.like("%/service/%"))
    if name is not None:
        query = query.where(services.c.key.endswith(f"/service/{name.lower()}", autoescape=True))
    id = connection.scalar(query.order_by(services.c.number).limit(1))
    return find_service(connection, id) if id else None


def _cursor(request: web.Request) -> int | None:
    text = request.query.get("cursor")
    if text is None:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise bad_request("InvalidCursor", "cursor must be a whole number.")
    return int(text)
