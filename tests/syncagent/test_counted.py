"""Figures and quota counters on their way through the agent: nothing counts twice, nothing grows without end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from syncagent.figures import Figures
from syncagent.quotas import Name, Quotas, Setting, Total

START = 1_800_000_000


def row(user: str = "u", api: str = "a", calls: int = 1, backend: int = 1) -> list[Any]:
    times = [8.0 * backend, 6.0, 10.0] if backend else [0.0, 0.0, 0.0]
    return [START, api, "", "", "", user, calls, 0, 0, 0, 10, 0, 0, 5.0, 2.0, 3.0, backend, *times]


def document(*rows: list[Any], requests: int = 0) -> bytes:
    return json.dumps({"rows": rows, "requests": [[n] for n in range(requests)]}).encode()


def test_documents_are_added_up() -> None:
    figures = Figures("boot")
    assert not figures
    figures.take("s1", 1, document(row(backend=0), row(user="v")))
    figures.take("s2", 1, document(row(calls=2), requests=3))
    figures.take("s1", 2, document(row(backend=0)))
    batch = figures.batch()
    assert batch is not None
    assert (batch["boot"], batch["number"], batch["requests"]) == ("boot", 1, [[0], [1], [2]])
    assert batch["rows"] == [
        [START, "a", "", "", "", "u", 4, 0, 0, 0, 30, 0, 0, 15.0, 2.0, 3.0, 1, 8.0, 6.0, 10.0],
        row(user="v"),
    ]
    figures.taken()
    assert not figures


def test_a_document_that_comes_again_is_not_counted_again() -> None:
    figures = Figures("boot")
    for sequence in (1, 2, 1, 2, 3):
        figures.take("s1", sequence, document(row()))
    assert figures.batch()["rows"][0][6] == 3  # type: ignore[index]


def test_a_batch_stays_the_same_until_it_is_taken() -> None:
    figures = Figures("boot")
    figures.take("s1", 1, document(row()))
    first = figures.batch()
    figures.take("s1", 2, document(row()))
    assert figures.batch() is first
    figures.taken()
    second = figures.batch()
    assert second is not None
    assert (second["number"], second["rows"][0][6]) == (2, 1)


def test_hours_without_a_plane_cost_little() -> None:
    figures = Figures("boot", most=10)
    for number in range(100):
        figures.take("s1", number + 1, document(row(user=f"u{number}"), row(user="x", api=f"a{number}"), requests=50))
    batch = figures.batch()
    assert batch is not None
    assert len(batch["rows"]) == 20
    assert figures.lost + sum(each[6] for each in batch["rows"]) == 200
    assert len(batch["requests"]) == 250
    figures.taken()
    assert len((figures.batch() or {})["requests"]) == 250


@pytest.mark.parametrize("wrong", [b"", b"[]", b"{}", b'{"rows": [[1]], "requests": []}'])
def test_what_is_no_document(wrong: bytes) -> None:
    with pytest.raises((ValueError, TypeError, LookupError)):
        Figures("boot").take("s1", 1, wrong)


BEE = Name("bee", 0.0, 3600)


def test_totals_are_told_to_everybody() -> None:
    quotas = Quotas("e1")
    one, other = object(), object()
    quotas.join(one)
    quotas.report("s1", 7, [(BEE, Total(3, 2, 20))])
    quotas.join(other)
    quotas.report("s2", 9, [(BEE, Total(3, 1, 5))])
    quotas.report("s2", 9, [(BEE, Total(3, 1, 5))])  # again, on a new stream
    assert quotas.take(one) == quotas.take(other) == [(BEE, Total(3, 3, 25))]
    assert quotas.take(one) == []
    quotas.report("s1", 8, [(BEE, Total(4, 1, 1))])  # the next window
    quotas.report("s2", 10, [(BEE, Total(3, 9, 9))])  # too late for the former
    assert quotas.take(one) == [(BEE, Total(4, 1, 1))]
    quotas.leave(other)
    assert quotas.take(other) == []


def test_a_new_agent_takes_the_larger_total() -> None:
    quotas = Quotas("e2")
    quotas.hold([(BEE, Total(3, 5, 10))])
    quotas.hold([(BEE, Total(3, 4, 12))])
    quotas.hold([(BEE, Total(2, 99, 99))])
    quotas.report("s1", 1, [(BEE, Total(3, 1, 0))])
    stream = object()
    quotas.join(stream)
    assert quotas.take(stream) == [(BEE, Total(3, 6, 12))]


def test_what_the_plane_hears_and_sets() -> None:
    quotas = Quotas("e1")
    assert quotas, "it asks at least once for what it had before"
    assert quotas.for_plane() == (True, [], [])
    quotas.told_plane()
    assert not quotas
    quotas.report("s1", 1, [(BEE, Total(3, 2, 20))])
    new, counted, confirmed = quotas.for_plane()
    assert (new, counted, confirmed) == (False, [(BEE, Total(3, 2, 20))], [])
    quotas.not_told(counted, confirmed)
    assert quotas.for_plane()[1] == counted
    quotas.obey("id1", BEE, Total(3, 0, 0))
    quotas.obey("id2", BEE, Total(2, 7, 7))  # its window has passed
    quotas.obey("", BEE, Total(3, 1, 0))
    assert quotas.for_plane() == (False, [(BEE, Total(3, 1, 0))], ["id1", "id2"])


def test_what_the_plane_sets_over_all_agents_goes_along_while_its_window_lasts() -> None:
    quotas = Quotas("e1", now=lambda: 5 * 3600.0)
    quotas.obey("id1", BEE, Total(3, 0, 0), (7, None))
    assert quotas.setting(BEE) == Setting("id1", 3, 7, None)
    quotas.report("s1", 1, [(BEE, Total(3, 1, 0))])
    assert quotas.setting(BEE) is not None
    quotas.report("s1", 2, [(BEE, Total(4, 1, 0))])
    assert quotas.setting(BEE) is None
    quotas.obey("id2", BEE, Total(3, 0, 0), (7, None))
    quotas.obey("id3", BEE, Total(4, 0, 0))  # a plane that tells nothing of the others
    assert quotas.setting(BEE) is None


def test_counters_are_bounded() -> None:
    quotas = Quotas("e1", most=3)
    quotas.report("s1", 1, [(Name(f"k{n}", 0.0, 0), Total(0, n, 0)) for n in range(5)])
    stream = object()
    quotas.join(stream)
    assert [name.key for name, _ in quotas.take(stream)] == ["k2", "k3", "k4"]
    assert len(quotas.for_plane()[1]) == 3
