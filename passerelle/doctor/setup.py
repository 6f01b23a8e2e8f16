"""The processes of a set-up, each with its settings: those of a `passerelle up`, or the one that an environment is for.

In a container or a unit of systemd the settings of its process are the environment, so `doctor` started there sees what
the process sees.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from passerelle.home import Home

# A setting that only one of the processes has, and that each of them is given.
MARKS = {
    "management": ("management.data", "management.http.port", "management.store.url"),
    "syncagent": ("config.service.endpoint", "config.source"),
    "proxy": ("config.sync.endpoint", "net.server.http.port", "net.server.http.host"),
    "portal": ("portal.management.url", "portal.management.token.file"),
}


@dataclass(frozen=True, slots=True)
class Process:
    """`module` is what `python -m` starts; `log` is its log file, where it has one."""

    name: str
    module: str
    settings: Mapping[str, str]
    log: Path | None = None


def of_home(home: Home) -> list[Process]:
    """What `up` started in this directory, as it wrote it down; [] when it never ran there."""
    found = []
    for file in sorted(home.run.glob("*.json")):
        try:
            launch = json.loads(file.read_text(encoding="utf-8"))
            argv, environment = launch["argv"], launch["environment"]
            module = argv[argv.index("-m") + 1]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if module in MARKS:
            found.append(Process(file.stem, module, environment, home.log(file.stem)))
    order = list(MARKS)
    return sorted(found, key=lambda each: (order.index(each.module), each.name))


def of_environment(environment: Mapping[str, str]) -> list[Process]:
    return [
        Process(module, module, environment)
        for module, names in MARKS.items()
        if any(environment.get(name) for name in names)
    ]
