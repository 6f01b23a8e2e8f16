"""Traces that wait for the plane: bounded, in order, and the newest stay."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from syncagent import agent as agents
from syncagent.errors import CallFailed
from syncagent.hub import Hub
from syncagent.traces import BATCH, LARGEST, Traces


def test_the_newest_stay() -> None:
    traces = Traces(3)
    for number in range(5):
        assert traces.add(f"{number}", b"{}")
    assert [id for id, _ in traces.take()] == ["2", "3", "4"]
    assert traces.take() == []


def test_a_batch_at_a_time() -> None:
    traces = Traces()
    for number in range(BATCH + 1):
        traces.add(f"{number}", b"{}")
    assert (len(traces.take()), len(traces.take())) == (BATCH, 1)


def test_what_could_not_be_sent_waits_again_before_the_others() -> None:
    traces = Traces(3)
    for name in "ab":
        traces.add(name, b"{}")
    batch = traces.take()
    for name in "cd":
        traces.add(name, b"{}")
    traces.give_back(batch)
    assert [id for id, _ in traces.take()] == ["b", "c", "d"]
    for name in "xyz":
        traces.add(name, b"{}")
    traces.give_back(batch)
    assert [id for id, _ in traces.take()] == ["x", "y", "z"]


def test_what_is_no_trace_is_dropped() -> None:
    traces = Traces()
    assert not traces.add("", b"{}")
    assert not traces.add("a", b"\xff")
    assert not traces.add("a", b" " * (LARGEST + 1))
    assert traces.take() == []


async def test_who_waits_is_woken() -> None:
    traces = Traces()
    waiting = asyncio.create_task(traces.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    traces.add("a", b"{}")
    await asyncio.wait_for(waiting, 1)


class Failing:
    """A plane that answers as told: None takes the batch."""

    def __init__(self, *answers: CallFailed | None) -> None:
        self.answers = list(answers)
        self.taken: list[list[str]] = []

    async def traces(self, batch: list[tuple[str, str]]) -> None:
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        self.taken.append([id for id, _ in batch])


@pytest.mark.parametrize(
    ("failure", "taken"),
    [
        (CallFailed("away", answered=False), [["a", "b"]]),
        (CallFailed("no such gateway", refused=True), [["b"]]),
    ],
)
async def test_what_the_plane_does_not_take(
    failure: CallFailed, taken: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents, "TRACE_PAUSE", 0.05)
    hub, plane = Hub(), Failing(failure)
    agent = agents.Agent(_Any(), _Any(), None, hub, _Any(), lambda: "0")
    running = asyncio.create_task(agent._traces_forever(plane))  # type: ignore[arg-type]
    try:
        hub.traces.add("a", b"{}")
        await asyncio.sleep(0.02)
        hub.traces.add("b", b"{}")
        async with asyncio.timeout(2):
            while not plane.taken:  # noqa: ASYNC110 (a list knows no events)
                await asyncio.sleep(0.01)
        assert plane.taken == taken
    finally:
        running.cancel()


class _Any:
    """Stands where nothing is looked at."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None
