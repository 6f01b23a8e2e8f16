"""Figures, printed and not asserted (run with `-s`): how long an agent takes from its start to serving a backup.

`PASSERELLE_FIGURES=1000,10000` names the numbers of APIs; each has five operations and a policy of about 500 bytes.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Callable

import pytest

from syncagent.backup import Backup
from syncagent.backup_keys import read_keys
from syncagent.snapshot import Resource, Snapshot, apply
from tests.syncagent.house import Agent, FakeSidecar
from tests.syncagent.plane import FakePlane, canonical

pytestmark = pytest.mark.e2e
SIZES = [int(size) for size in os.environ.get("PASSERELLE_FIGURES", "1400").split(",")]


def configuration(apis: int) -> Snapshot:
    content: dict[str, object] = {"/": {"id": "s", "name": "passerelle"}}
    for number in range(apis):
        api = f"/apis/api-{number:05}"
        content[api] = {
            "displayName": f"Api {number}",
            "path": f"p/{number}",
            "protocols": ["https"],
            "serviceUrl": f"http://backend-{number}.example/api",
            "subscriptionRequired": True,
        }
        for each in range(5):
            content[f"{api}/operations/op-{each}"] = {
                "displayName": f"Operation {each}",
                "method": "GET",
                "urlTemplate": f"/items/{each}/{{id}}",
                "templateParameters": [{"name": "id", "required": True, "type": "string"}],
            }
        unique = hashlib.sha512(api.encode()).hexdigest() * 2
        value = f'<policies><inbound><base /><set-header name="x-{number}" exists-action="override"><value>{unique}'
        value += "</value></set-header></inbound><backend><base /></backend><outbound><base /></outbound></policies>"
        content[f"{api}/policies/policy"] = {"format": "rawxml", "value": f"{value:<470}"}
    bodies = ((id, canonical(body)) for id, body in content.items())
    return apply(None, [Resource(id, hashlib.sha256(body).digest(), body) for id, body in bodies], "d1", 1)


def memory(process_id: int) -> float:
    """Resident MiB."""
    with open(f"/proc/{process_id}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def until(check: Callable[[], bool]) -> None:
    """Looks often: these waits are the figures."""
    for _ in range(10_000):
        if check():
            return
        await asyncio.sleep(0.002)
    raise AssertionError("it never came")


@pytest.mark.parametrize("apis", SIZES)
async def test_from_start_to_serving_the_backup(
    apis: int, plane: FakePlane, new_agent: Callable[..., Agent], sidecars: Callable[[], FakeSidecar]
) -> None:
    agent = new_agent()
    held = configuration(apis)
    keys = read_keys("", agent.backup / "backup.key")
    writer = Backup(agent.backup, "gw1", keys)
    began = time.perf_counter()
    writer.save(held)
    save_ms = (time.perf_counter() - began) * 1000
    writer.close()
    reader = Backup(agent.backup, "gw1", keys)
    began = time.perf_counter()
    assert reader.restore().snapshot is not None
    restore_ms = (time.perf_counter() - began) * 1000
    await plane.stop()
    sidecar = sidecars().connect(agent.listen)
    began = time.perf_counter()
    agent.start()
    path = agent.listen.removeprefix("unix:")
    await until(lambda: os.access(path, os.F_OK))
    serving_ms = (time.perf_counter() - began) * 1000
    await until(lambda: bool(sidecar.applied))
    applied_ms = (time.perf_counter() - began) * 1000
    await agent.until_ready()
    assert len(sidecar.resources) == len(held.resources)
    assert agent.process is not None
    size = sum(len(resource.body) for resource in held.resources.values()) / 2**20
    print(
        f"\n{apis} APIs, {len(held.resources)} resources, {size:.1f} MiB: save {save_ms:.0f} ms, "
        f"file {(agent.backup / 'current').stat().st_size / 2**20:.1f} MiB, restore {restore_ms:.0f} ms; "
        f"process start to serving {serving_ms:.0f} ms, to a sidecar that holds it {applied_ms:.0f} ms; "
        f"agent {memory(agent.process.pid):.0f} MiB resident"
    )
