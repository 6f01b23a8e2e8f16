"""Fixtures of the sidecar's tests; what they are made of is in sidecar_harness.py."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from sidecar_harness import Backend, Harness, ListJournal

from proxy.adapters.cache import LocalCache
from proxy.adapters.clock import SystemClock
from proxy.adapters.counters import LocalCounters
from proxy.adapters.quotas import LocalQuotas
from proxy.adapters.transport import HttpTransport
from proxy.lifecycle import Sidecar
from proxy.ports import Ports
from proxy.server import Server


@pytest.fixture
async def harness() -> AsyncIterator[Harness]:
    journal, transport = ListJournal(), HttpTransport()
    sidecar = Sidecar(
        Ports(transport, LocalCounters(), SystemClock(), journal, LocalCache(), LocalQuotas()), instance="test"
    )
    server = Server(sidecar)
    await server.listen("127.0.0.1", 0)
    try:
        yield Harness(sidecar, server, journal, transport)
    finally:
        await server.close()
        await transport.close()


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    made = Backend()
    listener = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = listener.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        listener.close()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)


@pytest.fixture
def shared() -> Path:
    """The folder of shared test data; the test is skipped where it is absent."""
    found = Path(os.environ.get("PASSERELLE_SHARED") or Path(__file__).resolve().parents[2].parent / "shared") / "data"
    if not found.is_dir():
        pytest.skip(f"no shared test data at {found}; set PASSERELLE_SHARED")
    return found
