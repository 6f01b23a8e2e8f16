"""`python -m syncagent`: wiring. Settings from the environment; SIGTERM and SIGINT end it cleanly.

Exit codes: 0 ended by a signal, 2 the settings or the addresses cannot be used (the log says which and why).
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys

from syncagent.agent import Agent
from syncagent.backup import Backup
from syncagent.backup_keys import read_keys
from syncagent.credential import Credential
from syncagent.hub import Hub
from syncagent.log import Log
from syncagent.quota_journal import QuotaJournal
from syncagent.settings import Settings, SettingsError

SOURCE = "SyncAgent"
ALL_APIS = "directory"  # the gateway of a folder's that no gateway.name tells apart


def main() -> int:
    try:
        settings = Settings.read(os.environ)
    except SettingsError as error:
        log = Log("text", "info", False, SOURCE)
        for problem in error.problems:
            log.error("SettingsInvalid", problem)
        log.close()
        return 2
    log = Log(settings.log_format, settings.log_level, settings.log_color, SOURCE)
    try:
        return _run(settings, log)
    finally:
        log.close()


def _run(settings: Settings, log: Log) -> int:
    credential = Credential(settings.token, settings.token_file)
    gateway_id = settings.gateway_name or credential.gateway_id or (ALL_APIS if settings.directory else "")
    if not gateway_id:
        log.error(
            "SettingsInvalid",
            "the gateway is not known: the token cannot be read or has no gateway in it; set gateway.name or the token",
        )
        return 2
    hub = Hub()
    backup = _backup(settings, gateway_id, log)
    journal = None
    if backup is not None and settings.backup_path is not None:
        journal = QuotaJournal(settings.backup_path, gateway_id, backup)
    agent = Agent(settings, credential, backup, hub, log, _software_version, journal)
    agent.restore()
    # What was restored lives as long as the process: keep the collector from walking it again and again.
    gc.freeze()
    return asyncio.run(_serve(settings, credential, gateway_id, agent, hub, log))


def _backup(settings: Settings, gateway_id: str, log: Log) -> Backup | None:
    if settings.backup_path is None:
        return None
    if settings.backup_key_file is not None and settings.backup_key_file.parent == settings.backup_path:
        log.info("LocalBackupKey", "the key lies beside the backup; config.backup.key.file can keep them apart")
    return Backup(
        settings.backup_path,
        gateway_id,
        lambda: read_keys(
            settings.backup_key, settings.backup_key_file, settings.former_keys, settings.former_keys_file
        ),
    )


async def _serve(settings: Settings, credential: Credential, gateway_id: str, agent: Agent, hub: Hub, log: Log) -> int:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    # Imported in the order of need: sidecars are served before the libraries for the plane are loaded.
    from syncagent.address import AddressError
    from syncagent.server import Server

    server = Server(settings.listen, settings.sync_token_file, hub, log, settings.sync_tls)
    try:
        await server.start()
    except (AddressError, OSError) as error:
        log.error("ListenFailed", str(error))
        return 2
    agent.channel_problem = server.problem
    log.info("AgentServing", f"gateway {gateway_id} on {settings.listen}", processId=os.getpid())

    # In a thread: the loop hands out the restored configuration meanwhile.
    await asyncio.to_thread(_load_libraries)
    from syncagent.directory import Directory
    from syncagent.health import Health
    from syncagent.plane import Plane

    health = Health(settings.health_host, settings.health_port, agent.facts)
    try:
        await health.start()
        source = Directory(settings, log) if settings.directory else Plane(settings, credential, gateway_id)
        async with source as plane:
            running = asyncio.create_task(agent.run(plane, server.wake))
            waiting = asyncio.create_task(ended.wait())
            await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
            running.cancel()
            waiting.cancel()
            await asyncio.gather(running, waiting, return_exceptions=True)
            await agent.tell_last_counters(plane)
            if not running.cancelled():
                running.result()
    except OSError as error:
        log.error("StartFailed", f"{error}; check health.http.host and health.http.port")
        return 2
    finally:
        await server.stop()
        await health.stop()
        await agent.close()
    log.info("AgentStopped", "ended by a signal")
    return 0


def _load_libraries() -> None:
    import syncagent.health
    import syncagent.plane  # noqa: F401


def _software_version() -> str:
    from importlib import metadata

    try:
        return metadata.version("passerelle")
    except metadata.PackageNotFoundError:
        return "0"


if __name__ == "__main__":
    sys.exit(main())
