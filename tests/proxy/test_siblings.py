"""Workers hear what the others count: all of it, once, whatever the rings did meanwhile."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.adapters import siblings
from proxy.adapters.counters import LocalCounters
from proxy.adapters.places import SharedPlaces
from proxy.adapters.quotas import LocalQuotas
from proxy.adapters.shared_memory import LAYOUT, LIMITS, MOST, QUOTAS, START, NotShared, SharedMemory, open_memory
from proxy.adapters.siblings import Siblings

Memory = list[SharedMemory]


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    """As three processes see it."""
    opened = [open_memory("unix:/nowhere", tmp_path) for _ in range(3)]
    yield opened
    for each in opened:
        if not each.map.closed:
            each.close()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def pair(memory: Memory) -> tuple[Siblings, Siblings]:
    """One that tells, one that hears."""
    return Siblings(memory[0], LIMITS), Siblings(memory[1], LIMITS)


def test_a_limit_holds_across_workers(memory: Memory) -> None:
    counters = [LocalCounters(lambda: 1000.0, siblings=Siblings(memory[number], LIMITS)) for number in range(3)]
    passed = sum(counters[turn % 3].take("änn \udce4", 60, 100).count < 100 for turn in range(300))
    assert passed == 100
    assert [each.peek("änn \udce4", 60).count for each in counters] == [100, 100, 100]


def test_every_record_arrives_once_and_in_order(pair: tuple[Siblings, Siblings]) -> None:
    """Also when a ring has gone round many times."""
    teller, hearer = pair
    pick = random.Random(1)
    told: list[bytes] = []
    heard: list[bytes] = []
    for number in range(40_000):
        told.append(b"%d" % number * pick.randrange(1, 40))
        teller.tell(told[-1])
        if pick.random() < 0.01:
            heard += hearer.news()
    heard += hearer.news()
    assert heard == told
    assert list(hearer.news()) == []


def test_one_that_is_too_long_is_not_shared(pair: tuple[Siblings, Siblings]) -> None:
    teller, hearer = pair
    teller.tell(b"x" * (siblings.LONGEST + 1))
    teller.tell(b"short")
    assert list(hearer.news()) == [b"short"]


def test_one_that_was_away_for_too_long_hears_the_newest(pair: tuple[Siblings, Siblings]) -> None:
    teller, hearer = pair
    for number in range(60_000):
        teller.tell(b"%032d" % number)
    found = list(map(int, hearer.news()))
    assert 10_000 < len(found) < 60_000
    assert found == list(range(60_000 - len(found), 60_000))
    teller.tell(b"next")
    assert list(hearer.news()) == [b"next"]


def test_a_record_that_is_not_whole_yet_is_heard_later(pair: tuple[Siblings, Siblings]) -> None:
    teller, hearer = pair
    teller.tell(b"ann")
    place = teller._own + START + siblings._HEAD.size
    teller._map[place] ^= 1
    assert list(hearer.news()) == []
    teller._map[place] ^= 1
    assert list(hearer.news()) == [b"ann"]


def test_a_worker_that_replaces_one_knows_what_was_counted(memory: Memory) -> None:
    def worker(number: int) -> LocalCounters:
        return LocalCounters(lambda: 1000.0, siblings=Siblings(memory[number], LIMITS))

    for number in (0, 1):
        worker(number).add("ann", 60, 5)
    again, other = worker(0), worker(1)
    assert again.peek("ann", 60).count == 10
    again.add("ann", 60)
    assert other.peek("ann", 60).count == 11


CHILD = """
import pathlib, sys
from proxy.adapters.places import SharedPlaces
from proxy.adapters.shared_memory import LAYOUT, LIMITS, MOST, QUOTAS, START, NotShared, SharedMemory, open_memory
from proxy.adapters.siblings import Siblings
mine = Siblings(open_memory("unix:/nowhere", pathlib.Path(sys.argv[1])), 0)
for number in range(20_000):
    mine.tell(b"%d" % number)
"""


def test_processes_that_tell_at_once(memory: Memory, tmp_path: Path) -> None:
    hearer = Siblings(memory[2], LIMITS)
    children = [subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)]) for _ in range(2)]
    heard: list[int] = []
    while any(child.poll() is None for child in children):
        heard += map(int, hearer.news())
    heard += map(int, hearer.news())
    assert [child.returncode for child in children] == [0, 0]
    assert sorted(heard) == [number for number in range(20_000) for _ in range(2)]


def quotas(memory: Memory, number: int) -> LocalQuotas:
    return LocalQuotas(lambda: 50.0, siblings=Siblings(memory[number], QUOTAS))


def calls(of: LocalQuotas, key: str = "ann") -> int:
    return of.usage(key, 0.0, 3600).calls


def test_a_quota_is_the_same_for_all_workers_at_once(memory: Memory) -> None:
    one, two = quotas(memory, 0), quotas(memory, 1)
    one.add("ann", 0.0, 3600, 1, 10)
    two.add("ann", 0.0, 3600, 1, 20)
    two.add("bob", 0.0, 3600, 1, 0)
    assert [calls(one), calls(two), calls(one, "bob")] == [2, 2, 1]
    assert one.usage("ann", 0.0, 3600).bytes == 30


def test_each_worker_reports_only_what_it_counted(memory: Memory) -> None:
    one, two = quotas(memory, 0), quotas(memory, 1)
    one.add("ann", 0.0, 3600, 3, 0)
    two.add("ann", 0.0, 3600, 4, 0)
    assert [calls(one), calls(two)] == [7, 7]
    reports = [each.report(False) for each in (one, two)]
    assert [report[1][0][4] for report in reports if report is not None] == [3, 4]
    assert one.held() == two.held() == []


def test_what_siblings_counted_outlasts_an_older_total_of_the_agent(memory: Memory) -> None:
    one, two = quotas(memory, 0), quotas(memory, 1)
    two.add("ann", 0.0, 3600, 5, 0)
    one.merge([("ann", 0.0, 3600, 0, 2, 0)], 0)  # the agent knows of others, and not yet of this
    assert calls(one) == 5
    one.merge([("ann", 0.0, 3600, 0, 7, 0)], 0)
    assert calls(one) == 7
    assert one.held() == [("ann", 0.0, 3600, 0, 7, 0)]


def test_a_quota_that_the_plane_sets_back_is_set_back(memory: Memory) -> None:
    one, two = quotas(memory, 0), quotas(memory, 1)
    two.add("ann", 0.0, 3600, 5, 0)
    for total, known in ((9, 9), (0, 0), (1, 1)):
        one.merge([("ann", 0.0, 3600, 0, total, 0)], 0)
        assert calls(one) == known


def test_memory_is_shared_while_somebody_is_there(tmp_path: Path) -> None:
    one = open_memory("unix:/nowhere", tmp_path)
    two, elsewhere = open_memory("unix:/nowhere", tmp_path), open_memory("unix:/elsewhere", tmp_path)
    assert (one.number, two.number, elsewhere.number) == (0, 1, 0)
    assert one.group == two.group != elsewhere.group
    group = one.group
    one.close()
    three = open_memory("unix:/nowhere", tmp_path)
    assert (three.number, three.group) == (0, group)
    two.close()
    three.close()
    elsewhere.close()
    assert list(tmp_path.iterdir()) == []
    again = open_memory("unix:/nowhere", tmp_path)
    assert again.group != group
    again.close()


KILLED = """
import os, pathlib, signal, sys
from proxy.adapters.places import SharedPlaces
from proxy.adapters.places import SharedPlaces
from proxy.adapters.shared_memory import LAYOUT, LIMITS, MOST, QUOTAS, START, NotShared, SharedMemory, open_memory
from proxy.adapters.counters import LocalCounters
from proxy.adapters.siblings import Siblings
memory = open_memory("unix:/nowhere", pathlib.Path(sys.argv[1]))
LocalCounters(siblings=Siblings(memory, LIMITS)).add("ann", 60, 7)
SharedPlaces(memory).enter("door", 3)
print("inside", flush=True)
sys.stdin.read()
"""


def test_what_a_killed_process_counted_stays_and_its_places_are_free(tmp_path: Path) -> None:
    mine = open_memory("unix:/nowhere", tmp_path)
    counters, places = LocalCounters(siblings=Siblings(mine, LIMITS)), SharedPlaces(mine)
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"inside\n"
        assert [places.enter("door", 2), places.enter("door", 2), places.enter("other", 1)] == [1, 2, 0]
        child.kill()
    assert places.enter("door", 2) == 1
    assert places == {"door": 2, "other": 1}
    assert counters.peek("ann", 60).count == 7
    left = [tmp_path / f"passerelle-{layout}-{os.getuid()}-left" for layout in (LAYOUT, 1)]
    for each in left:
        each.write_bytes(b"of one that was killed")
    second = open_memory("unix:/nowhere", tmp_path)
    assert not any(each.exists() for each in left), "of an older version, too"
    assert second.number == 1, "the place of the killed one"
    assert SharedPlaces(second).enter("door", 2) == 2
    for each in ("door", "door", "other"):
        places.leave(each)
    fresh = SharedPlaces(second)
    assert [fresh.enter(f"key {number}", 1) for number in range(3_000)] == [0] * 3_000, "more than the table holds"
    for number in range(3_000):
        fresh.leave(f"key {number}")
    assert places.enter("key 5", 1) == 0
    second.close()
    mine.close()


def test_a_file_of_others_is_not_used(tmp_path: Path) -> None:
    mine = open_memory("unix:/nowhere", tmp_path)
    (path,) = tmp_path.iterdir()
    mine.close()
    path.symlink_to(tmp_path / "target")
    with pytest.raises(NotShared):
        open_memory("unix:/nowhere", tmp_path)
    path.unlink()
    path.write_bytes(b"")
    path.chmod(0o666)
    with pytest.raises(NotShared, match="not a file of ours alone"):
        open_memory("unix:/nowhere", tmp_path)
    path.unlink()


def test_more_processes_than_places(tmp_path: Path) -> None:
    opened = [open_memory("unix:/nowhere", tmp_path) for _ in range(MOST)]
    with pytest.raises(NotShared, match=f"more than {MOST}"):
        open_memory("unix:/nowhere", tmp_path)
    for each in opened:
        each.close()
    assert list(tmp_path.iterdir()) == []
