"""The feed over HTTP: gateway tokens in, lines out. See docs/configuration-feed.md."""

from __future__ import annotations

import asyncio
import datetime
import os
import secrets
import tempfile
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

from aiohttp import web
from sqlalchemy import Connection, select

from management import figures, heartbeats, quotas, traces
from management.arm import json_response
from management.bodies import read_body
from management.errors import bad_request, unauthorized
from management.feed import Feed, Fingerprints
from management.keys import TokenRefused, verify
from management.resources.gateways import accepted
from management.schema import services
from management.store import Service, Store
from management.transaction import Transaction, find_service

SCHEME = "gatewaykey "
CONTENT_TYPE = "application/x-ndjson"
GZIP = 16 + zlib.MAX_WBITS
FAST = 1
PIECE = 256 * 1024
UNNAMED = frozenset("/\0")
TRIMMED_AFTER = 100_000  # rows: what one gateway may add cannot wait for the hour


class FeedServer:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.memo = Fingerprints({})
        # snapshots are built one at a time; the last one serves others who ask for the same
        self._turn = asyncio.Lock()
        self._last: tuple[object, object] | None = None
        self._added = 0  # rows of counters since they were trimmed

    async def events(self, request: web.Request) -> web.StreamResponse:
        dataset, cursor = request.query.get("dataset"), _cursor(request)
        gzip = "gzip" in request.headers.get("Accept-Encoding", "").lower()

        def build(whole: bool) -> Built | object:
            """The answer; instead of a snapshot that nobody asked for as a `whole`, what tells it from others."""
            with self.store.reading() as connection:
                service, gateway = self._admit(connection, request)
                # the gateway is read only for who comes with another dataset
                complete = dataset in (None, service.dataset) or accepted(
                    Transaction(connection, self.store.vault, service), gateway
                )
                feed = Feed(connection, self.store.vault, service, gateway.lower(), self.memo, complete)
                if not whole and not feed.knows(dataset, cursor):
                    return service.dataset, service.revision, gateway.lower(), gzip, complete
                return _build(feed.lines(None, None) if whole else feed.lines(dataset, cursor), gzip)

        # built whole, so that a slow reader keeps no transaction open
        built = await self.store.read(lambda: build(whole=False))
        if not isinstance(built, Built):
            async with self._turn:
                if self._last is None or self._last[0] != built:
                    self._last = (built, await self.store.read(lambda: build(whole=True)))
                built = self._last[1]
        assert isinstance(built, Built)
        headers = {"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store", "Vary": "Accept-Encoding"}
        if gzip:
            headers["Content-Encoding"] = "gzip"
        response = web.StreamResponse(headers=headers)
        response.content_length = built.size
        await response.prepare(request)
        async for piece in built.pieces():
            await response.write(piece)
        await response.write_eof()
        return response

    async def heartbeat(self, request: web.Request) -> web.Response:
        def admit() -> tuple[Service, str]:
            with self.store.reading() as connection:
                return self._admit(connection, request)

        service, gateway = await self.store.read(admit)
        document = heartbeats.check(await read_body(request, heartbeats.LARGEST))

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
                answer = keep(connection)
                self._added += len((batch or {}).get("rows", ())) + len((told or {}).get("counters", ()))
                if self._added > TRIMMED_AFTER:
                    figures.trim(connection)
                    quotas.trim(connection)
                    self._added = 0
                return answer

        # most calls only ask whether somebody has set a quota counter
        news = batch is not None or (told is not None and (told.get("counters") or told.get("confirmed")))
        return json_response({"quotas": await (self.store.write(write) if news else self.store.read(read))})

    def _admit(self, connection: Connection, request: web.Request) -> tuple[Service, str]:
        """The service and the gateway id that the token is good for."""
        header = request.headers.get("Authorization", "")
        if header[: len(SCHEME)].lower() != SCHEME:
            raise unauthorized("Send 'Authorization: GatewayKey <token>'.", "GatewayTokenInvalid")
        name, wanted = request.match_info.get("service"), request.match_info["gateway"]
        # decoded, they may hold what no name has, and lead elsewhere
        named = not UNNAMED & {*(name or ""), *wanted}
        service = _named(connection, name) if named else None
        row = Transaction(connection, self.store.vault, service).get(f"/gateways/{wanted}") if service else None
        # whoever has no token does not learn which gateways there are
        name, keys = wanted, [secrets.token_urlsafe(64), secrets.token_urlsafe(64)]
        if row is not None:
            clear = row.clear()
            name, keys = row.name, [clear["primaryKey"], clear["secondaryKey"]]
        try:
            verify(header[len(SCHEME) :], wanted, keys, datetime.datetime.now(datetime.UTC))
        except TokenRefused as refused:
            raise unauthorized(refused.reason, refused.code) from None
        assert service is not None
        return service, name


class Built:
    """An answer, in memory while it is short and then in a file without a name; many may read it."""

    def __init__(self) -> None:
        self.size = 0
        self._head = bytearray()
        self._file = -1

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        self._head += piece
        if len(self._head) >= PIECE:
            if self._file < 0:
                self._file = _nameless()
            self._write()

    def end(self) -> Built:
        if self._file >= 0:
            self._write()
        return self

    def _write(self) -> None:
        while self._head:
            del self._head[: os.write(self._file, self._head)]

    async def pieces(self) -> AsyncIterator[bytes]:
        if self._file < 0:
            yield bytes(self._head)
            return
        for at in range(0, self.size, PIECE):
            yield await asyncio.to_thread(os.pread, self._file, PIECE, at)

    def __del__(self) -> None:
        if self._file >= 0:
            os.close(self._file)


def _nameless() -> int:
    descriptor, path = tempfile.mkstemp(prefix="passerelle-")
    os.unlink(path)
    return descriptor


def _build(lines: Iterator[str], gzip: bool) -> Built:
    built = Built()
    packer = zlib.compressobj(FAST, zlib.DEFLATED, GZIP)
    for text in lines:
        built.add(packer.compress(text.encode()) if gzip else text.encode())
    if gzip:
        built.add(packer.flush())
    return built.end()


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
