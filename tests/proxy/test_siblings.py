"""Workers hear what the others count: all of it, once, whatever the rings did meanwhile."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator

import pytest

from proxy.adapters import siblings
from proxy.adapters.counters import LocalCounters
from proxy.adapters.siblings import Siblings, shared_memory


@pytest.fixture
def memory() -> Iterator[int]:
    descriptor = shared_memory(3)
    yield descriptor
    os.close(descriptor)


def test_a_limit_holds_across_workers(memory: int) -> None:
    counters = [LocalCounters(lambda: 1000.0, siblings=Siblings(memory, number)) for number in range(3)]
    passed = 0
    for turn in range(300):
        one = counters[turn % 3]
        if one.peek("ann", 60).count < 100:
            one.add("ann", 60)
            passed += 1
    assert passed == 100
    assert [each.peek("ann", 60).count for each in counters] == [100, 100, 100]


def test_every_count_arrives_once_and_in_order(memory: int) -> None:
    """Also long and odd keys, and when a ring has gone round many times."""
    teller, hearer = Siblings(memory, 0), Siblings(memory, 1)
    pick = random.Random(1)
    told: list[tuple[str, int, int, int]] = []
    heard: list[tuple[str, int, int, int]] = []
    for number in range(40_000):
        key = "schlüssel \udce4" * pick.randrange(9) + str(number)
        told.append((key, 1000, number, pick.randrange(1, 9)))
        teller.tell(*told[-1])
        if pick.random() < 0.01:
            heard += hearer.news()
    heard += hearer.news()
    assert heard == told
    assert list(hearer.news()) == []


def test_a_key_that_is_too_long_is_not_shared(memory: int) -> None:
    teller, hearer = Siblings(memory, 0), Siblings(memory, 1)
    teller.tell("x" * (siblings.LONGEST_KEY + 1), 1000, 1, 1)
    teller.tell("short", 1000, 1, 1)
    assert list(hearer.news()) == [("short", 1000, 1, 1)]


def test_one_that_was_away_for_too_long_hears_the_newest(memory: int) -> None:
    teller, hearer = Siblings(memory, 0), Siblings(memory, 1)
    for number in range(60_000):
        teller.tell(f"key {number}", 1000, number, 1)
    found = [slot for _, _, slot, _ in hearer.news()]
    assert 10_000 < len(found) < 60_000
    assert found == list(range(60_000 - len(found), 60_000))
    teller.tell("next", 1000, 7, 1)
    assert list(hearer.news()) == [("next", 1000, 7, 1)]


def test_a_record_that_is_not_whole_yet_is_heard_later(memory: int) -> None:
    teller, hearer = Siblings(memory, 0), Siblings(memory, 1)
    teller.tell("ann", 1000, 1, 1)
    place = siblings._START + 20
    kept = teller._map[place]
    teller._map[place] = kept ^ 1
    assert list(hearer.news()) == []
    teller._map[place] = kept
    assert list(hearer.news()) == [("ann", 1000, 1, 1)]


def test_a_worker_that_replaces_one_knows_what_was_counted(memory: int) -> None:
    for number in (0, 1):
        LocalCounters(lambda: 1000.0, siblings=Siblings(memory, number)).add("ann", 60, 5)
    again = LocalCounters(lambda: 1000.0, siblings=Siblings(memory, 0))
    assert again.peek("ann", 60).count == 10
    other = LocalCounters(lambda: 1000.0, siblings=Siblings(memory, 1))
    again.add("ann", 60)
    assert other.peek("ann", 60).count == 11


CHILD = """
import sys
from proxy.adapters.siblings import Siblings
mine = Siblings(int(sys.argv[1]), int(sys.argv[2]))
for number in range(20_000):
    mine.tell(f"key {number % 100}", 1000, 1, 1)
"""


def test_processes_that_tell_at_once(memory: int) -> None:
    hearer = Siblings(memory, 2)
    children = [
        subprocess.Popen([sys.executable, "-c", CHILD, str(memory), str(number)], pass_fds=(memory,))
        for number in range(2)
    ]
    total = 0
    while any(child.poll() is None for child in children):
        total += sum(increment for *_, increment in hearer.news())
    total += sum(increment for *_, increment in hearer.news())
    assert [child.returncode for child in children] == [0, 0]
    assert total == 40_000
