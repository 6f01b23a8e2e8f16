"""`python -m portal`: serves until SIGINT or SIGTERM. Exit 1 with one line when it cannot start."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import os
import signal
import ssl
import sys

from aiohttp import web

from portal.settings import SettingRefused, Settings
from portal.visits import CATALOGUES
from portal.web import application
from telemetry import log

PATIENCE = 3.0  # seconds that the first reading may take before visitors are let in

_log = logging.getLogger("portal")


async def serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    app = application(settings)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await app[CATALOGUES].ready(PATIENCE)
        gc.collect()
        gc.freeze()  # what is there for good is not looked through again and again while somebody waits
        site = web.TCPSite(runner, settings.host, settings.port, shutdown_timeout=5)
        await site.start()
        host, port = runner.addresses[0][:2]
        _log.info("The portal is at http://%s:%d; the management plane at %s.", host, port, settings.plane)
        await stop.wait()
    finally:
        await runner.cleanup()


def main() -> int:
    try:
        settings = Settings.read(os.environ)
        try:
            log.configure(os.environ, "portal")
        except ValueError as wrong:
            raise SettingRefused(str(wrong)) from None
        asyncio.run(serve(settings))
    except (SettingRefused, ssl.SSLError) as error:
        print(f"portal: {error}", file=sys.stderr)
        return 1
    except FileNotFoundError as error:
        print(f"portal: the file {error.filename or 'of portal.management.ca'} is not there", file=sys.stderr)
        return 1
    except OSError as error:
        why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        where = f"{settings.host}:{settings.port}"
        print(f"portal: {where} {why}; set portal.http.host and portal.http.port to another", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
