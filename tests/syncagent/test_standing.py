"""Where the agent stands, as its sidecars hear it: what it holds, and when the plane last said so."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.syncagent.house import Agent, FakeSidecar, eventually
from tests.syncagent.plane import FakePlane

pytestmark = pytest.mark.e2e


async def test_a_sidecar_hears_what_the_agent_holds_and_since_when(
    plane: FakePlane, new_agent: Callable[..., Agent], sidecars: Callable[[], FakeSidecar]
) -> None:
    began = time.time()
    agent = new_agent()
    agent.start()
    sidecar = sidecars().connect(agent.listen)
    await agent.until_ready()
    await eventually(
        lambda: sidecar.applied and sidecar.stands and sidecar.stands[-1][1], what="where the agent stands"
    )
    dataset, version, confirmed, reached = sidecar.stands[-1]
    assert (dataset, version) == sidecar.applied[-1][:2]
    assert reached == version
    assert began <= confirmed <= time.time()
