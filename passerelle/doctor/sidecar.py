"""A proxy sidecar: its settings, its port, its agent, its certificates, and what it sends telemetry to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from passerelle.doctor import files, network
from passerelle.doctor.finding import Finding, good, warning, wrong
from passerelle.doctor.setup import Process
from proxy.settings import SettingError, Settings
from telemetry import settings as telemetry

STATUS = "/status-0123456789abcdef"


def examine(process: Process) -> Iterator[Finding]:
    try:
        settings = Settings.read(process.settings)
    except SettingError as problem:
        yield wrong(str(problem), "docs/settings.md has what it may be")
        return
    yield from _agent(settings)
    yield from _port(settings, process)
    for name in _listed(process.settings, "net.server.https.certificate.file"):
        yield from files.certificate(Path(name), "its certificate")
    for name in _listed(process.settings, "net.server.https.key.file"):
        yield from files.private(Path(name), "its private key")
    yield from _telemetry(process.settings)
    yield from _cache(process.settings)


def _listed(values: Mapping[str, str], name: str) -> list[str]:
    return [each.strip() for each in values.get(name, "").split(",") if each.strip()]


def _agent(settings: Settings) -> Iterator[Finding]:
    address = settings.sync_endpoint
    if address.startswith("unix:"):
        problem = network.reach_socket(Path(address.removeprefix("unix:")))
    else:
        host, _, port = address.rpartition(":")
        problem = network.reach(host.strip("[]"), int(port)) if port.isdecimal() else "it is no host:port"
        if settings.sync_token_file:
            yield from files.private(Path(settings.sync_token_file), "the token that it shows to its agent")
    if (tls := settings.sync_tls) is not None:
        yield from files.channel(tls.certificate, tls.key, tls.ca)
    if problem:
        yield wrong(f"its agent at {address} does not answer: {problem}", "start the agent; what is held is served on")
    else:
        yield good(f"its agent at {address} answers")


def _port(settings: Settings, process: Process) -> Iterator[Finding]:
    host = network.near(settings.host)
    url = f"http://{host}:{settings.port}"
    answer = network.get(f"{url}{STATUS}", {})
    match answer.status:
        case 0:
            start = f"passerelle start {process.name}" if process.log else "python -m proxy"
            yield wrong(f"{url} does not answer: {answer.problem}", f"start it: {start}")
        case 200:
            yield good(f"{url} serves")
        case 503:
            yield wrong(f"{url} has no configuration yet", "mend its agent; every request is answered 503 until then")
        case status:
            yield wrong(f"{url} answers {status}", "another program has this port: net.server.http.port")


def _telemetry(values: Mapping[str, str]) -> Iterator[Finding]:
    spool = values.get("telemetry.spool.path", "")
    if spool and spool.lower() != "none" and Path(spool).exists():
        yield from files.writable(Path(spool), "the telemetry spool")
    try:
        collector = telemetry.collector(values)
    except ValueError as refused:
        yield wrong(str(refused), "docs/settings.md has what it may be")
        return
    if collector is None:
        return
    address = urlsplit(collector.uri)
    host, port = address.hostname or "", address.port or 0
    if problem := network.reach(host, port):
        remedy = "start it; until then telemetry waits on disk, and requests do not notice"
        yield warning(f"the collector at {host}:{port} cannot be reached: {problem}", remedy)
    else:
        yield good(f"the collector at {host}:{port} can be reached")


def _cache(values: Mapping[str, str]) -> Iterator[Finding]:
    text = values.get("policy.cache.external.connection", "")
    if file := values.get("policy.cache.external.connection.file", ""):
        try:
            text = Path(file).read_text(encoding="utf-8").strip()
        except OSError as problem:
            yield wrong(f"policy.cache.external.connection.file {file} cannot be read: {problem.strerror}", "mount it")
            return
    if not text:
        return
    address = urlsplit(text if "://" in text else f"redis://{text.split(',', 1)[0]}")
    try:
        host, port = address.hostname or "", address.port or 6379
    except ValueError:
        yield wrong(
            "policy.cache.external.connection is no address", "it is redis://host:port, or host:port,password=..."
        )
        return
    if unreachable := network.reach(host, port):
        remedy = "start it; until then the cache finds nothing, and requests go on"
        yield warning(f"the external cache at {host}:{port} cannot be reached: {unreachable}", remedy)
    else:
        yield good(f"the external cache at {host}:{port} can be reached")
