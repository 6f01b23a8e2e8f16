"""The sync agent: its settings, its token, the plane as it sees it, its backup's volume, its socket, its own words."""

from __future__ import annotations

import datetime
import json
import os
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path

from passerelle.doctor import files, network
from passerelle.doctor.finding import Finding, good, warning, wrong
from passerelle.doctor.setup import Process
from syncagent.credential import PREFIX, Credential
from syncagent.settings import Settings, SettingsError

MOST_SKEW = 30.0  # seconds
STALE = 3  # polls without a word of the plane
RENEW = "passerelle token --gateway NAME --out FILE, at the plane; the file is read again while the agent runs"


def examine(process: Process) -> Iterator[Finding]:
    try:
        settings = Settings.read(process.settings)
    except SettingsError as problems:
        for problem in problems.problems:
            yield wrong(problem, "docs/settings.md has what it may be")
        return
    if settings.directory is None:
        yield from _plane(settings)
    elif not settings.directory.is_dir():
        yield wrong(f"config.directory.path {settings.directory} is no directory", "mount or make the folder")
    if settings.backup_path is None:
        remedy = "set config.backup.path to a volume: without one, an agent cannot start while its plane is away"
        yield warning("there is no backup", remedy)
    else:
        yield from files.writable(settings.backup_path, "the backup's directory")
        if settings.backup_key_file is not None and settings.backup_key_file.exists():
            yield from files.private(settings.backup_key_file, "the backup's key")
    if settings.listen.startswith("unix:"):
        yield from _socket(Path(settings.listen.removeprefix("unix:")))
    elif settings.sync_token_file is not None:
        yield from files.private(settings.sync_token_file, "the token that sidecars show")
    if (tls := settings.sync_tls) is not None:
        yield from files.channel(tls.certificate, tls.key, tls.ca)
    yield from _itself(settings, process)


def _plane(settings: Settings) -> Iterator[Finding]:
    credential = Credential(settings.token, settings.token_file)
    if not credential.token:
        yield wrong("it has no gateway token", RENEW)
        return
    if settings.token_file is not None:
        yield from files.private(settings.token_file, "the gateway token")
    expires, now = credential.expires, datetime.datetime.now(datetime.UTC)
    if expires is not None and expires < now:
        yield wrong(f"the gateway token expired on {expires:%Y-%m-%d %H:%M} UTC", RENEW)
    elif expires is not None and expires - now < datetime.timedelta(days=7):
        yield warning(f"the gateway token expires on {expires:%Y-%m-%d %H:%M} UTC", RENEW)
    name = credential.gateway_id
    if settings.gateway_name and name and settings.gateway_name.lower() != name.lower():
        yield wrong(f"the token is of gateway {name}, and gateway.name is {settings.gateway_name}", "make them equal")
    if settings.ca_file is not None:
        yield from files.certificate(settings.ca_file, "the plane's authority")
    if not settings.verify_certificate:
        yield warning("the plane's certificate is not verified", "name its authority: config.service.endpoint.ca")
    yield from _asked(settings, credential)


def _asked(settings: Settings, credential: Credential) -> Iterator[Finding]:
    """The plane's answer to this token; of a configuration only the beginning is read."""
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError):
        return  # told above
    if not settings.verify_certificate:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    gateway = settings.gateway_name or credential.gateway_id
    url = f"{settings.endpoint.rstrip('/')}/gateways/{gateway}/events"
    answer = network.get(url, {"Authorization": f"{PREFIX}{credential.token}"}, context)
    match answer.status:
        case 0:
            remedy = "serving goes on; look at the address, the name service, and rules for outbound connections"
            if "certificate" in answer.problem:
                remedy = "config.service.endpoint.ca must name the authority that signed it"
            yield wrong(f"{settings.endpoint} does not answer: {answer.problem}", remedy)
        case 200:
            yield good(f"{settings.endpoint} answers, and takes the token of gateway {gateway}")
        case 401 | 403:
            yield wrong(f"{settings.endpoint} refuses the token of gateway {gateway}", RENEW)
        case 404:
            remedy = "make the gateway at the plane, or correct config.service.endpoint (.../configuration/SERVICE)"
            yield wrong(f"{settings.endpoint} has no gateway {gateway}", remedy)
        case status:
            yield wrong(f"{settings.endpoint} answers {status}", "the plane's log says why; serving goes on")
    if abs(answer.skew) > MOST_SKEW:
        remedy = "set both clocks by NTP: tokens and JWTs are judged by the clock"
        yield warning(f"the plane's clock is {answer.skew:+.0f} s away from this one", remedy)


def _socket(path: Path) -> Iterator[Finding]:
    folder = path.parent
    try:
        status = folder.stat()
    except OSError:
        yield wrong(f"the socket's directory {folder} is not there", "start the agent, which makes it")
        return
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
        remedy = "it must belong to the agent's user with mode 0700; the agent refuses to start otherwise"
        yield wrong(f"others may enter the socket's directory {folder} ({stat.filemode(status.st_mode)})", remedy)
    elif problem := network.reach_socket(path):
        yield wrong(f"sidecars cannot connect to {path}: {problem}", "start the agent")
    else:
        yield good(f"sidecars can connect to {path}")


def _itself(settings: Settings, process: Process) -> Iterator[Finding]:
    """What /ready says."""
    host = network.near(settings.health_host)
    url = f"http://{host}:{settings.health_port}/ready"
    answer = network.get(url, {})
    if answer.status == 0:
        remedy = f"passerelle start {process.name}" if process.log else "python -m syncagent"
        yield wrong(f"{url} does not answer: {answer.problem}", f"start it: {remedy}")
        return
    try:
        facts = json.loads(answer.body)
    except ValueError:
        yield wrong(f"{url} is answered by something else", "another program has this port: health.http.port")
        return
    if not facts.get("ready"):
        yield wrong(f"it has no configuration: {facts.get('lastError') or 'none came yet'}", "mend what is above")
    else:
        what = f"version {facts.get('cursor')} from the {facts.get('source')}"
        yield good(f"it serves {what} to {facts.get('sidecars')} sidecars")
        if (facts.get("age") or 0.0) > STALE * settings.poll_interval + settings.timeout:
            problem = facts.get("lastError") or "the plane is away"
            yield warning(f"its version was confirmed {facts['age']:.0f} s ago: {problem}", "serving goes on meanwhile")
    for code, message in (facts.get("issues") or {}).items():
        yield warning(f"{code}: {message}", "the message says what to do; it ends by itself when the cause does")
