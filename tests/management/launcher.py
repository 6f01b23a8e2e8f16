"""Starts planes quickly: a process that has loaded the program once and forks for each start. `python -m` it.

A line of JSON on its input, the environment of the plane, starts one; it answers with the process id. What a plane
writes goes to the file `log` of that environment.
"""

from __future__ import annotations

import json
import os
import pkgutil
import signal
import sys

import management.__main__
import management.importers
import management.resources
import proxy.check


def main() -> int:
    proxy.check.known_policies()
    for package in (management.importers, management.resources):
        for module in pkgutil.iter_modules(package.__path__):
            __import__(f"{package.__name__}.{module.name}")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the killed
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _become_a_plane(json.loads(line))
        print(pid, flush=True)
    return 0


def _become_a_plane(environment: dict[str, str]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(environment["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.update(environment)
    os._exit(management.__main__.main())


if __name__ == "__main__":
    sys.exit(main())
