"""What a peer is, and the job that all peers get.

The full job: 401 without the subscription key, at most 10^9 calls a minute per key, a token verified (RS256), three
headers set (two towards the backend, one towards the client), one line of access log a request. What a peer cannot do
of it stands in `lacks`, so that a reader can judge the row.
"""

from __future__ import annotations

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
    """Where a peer listens, what it forwards to, and where its files go. `full`: the full job, else plain proxying."""

    full: bool
    port: int
    backend: int
    directory: Path
    issuer: Issuer
    key: str = KEY

    def write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.write_text(text)
        return path


@dataclass(frozen=True)
class Peer:
    """`launch` writes the configuration and answers the command line; `install` says how to get it.

    `cost` divides the number of requests of a round, for those that would take minutes. `lacks` is None for a peer
    without a full job."""

    name: str
    program: Callable[[], str | None]
    install: str
    launch: Callable[[Job], list[str]]
    lacks: str | None = None
    cost: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)


def on_path(name: str) -> Callable[[], str | None]:
    """The program, wherever Debian puts it."""
    return lambda: shutil.which(name, path="/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin")
