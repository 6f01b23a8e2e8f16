"""Traces that wait for the plane: bounded, in order, and the newest stay."""

from __future__ import annotations

import asyncio

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
