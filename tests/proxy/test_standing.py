"""Which revision a sidecar says it serves: that of its agent, as soon as it holds what the agent holds."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from proxy.app import Configuration


class Journal:
    def __init__(self) -> None:
        self.told: list[tuple[int, int, float]] = []

    def stand(self, *told: Any) -> None:
        self.told.append(told)


async def test_who_holds_what_the_agent_holds_is_where_the_agent_is() -> None:
    journal: Any = Journal()
    sidecar: Any = SimpleNamespace()
    held = Configuration(asyncio.get_running_loop(), sidecar, journal, dataset="d", version=5)
    held._tell_standing()  # no word of the agent yet
    held.stand("d", 5, 100.0, 5)
    held.stand("d", 5, 110.0, 9)  # four revisions that change nothing for this gateway
    held.stand("d", 11, 120.0, 11)  # two that do, and are not here yet
    held.stand("other", 1, 130.0, 1)  # of a plane that is a new one
    await asyncio.sleep(0.01)
    assert journal.told == [(5, 5, 0.0), (5, 5, 100.0), (9, 9, 110.0), (5, 11, 120.0)]
