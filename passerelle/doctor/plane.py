"""The management plane: its settings, its store's volume, its certificate, its answer, and what gateways tell it."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from pathlib import Path

from management.settings import Settings, SettingWrong, read
from passerelle.commands.gateways import problems
from passerelle.doctor import files, network
from passerelle.doctor.finding import Finding, good, warning, wrong
from passerelle.doctor.setup import Process
from passerelle.plane import API_VERSION


def examine(process: Process) -> Iterator[Finding]:
    try:
        settings = read(process.settings)
    except SettingWrong as problem:
        yield wrong(str(problem), "correct the setting")
        return
    yield from files.writable(settings.data, "its directory")
    yield from files.private(settings.token_file, "the admin bearer")
    if (settings.data / "server.pem").exists():
        yield from files.certificate(settings.data / "server.pem", "its certificate")
    url = f"http://{settings.http_host}:{settings.http_port}"
    bearer = _text(settings.token_file)
    answer = network.get(f"{url}{settings.service}?api-version={API_VERSION}", {"Authorization": f"Bearer {bearer}"})
    match answer.status:
        case 0:
            yield wrong(f"{url} does not answer: {answer.problem}", _start(process))
            return
        case 401 | 403:
            yield wrong(
                f"{url} refuses the admin bearer in {settings.token_file}", "it was replaced: restart the plane"
            )
            return
        case 404:
            yield wrong(f"{url} has no service {settings.service}", "correct management.service")
            return
        case status if status >= 400:
            yield wrong(f"{url} answers {status}", f"its log says why{_log(process)}")
            return
    yield good(f"{url} answers")
    yield from _tls(settings)
    yield from _gateways(url, settings, bearer)


def _tls(settings: Settings) -> Iterator[Finding]:
    """What an agent sees that trusts the plane's own authority."""
    ca = settings.data / "ca.pem"
    if not ca.exists():
        return
    host = network.near(settings.https_host)
    url = f"https://{host}:{settings.https_port}/"
    answer = network.get(url, {}, ssl.create_default_context(cafile=ca))
    if answer.status == 0:
        yield wrong(f"{url} cannot be used by agents: {answer.problem}", f"they trust {ca}: give them this file")
    else:
        yield good(f"{url} can be used by agents that trust {ca}")


def _gateways(url: str, settings: Settings, bearer: str) -> Iterator[Finding]:
    head = {"Authorization": f"Bearer {bearer}"}
    root = f"{url}{settings.service}/gateways"
    listed = _values(network.get(f"{root}?api-version={API_VERSION}", head, most=10_000_000))
    for each in listed:
        path = f"{root}/{each['name']}/instances?api-version={API_VERSION}"
        told = {"instances": _values(network.get(path, head, most=10_000_000))}
        for problem in problems(told):
            yield warning(f"gateway {each['name']}: {problem}", "passerelle gateways says more")
        if not told["instances"]:
            remedy = f"passerelle token --gateway {each['name']} --out gateway.token, and give it to an agent"
            yield warning(f"gateway {each['name']} was never heard of", remedy)


def _values(answer: network.Answer) -> list[dict[str, object]]:
    try:
        return list(json.loads(answer.body)["value"])
    except (ValueError, KeyError, TypeError):
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _start(process: Process) -> str:
    return f"start it: passerelle start {process.name}" if process.log else "start it: python -m management"


def _log(process: Process) -> str:
    return f": {process.log}" if process.log else ""
