"""Sliding windows: exact within a slice, mergeable, bounded."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.adapters.clock import steady_time
from proxy.adapters.counters import SLICES, LocalCounters
from proxy.adapters.shared_memory import LIMITS, open_memory
from proxy.adapters.siblings import Siblings
from proxy.ports import Want


class Now:
    def __init__(self) -> None:
        self.time = 1_000_000.0

    def __call__(self) -> float:
        return self.time


def test_a_window_fills_and_frees_again() -> None:
    now = Now()
    counters = LocalCounters(now)
    for expected in range(1, 6):
        assert counters.add("k", 10).count == expected
    reading = counters.peek("k", 10)
    assert reading.count == 5
    assert 9 < reading.reset_after <= 10.5
    now.time += 5
    assert counters.peek("k", 10).count == 5
    now.time += 5.6
    assert counters.peek("k", 10).count == 0
    assert counters.peek("other", 10).count == 0


def test_periods_of_one_key_are_apart_and_increments_count() -> None:
    counters = LocalCounters(Now())
    assert counters.add("k", 10, 7).count == 7
    assert counters.add("k", 60, 0).count == 0


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 3), st.integers(1, 3)), max_size=40))
def test_a_window_never_forgets_early_and_never_keeps_longer_than_a_slice_more(steps: list[tuple[float, int]]) -> None:
    now, period = Now(), 10.0
    counters = LocalCounters(now)
    calls: list[tuple[float, int]] = []
    for wait, count in steps:
        now.time += wait
        calls.append((now.time, count))
        got = counters.add("k", period, count).count
        inside = sum(n for at, n in calls if at > now.time - period + 0.001)
        longer = sum(n for at, n in calls if at >= now.time - period - 2 * period / SLICES)
        assert inside - sum(n for at, n in calls if now.time - at > period * (1 - 2 / SLICES)) <= got <= longer


def test_what_one_counts_the_other_merges() -> None:
    now = Now()
    here, there = LocalCounters(now), LocalCounters(now)
    assert here.drain() == []
    here.add("k", 10)
    here.add("k", 10, 2)
    drained = here.drain()
    assert [(key, slice_ms, count) for key, slice_ms, _, count in drained] == [("k", 83, 3)]
    assert here.drain() == []
    for each in drained:
        there.merge(*each)
    assert there.add("k", 10).count == 4
    assert there.drain() == []
    now.time += 3600
    for each in drained:
        there.merge(*each)
    assert there.peek("k", 10).count == 0


def test_keys_are_bounded_and_old_ones_go_first() -> None:
    now = Now()
    counters = LocalCounters(now, max_keys=100)
    for number in range(1000):
        counters.add(f"k{number}", 10)
    assert len(counters) == 100
    assert counters.peek("k999", 10).count == 1
    now.time += 60
    for number in range(60):
        counters.add(f"n{number}", 10)
    assert len(counters) < 100


def test_threads_lose_nothing() -> None:
    counters = LocalCounters()
    counters.drain()
    drained: list[int] = []

    def count() -> None:
        for _ in range(2000):
            counters.add("k", 300)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        drained += [each[3] for each in counters.drain()]
    drained += [each[3] for each in counters.drain()]
    assert counters.peek("k", 300).count == sum(drained) == 8000


def test_a_clock_that_is_set_back_locks_nobody_out() -> None:
    now = Now()
    counters = LocalCounters(now)
    counters.add("k", 10, 5)
    now.time -= 3600
    reading = counters.peek("k", 10)
    assert (reading.count, reading.reset_after) == (0, 0.0)
    assert counters.add("k", 10).count == 1


def test_without_the_agent_a_host_counts_the_whole_or_its_share() -> None:
    whole, shared = LocalCounters(Now(), report=True), LocalCounters(Now(), report=True, share=True)
    for each in (whole, shared):
        each.part(3)
    assert [sum(it.take("k", 10, 12).count < 12 for _ in range(30)) for it in (whole, shared)] == [12, 4]
    assert [count for *_, count in shared.drain()] == [4], "others hear of what was counted, and no more"
    shared.part(0)
    shared.add("other", 10)
    assert shared.peek("other", 10).count == 1


def test_what_is_near_a_limit_is_told_at_once() -> None:
    stirred: list[int] = []
    counters = LocalCounters(Now(), report=True)
    counters.stir = lambda: stirred.append(1)
    for _ in range(8):
        counters.take("k", 10, 8)
    assert len(stirred) == 4


def test_many_limits_count_in_all_or_in_none() -> None:
    counters = LocalCounters(Now())
    wants = [Want("a", 10, 2), Want("b", 10, 5, 1, 3)]
    for expected in ([0, 0], [1, 1], [2, 2], [2, 2]):
        assert [reading.count for reading in counters.claim(wants)] == expected


def test_setting_the_clock_moves_no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    counters = LocalCounters()
    counters.add("k", 60, 5)
    wall = time.time()
    for jump in (3600, -3600, 0):
        monkeypatch.setattr(time, "time", lambda jump=jump: wall + jump)
        reading = counters.take("k", 60, 5)
        assert reading.count == 5, "no fresh window"
        assert reading.reset_after <= 60, "nobody waits longer"


def test_processes_that_share_memory_have_one_time_whatever_the_clock_did_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall = time.time()
    first = open_memory("unix:/nowhere", tmp_path)
    one = LocalCounters(steady_time(first.offset), siblings=Siblings(first, LIMITS))
    one.add("k", 60, 5)
    monkeypatch.setattr(time, "time", lambda: wall + 3600)
    second = open_memory("unix:/nowhere", tmp_path)
    other = LocalCounters(steady_time(second.offset), siblings=Siblings(second, LIMITS))
    assert abs(first.offset - second.offset) < 1e-6
    assert other.peek("k", 60).count == 5
    for each in (first, second):
        each.close()


def test_what_is_counted_in_a_time_to_come_is_counted_now() -> None:
    """Another host's clock is ahead, and the agent tells no time."""
    now = Now()
    counters = LocalCounters(now)
    slice_ms = 500
    counters.merge("k", slice_ms, int((now.time + 600) * 1000 // slice_ms), 5)
    assert counters.peek("k", 60).count == 5
    now.time += 60.6
    assert counters.peek("k", 60).count == 0


@pytest.mark.parametrize("apart", [600.0, -600.0, 0.3])
def test_a_host_whose_clock_is_wrong_counts_with_the_others(apart: float) -> None:
    agent, wrong = Now(), Now()
    wrong.time += apart
    here, there = LocalCounters(agent, report=True), LocalCounters(wrong, report=True)
    for each in (here, there):
        each.align(agent.time, True)
        each.align(agent.time - 5, False)  # one that was long under way changes nothing
    for source, target in ((here, there), (there, here)):
        source.add("k", 60, 3)
        for count in source.drain():
            target.merge(*count)
    assert [each.peek("k", 60).count for each in (here, there)] == [6, 6]
    for now in (agent, wrong):
        now.time += 60.6
    assert [each.peek("k", 60).count for each in (here, there)] == [0, 0]
    agent.time += 3600  # another agent, whose clock is another
    there.align(agent.time, True)
    there.add("k", 60)
    for count in there.drain():
        here.merge(*count)
    assert here.peek("k", 60).count == 1
