"""`python -m management`: the management plane as a process. Ends with SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import os
import secrets
import signal
import ssl
import sys
from pathlib import Path

from aiohttp import web

from management import figures, quotas, settings
from management.app import make_app
from management.authority import renew, server_context
from management.provision import ensure_default
from management.settings import Settings, SettingWrong
from management.store import Store, StoreUnusable
from management.vault import Vault, VaultBroken, read_or_make
from telemetry.log import configure
from telemetry.memory import give_back_forever

DRAIN_SECONDS = 5.0
TRIM_SECONDS = 3600.0
RENEW_SECONDS = 6 * 3600.0

log = logging.getLogger("management")


class CannotStart(Exception):
    """One line that says what is in the way."""


async def serve(given: Settings) -> None:
    """Run until a signal comes. Raises CannotStart, StoreUnusable, VaultBroken."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    given.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    token = read_or_make(given.token_file, lambda: secrets.token_urlsafe(32).encode()).decode().strip()
    if not token:
        raise CannotStart(f"{given.token_file} is empty: remove it and a new token is made, or write one into it.")
    store = Store.open(given.store_url, Vault.open(given.data / "store.key"))
    store.strict = given.strict
    try:
        if ensure_default(store, given.service):
            log.info("made the service %s", given.service)
        chores = [asyncio.create_task(trim_forever(store)), asyncio.create_task(give_back_forever())]
        runner = web.AppRunner(make_app(store, token, given.outside), access_log=None, shutdown_timeout=DRAIN_SECONDS)
        await runner.setup()
        try:
            context = await asyncio.to_thread(server_context, given.data, given.https_host)
            chores.append(asyncio.create_task(renew_forever(context, given.data, given.https_host)))
            await _listen(runner, "management.http.port", given.http_host, given.http_port, None)
            await _listen(runner, "management.https.port", given.https_host, given.https_port, context)
            log.info("ready on http://%s:%d", given.http_host, given.http_port)
            log.info("ready on https://%s:%d, trust %s", given.https_host, given.https_port, given.data / "ca.pem")
            gc.collect()
            gc.freeze()  # what is there for good is not looked through again and again while somebody waits
            await stop.wait()
            log.info("ending")
        finally:
            for chore in chores:
                chore.cancel()
            await asyncio.gather(*chores, return_exceptions=True)
            await runner.cleanup()
    finally:
        store.close()


async def trim_forever(store: Store, interval: float = TRIM_SECONDS) -> None:
    """Keep the log of changes, and what gateways counted, within their bounds, however long the process lives."""

    def trim() -> None:
        with store.writing() as connection:
            figures.trim(connection)
            quotas.trim(connection)

    while True:
        try:
            while await store.write(store.trim_log):
                pass  # a part at a time; who waits to write comes between
            await store.write(trim)
        except Exception:
            log.exception("the log of changes or the figures could not be trimmed; the next try is in %g s", interval)
        await asyncio.sleep(interval)


async def renew_forever(context: ssl.SSLContext, directory: Path, host: str, interval: float = RENEW_SECONDS) -> None:
    """The process may live for longer than its certificate. Not in another thread: no handshake finds it half done."""
    while True:
        await asyncio.sleep(interval)
        try:
            renew(context, directory, host)
        except (OSError, ValueError):
            log.exception("the certificate could not be renewed; the next try is in %g s", interval)


async def _listen(runner: web.AppRunner, setting: str, host: str, port: int, context: ssl.SSLContext | None) -> None:
    try:
        await web.TCPSite(runner, host, port, ssl_context=context).start()
    except OSError as error:
        why = "is in use by another process" if error.errno == errno.EADDRINUSE else f"cannot be had: {error.strerror}"
        raise CannotStart(f"port {port} on {host} {why}; set {setting} to another one.") from None


def main() -> int:
    try:
        given = settings.read(os.environ)
        try:
            configure(os.environ, "management")
        except ValueError as wrong:
            raise SettingWrong(f"{wrong}.") from None
        asyncio.run(serve(given))
    except (SettingWrong, CannotStart, StoreUnusable, VaultBroken) as error:
        print(f"management: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"management: {error.filename or 'start'}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
