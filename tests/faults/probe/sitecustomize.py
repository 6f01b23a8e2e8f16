"""What a process of the house keeps, told when it is asked: Python loads this file at the start of each.

On SIGUSR2 a line of JSON goes to the file `<pid>` in PASSERELLE_PROBE: `objects` are blocks of Python's own allocator
(up to 512 bytes each), `bytes` what else is allocated, by Python and by libraries in C, both after a collection.
With PASSERELLE_PROBE_HURRY the agent rests hardly at all between two polls, saves and reports, so that hours of changes
pass in seconds.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import sys

PAUSE = 0.02  # seconds


class _Mallinfo(ctypes.Structure):
    """As `mallinfo2` of glibc 2.33 and later answers it, for all arenas; bytes."""

    _names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in _names.split()]


def _tell(*_: object) -> None:
    gc.collect()
    found = _mallinfo()
    told = {"objects": sys.getallocatedblocks(), "bytes": found.uordblks + found.hblkhd}
    with open(os.path.join(os.environ["PASSERELLE_PROBE"], str(os.getpid())), "a") as file:
        print(json.dumps(told), file=file)


def _hurry() -> None:
    os.environ["config.service.poll.interval"] = str(PAUSE)  # noqa: SIM112
    import syncagent.agent as agent

    agent.SAVE_SPACING = agent.PUBLISH_SPACING = agent.COUNTERS_INTERVAL = PAUSE
    agent.QUOTAS_SAVED_EVERY = agent.URGENT_HEARTBEAT = PAUSE


if "PASSERELLE_PROBE" in os.environ and "-m" in sys.orig_argv:
    _module = sys.orig_argv[sys.orig_argv.index("-m") + 1]
    if _module in ("management", "syncagent", "proxy", "telemetry", "portal"):
        _mallinfo = ctypes.CDLL(None).mallinfo2
        _mallinfo.restype = _Mallinfo
        signal.signal(signal.SIGUSR2, _tell)
    if _module == "syncagent" and "PASSERELLE_PROBE_HURRY" in os.environ:
        _hurry()
