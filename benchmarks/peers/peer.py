"""What a peer is, and the jobs that all peers get.

Plain proxying is that and no more: no log, no other telemetry. The full job: 401 without the subscription key, at most
10^9 calls a minute per key, a token verified (RS256), three headers set (two towards the backend, one towards the
client), one line of access log a request. What a peer cannot do of it stands in `lacks`, so that a reader can judge the
row.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.configuration import KEY
from benchmarks.issuer import Issuer

KEY_HEADER = "Ocp-Apim-Subscription-Key"
PATH = "/item"


@dataclass(frozen=True)
class Job:
    """Where a peer listens, what it forwards to, and where its files go. `full`: the full job, else plain proxying.

    `collector` is a port that takes OTLP over HTTP. `written` are the configuration files of the peer, once launched.
    """

    full: bool
    port: int
    backend: int
    directory: Path
    issuer: Issuer
    key: str = KEY
    collector: int = 0
    written: list[Path] = field(default_factory=list)

    def write(self, name: str, text: str, folder: Path | None = None) -> Path:
        path = (folder or self.directory) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self.written.append(path)
        return path

    def shown(self, text: str) -> str:
        """A text with what differs from run to run replaced by its name, to be published."""
        text = text.replace(str(self.directory), "DIRECTORY").replace(str(Path.cwd()), ".")
        text = re.sub(rf"\b{self.port}\b", "PORT", text)
        text = re.sub(rf"\b{self.backend}\b", "BACKEND", text)
        if self.collector:
            text = re.sub(rf"\b{self.collector}\b", "COLLECTOR", text)
        return text.replace(self.issuer.public_pem.strip(), "PUBLIC KEY").replace(self.issuer.modulus, "MODULUS")


@dataclass(frozen=True)
class Peer:
    """`launch` writes the configuration and answers the command line; `install` says how to get it.

    `cost` divides the number of requests of a round, for those that would take minutes. `lacks` is None for a peer
    without a full job; `plain` is False for one that has nothing else."""

    name: str
    program: Callable[[], str | None]
    install: str
    launch: Callable[[Job], list[str]]
    lacks: str | None = None
    cost: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    plain: bool = True


def on_path(name: str) -> Callable[[], str | None]:
    """The program, wherever Debian puts it."""
    return lambda: shutil.which(name, path="/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin")
