"""A plane of its own for each test: a store in a temporary directory, served in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from multidict import CIMultiDict

from management.app import make_app
from management.provision import DEFAULT_SERVICE, ensure_default
from management.store import Row, Store
from management.transaction import reading
from management.vault import Vault
from tests.management.databases import store_url

TOKEN = "the-admin-token"
VERSION = "2024-05-01"

POLICY = "<policies><inbound><base />{}</inbound><backend><base /></backend><outbound><base /></outbound></policies>"


@dataclass
class Plane:
    """A running plane and an ARM client for it."""

    server: TestServer
    session: aiohttp.ClientSession
    store: Store
    service: str = DEFAULT_SERVICE
    headers: dict[str, str] = field(default_factory=lambda: {"Authorization": f"Bearer {TOKEN}"})

    async def call(
        self,
        method: str,
        id: str = "",
        properties: dict[str, Any] | None = None,
        *,
        body: Any = None,
        match: str | None = "*",
        query: dict[str, str] | None = None,
    ) -> Reply:
        """`id` is relative to the service, or a whole URL."""
        url = id if id.startswith("http") else f"{self.server.make_url('/')}".rstrip("/") + self.service + id
        headers = dict(self.headers)
        if (method in ("PATCH", "DELETE") and match) or match not in (None, "*"):
            headers["If-Match"] = match
        document = {"properties": properties} if properties is not None else body
        parameters = {"api-version": VERSION, **(query or {})}
        async with self.session.request(method, url, json=document, headers=headers, params=parameters) as response:
            is_json = response.content_type == "application/json" and method != "HEAD"
            text = await response.text()
            return Reply(
                response.status, response.headers.copy(), (await response.json()) if is_json and text else None
            )

    async def put(self, id: str, properties: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        """The stored document; the test fails when it is refused."""
        reply = await self.call("PUT", id, properties or {}, **more)
        assert reply.status in (200, 201), reply.body
        assert reply.body is not None
        return reply.body

    async def get(self, id: str = "", **more: Any) -> dict[str, Any]:
        reply = await self.call("GET", id, **more)
        assert reply.status == 200, reply.body
        assert reply.body is not None
        return reply.body

    async def delete(self, id: str, **more: Any) -> int:
        reply = await self.call("DELETE", id, **more)
        assert reply.status in (200, 202, 204), reply.body
        return reply.status

    async def api(self, name: str, **more: Any) -> dict[str, Any]:
        return await self.put(f"/apis/{name}", {"displayName": name, "path": name, **more})

    def stored(self, id: str) -> Row:
        """The row as the store has it."""
        with reading(self.store, self.service) as tx:
            row = tx.get(id) if tx else None
            assert row is not None
            return row

    async def names(self, collection: str) -> list[str]:
        return [each["name"] for each in (await self.get(collection))["value"]]


@dataclass
class Reply:
    status: int
    headers: CIMultiDict[str]
    body: Any

    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = self.body["error"]
        return found


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store.open(store_url(tmp_path), Vault.open(tmp_path / "store.key"))
    yield store
    store.close()


@pytest.fixture
async def plane(store: Store) -> AsyncIterator[Plane]:
    ensure_default(store, DEFAULT_SERVICE)
    server = TestServer(make_app(store, TOKEN))
    await server.start_server()
    async with aiohttp.ClientSession() as session:
        yield Plane(server, session, store)
    await server.close()
