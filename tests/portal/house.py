"""A portal in front of a real plane, both in this process, and somebody who uses it and keeps cookies."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from management import accounts, passwords
from management.app import make_app
from management.provision import DEFAULT_SERVICE, ensure_default
from management.store import Store
from management.vault import Vault
from portal import keeper, visits
from portal.settings import Settings
from portal.web import application
from tests.management.conftest import TOKEN, Plane
from tests.management.databases import store_url

PASSWORD = "correct horse battery"


@dataclass
class House:
    """`go` and `send` follow redirects and give the text of the page; `client` is for what they do not do."""

    plane: Plane
    client: TestClient

    async def go(self, path: str, status: int = 200) -> str:
        response = await self.client.get(path)
        text = await response.text()
        assert response.status == status, text
        return text

    async def send(self, form_on: str, path: str, status: int = 200, **fields: str) -> str:
        """What a browser does with a form that is on the page `form_on`."""
        token = csrf(await self.go(form_on))
        response = await self.client.post(path, data={"csrf": token, **fields})
        text = await response.text()
        assert response.status == status, text
        return text

    async def sign_up(self, name: str = "ann") -> str:
        """And in. The name of the user at the plane."""
        email = f"{name}@example.com"
        await self.send(
            "/sign-up", "/sign-up", email=email, password=PASSWORD, firstName=name.capitalize(), lastName="X"
        )
        await self.sign_in(name)
        (user,) = (await self.plane.get("/users", query={"$filter": f"email eq '{email}'"}))["value"]
        return str(user["name"])

    async def sign_in(self, name: str = "ann", password: str = PASSWORD, status: int = 200) -> str:
        email = f"{name}@example.com"
        return await self.send("/sign-in", "/sign-in", status, email=email, password=password)

    async def product(self, name: str, *groups: str, apis: tuple[str, ...] = (), **more: Any) -> None:
        properties = {"displayName": name.capitalize(), "state": "published", **more}
        await self.plane.put(f"/products/{name}", properties)
        for group in groups:
            await self.plane.put(f"/products/{name}/groups/{group}")
        for api in apis:
            await self.plane.put(f"/products/{name}/apis/{api}")


def csrf(text: str) -> str:
    found = re.search(r'(?:name="csrf" value|data-csrf)="([^"]+)"', text)
    assert found is not None, text
    return unescape(found[1])


@asynccontextmanager
async def house(folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> AsyncIterator[House]:
    """Nothing is kept for long, and passwords are hashed quickly: neither is what is tested with it."""
    monkeypatch.setattr(passwords, "LOG_N", 4)
    monkeypatch.setattr(passwords, "P", 1)
    monkeypatch.setattr(passwords, "NOBODY", passwords.NOBODY.replace("$15$8$3$", "$4$8$1$"))
    monkeypatch.setattr(accounts, "STEP", 0.0)
    monkeypatch.setattr(visits, "FRESH", 0.0)
    for name, value in (("CHECK", 0.0), ("PATIENCE", 10.0), ("REST", 0)):
        monkeypatch.setattr(keeper, name, value)
    store = Store.open(store_url(folder), Vault.open(folder / "store.key"))
    ensure_default(store, DEFAULT_SERVICE)
    server = TestServer(make_app(store, TOKEN))
    await server.start_server()
    (folder / "admin.token").write_text(TOKEN)
    own = Settings(plane=f"{server.make_url('/')}".rstrip("/"), token_file=folder / "admin.token", **settings)
    async with aiohttp.ClientSession() as session, TestClient(TestServer(application(own))) as client:
        yield House(Plane(server, session, store), client)
    await server.close()
    store.close()
