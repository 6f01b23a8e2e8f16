"""aiohttp's server and client the obvious way; the program is `bare_aiohttp`."""

from __future__ import annotations

import sys

from benchmarks.peers.peer import Job, Peer


def launch(job: Job) -> list[str]:
    return [sys.executable, "-m", "benchmarks.peers.bare_aiohttp", str(job.port), f"http://127.0.0.1:{job.backend}"]


peer = Peer("obvious aiohttp", lambda: sys.executable, "", launch)
