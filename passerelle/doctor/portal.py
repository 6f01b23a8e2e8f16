"""The portal: its settings, its port, and the plane as it sees it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from passerelle.doctor import files, network
from passerelle.doctor.finding import Finding, good, warning, wrong
from passerelle.doctor.setup import Process
from passerelle.plane import API_VERSION
from portal.settings import SettingRefused, Settings


def examine(process: Process) -> Iterator[Finding]:
    try:
        settings = Settings.read(process.settings)
    except SettingRefused as problem:
        yield wrong(str(problem), "docs/settings.md has what it may be")
        return
    bearer = ""
    if settings.token_file is None:
        yield wrong("portal.management.token.file is not set", "name the file with the plane's admin bearer")
    else:
        yield from files.private(settings.token_file, "the admin bearer")
        if settings.token_file.is_file():
            bearer = settings.token_file.read_text(encoding="utf-8").strip()
    context = ssl.create_default_context(cafile=settings.ca) if settings.ca else None
    address = f"{settings.plane}{settings.service}?api-version={API_VERSION}"
    answer = network.get(address, {"Authorization": f"Bearer {bearer}"}, context)
    if answer.status == 0:
        yield wrong(
            f"{settings.plane} does not answer: {answer.problem}", "start the plane, or correct portal.management.url"
        )
    elif answer.status != 200:
        remedy = "portal.management.token.file and portal.service must be those of the plane"
        yield wrong(f"{settings.plane} answers {answer.status} for {settings.service}", remedy)
    if not settings.gateways:
        yield warning("pages do not know where the gateways are", "portal.gateways=https://api.example.com")
    host = network.near(settings.host)
    url = f"http://{host}:{settings.port}"
    answer = network.get(f"{url}/health", {})
    if answer.status == 200:
        yield good(f"{url} answers")
    else:
        start = f"passerelle start {process.name}" if process.log else "python -m portal"
        yield wrong(f"{url} does not answer: {answer.problem or answer.status}", f"start it: {start}")
