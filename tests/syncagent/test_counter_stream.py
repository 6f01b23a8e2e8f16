"""Rate-limit counts between real sidecar threads through a real agent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from proxy.sync import SyncThread
from tests.syncagent.house import Agent, eventually
from tests.syncagent.plane import FakePlane

pytestmark = pytest.mark.e2e


class Counts:
    """Counters as the sidecar has them: what was counted here, what others said."""

    stir: Callable[[], None] | None = None

    def __init__(self) -> None:
        self.parted: list[int] = []
        self._lock = threading.Lock()
        self._here: list[tuple[str, int, int, int]] = []
        self.others: dict[tuple[str, int, int], int] = {}

    def count(self, key: str, slice_ms: int, slot: int, increment: int) -> None:
        with self._lock:
            self._here.append((key, slice_ms, slot, increment))

    def drain(self) -> list[tuple[str, int, int, int]]:
        with self._lock:
            drained, self._here = self._here, []
        return drained

    def align(self, told: float, first: bool) -> None:
        assert abs(told - time.time()) < 60

    def part(self, groups: int) -> None:
        self.parted.append(groups)

    def merge(self, key: str, slice_ms: int, slot: int, increment: int) -> None:
        self.others[key, slice_ms, slot] = self.others.get((key, slice_ms, slot), 0) + increment


async def test_counts_reach_the_others_and_survive_an_agent(plane: FakePlane, new_agent: Callable[..., Agent]) -> None:
    agent = new_agent().start()
    await agent.until_ready()
    counts = [Counts(), Counts(), Counts()]
    threads = [
        SyncThread(agent.listen, f"s{n}", "0", "", lambda *_: [], lambda: (0, 0, 0.0), each)
        for n, each in enumerate(counts)
    ]
    for thread in threads:
        thread.start()
    try:
        await eventually(lambda: agent.text().count("[SidecarConnected]") == 3)
        for slot in range(5_000):
            counts[0].count("limit-a", 1000, slot, 2)
        counts[1].count("limit-a", 1000, 1, 5)
        # made of what a client sent: neither ends the stream
        counts[1].count("x" * 5_000_000, 1000, 1, 5)
        counts[2].count("\udcff", 1000, 1, 5)
        await eventually(lambda: len(counts[2].others) == 5_000 and counts[2].others["limit-a", 1000, 1] == 7)
        await eventually(lambda: counts[0].others == {("limit-a", 1000, 1): 5, ("?", 1000, 1): 5})
        await eventually(lambda: ("limit-a", 1000, 1) in counts[1].others)
        await eventually(lambda: all(each.stir is not None for each in counts))
        agent.kill()
        await eventually(lambda: all(each.parted[-1] > 1 and each.stir is None for each in counts))
        agent.start()
        await agent.until_ready()
        await eventually(lambda: agent.text().count("[SidecarConnected]") == 6)

        def arrived() -> bool:
            counts[0].count("limit-b", 1000, 9, 1)
            return ("limit-b", 1000, 9) in counts[1].others

        await eventually(arrived)
        assert all(each.parted[-1] == 0 for each in counts)
        assert agent.terminate() == 0
        assert "Traceback" not in agent.text()
    finally:
        for thread in threads:
            thread.stop()
