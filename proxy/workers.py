"""`proxy.workers` above 1: this process only watches; its children, of the same command line, share the port.

Rules
1. A child that dies is replaced, at most once per second each, and the log says how it died.
2. SIGTERM and SIGINT are passed on; the parent ends when its children did. A second signal ends them at once.
3. Children end with their parent (Linux: parent-death signal), so nothing is left behind by a SIGKILL.
4. A child that ends with exit code 1 (a setting or the port is wrong) is not replaced: the same would happen again.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping

MARKER = "PASSERELLE_PROXY_WORKER"  # set in children: "number/pid of the parent", numbers from 0
HOPELESS = 1
_PR_SET_PDEATHSIG = 1

log = logging.getLogger("proxy.workers")


def worker_number(environment: Mapping[str, str]) -> int | None:
    """Which worker this process is; None for the parent and for a process that works alone."""
    number = environment.get(MARKER, "").partition("/")[0]
    return int(number) if number.isdigit() else None


def end_with_parent(environment: Mapping[str, str]) -> None:
    """Ask the kernel for SIGTERM when the parent dies (Linux), and end now if it already did."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if str(os.getppid()) != environment.get(MARKER, "").partition("/")[2]:
        raise SystemExit(0)


def supervise(count: int, environment: Mapping[str, str]) -> int:
    """Run `count` workers until a signal asks for the end; returns the exit code."""
    ending = 0
    children: dict[int, subprocess.Popen[bytes]] = {}
    born: dict[int, float] = {}
    result = 0

    def stop(number: int, _frame: object) -> None:
        nonlocal ending
        ending += 1
        for child in children.values():
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    while True:
        for number in range(count):
            child = children.get(number)
            if child is not None:
                code = child.poll()
                if code is None:
                    continue
                if not ending:
                    if code == HOPELESS:
                        result, ending = HOPELESS, 1
                        stop(0, None)
                        continue
                    log.error("worker %d ended with %d and is replaced", number, code, extra={"event": "WorkerEnded"})
            if ending or time.monotonic() - born.get(number, -1.0) < 1:
                continue
            born[number] = time.monotonic()
            children[number] = subprocess.Popen(  # noqa: S603 (our own command line)
                [sys.executable, "-m", "proxy", *sys.argv[1:]],
                env={**environment, MARKER: f"{number}/{os.getpid()}"},
            )
            if ending:  # the signal came while this one was being born
                children[number].send_signal(signal.SIGTERM)
        if ending and all(child.poll() is not None for child in children.values()):
            # A worker that SIGTERM met before it could handle it ended as it was asked to.
            codes = {child.returncode for child in children.values()} - {0, -signal.SIGTERM}
            return result or (HOPELESS if codes else 0)
        time.sleep(0.1)


def free_port(host: str) -> int:
    """A port that is free now, for workers that must agree on one when the setting is 0."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
