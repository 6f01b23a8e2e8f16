"""A plane, agents and sidecars that end with the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.syncagent.house import Agent, FakeSidecar
from tests.syncagent.plane import FakePlane


@pytest.fixture
async def plane() -> AsyncIterator[FakePlane]:
    plane = FakePlane()
    plane.put("/", {"id": "s", "name": "passerelle"})
    for name in ("orders", "stock", "people"):
        plane.put(f"/apis/{name}", {"path": name, "displayName": name})
        plane.put(f"/apis/{name}/policies/policy", {"format": "rawxml", "value": f"<policies>{name}</policies>"})
    await plane.start()
    yield plane
    await plane.stop()


@pytest.fixture
def new_agent(tmp_path: Path, plane: FakePlane) -> Iterator[Callable[..., Agent]]:
    """Makes agents in one directory (one volume, one socket), or in `directory` below it."""
    made: list[Agent] = []

    def make(directory: str = "", **settings: str) -> Agent:
        place = tmp_path / directory if directory else tmp_path
        place.mkdir(exist_ok=True)
        made.append(Agent(place, plane.endpoint, {key.replace("_", "."): value for key, value in settings.items()}))
        return made[-1]

    yield make
    for agent in made:
        if agent.process is not None and agent.process.poll() is None:
            agent.kill()


@pytest.fixture
def sidecars() -> Iterator[Callable[[], FakeSidecar]]:
    made: list[FakeSidecar] = []

    def make() -> FakeSidecar:
        made.append(FakeSidecar())
        return made[-1]

    yield make
    for sidecar in made:
        if sidecar.thread is not None:
            sidecar.thread.stop()
