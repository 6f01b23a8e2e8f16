"""Counts reach every other sidecar once, and a slow one costs bounded memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from syncagent import counters
from syncagent.counters import Relay, Slot

counts = st.lists(
    st.tuples(st.builds(Slot, st.sampled_from("ab"), st.just(1000), st.integers(0, 3)), st.integers(1, 5))
)


@given(st.lists(st.tuples(st.integers(0, 2), counts)))
def test_everyone_learns_what_the_others_counted(reports: list[tuple[int, list[tuple[Slot, int]]]]) -> None:
    relay, streams = Relay(), [object() for _ in range(3)]
    told: list[dict[Slot, int]] = [{}, {}, {}]
    counted: list[dict[Slot, int]] = [{}, {}, {}]
    for stream in streams:
        relay.join(stream)
    for index, (who, what) in enumerate(reports):
        relay.report(streams[who], what)
        for slot, increment in what:
            counted[who][slot] = counted[who].get(slot, 0) + increment
        if index % 2:
            take(relay, streams[who], told[who])
    for who, stream in enumerate(streams):
        take(relay, stream, told[who])
        others = [counted[other] for other in range(3) if other != who]
        expected: dict[Slot, int] = {}
        for other in others:
            for slot, increment in other.items():
                expected[slot] = expected.get(slot, 0) + increment
        assert told[who] == expected
        assert relay.take(stream) == {}


def take(relay: Relay, stream: object, told: dict[Slot, int]) -> None:
    for slot, increment in relay.take(stream).items():
        told[slot] = told.get(slot, 0) + increment


def test_a_slow_reader_loses_the_oldest() -> None:
    relay = Relay()
    slow, busy = object(), object()
    relay.join(slow)
    relay.join(busy)
    for start in range(0, counters.MAX_PENDING + 1_000, 1_000):
        relay.report(busy, [(Slot("k", 1, start + each), 1) for each in range(1_000)])
    pending = relay.take(slow)
    assert len(pending) == counters.MAX_PENDING
    assert Slot("k", 1, counters.MAX_PENDING + 999) in pending
    relay.leave(slow)
    relay.report(busy, [(Slot("k", 1, 1), 1)])
    assert relay.take(slow) == {}


def test_workers_that_tell_each_other_are_told_only_what_others_counted() -> None:
    relay, workers, other = Relay(), [object(), object()], object()
    for stream in workers:
        relay.join(stream, "host:8080")
    relay.join(other)
    slot = Slot("a", 1000, 1)
    relay.report(workers[0], [(slot, 2)])
    relay.report(other, [(slot, 3)])
    assert [relay.take(stream) for stream in (*workers, other)] == [{slot: 3}, {slot: 3}, {slot: 2}]
