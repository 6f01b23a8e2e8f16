"""The plane over TLS in a thread of its own, for clients that block, and the unmodified Azure client for it."""

from __future__ import annotations

import asyncio
import gc
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from management.app import make_app
from management.authority import server_context
from management.mail import Mail
from management.provision import DEFAULT_SERVICE, ensure_default
from management.settings import Outside
from management.store import Store
from management.vault import Vault
from tests.management.databases import store_url

SUBSCRIPTION, GROUP, SERVICE = "00000000-0000-0000-0000-000000000000", "local", "passerelle"


@dataclass(frozen=True)
class Token:
    token: str
    expires_on: int = 2**31


@dataclass(frozen=True)
class Credential:
    """All that the Azure clients ask of a credential."""

    token: str

    def get_token(self, *scopes: str, **options: Any) -> Token:
        return Token(self.token)


@contextmanager
def served(directory: Path, token: str, mail: Mail | None = None) -> Iterator[str]:
    """The https address of a plane on `directory`; `ca.pem` is there."""
    started: list[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = []
    ready = threading.Event()

    async def run() -> None:
        store = Store.open(store_url(directory), Vault.open(directory / "store.key"))
        ensure_default(store, DEFAULT_SERVICE)
        runner = web.AppRunner(make_app(store, token, Outside(mail=mail)), access_log=None)
        await runner.setup()
        context: ssl.SSLContext = server_context(directory, "127.0.0.1")
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        stop = asyncio.Event()
        started.append((asyncio.get_running_loop(), stop, runner.addresses[0][1]))
        ready.set()
        await stop.wait()
        for _ in range(100):  # the clients have gone; their TLS connections end a moment later
            if not runner.server or not runner.server.connections:
                break
            await asyncio.sleep(0.05)
        await runner.cleanup()
        store.close()
        await asyncio.sleep(0.2)

    thread = threading.Thread(target=asyncio.run, args=(run(),), daemon=True)
    thread.start()
    assert ready.wait(20), "the plane did not start"
    loop, stop, port = started[0]
    try:
        yield f"https://127.0.0.1:{port}"
    finally:
        gc.collect()  # exceptions hold responses, which hold connections
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
