"""Quotas and figures on their way to the agent: totals agree whoever dies, and what waits is bounded."""

from __future__ import annotations

import random

import pytest

from proxy.adapters.figures import WaitingFigures
from proxy.adapters.quotas import LocalQuotas
from proxy.ports import QuotaWant
from syncagent.quotas import Name, Quotas, Total


class Pair:
    """Sidecars and an agent without the streams between them."""

    def __init__(self, sidecars: int = 2, apart: float = 0.0) -> None:
        """By the agent's clock it is 50, by the last sidecar's `apart` seconds later."""
        self.time = 50.0
        self.agent = Quotas("e0", now=lambda: self.time)
        self.sidecars = [LocalQuotas(lambda: self.time) for _ in range(sidecars - 1)]
        self.sidecars.append(LocalQuotas(lambda: self.time + apart))
        self.epochs = [""] * sidecars
        for quotas in self.sidecars:
            self.agent.join(quotas)

    def exchange(self, number: int, *, lost: bool = False, again: bool = False) -> None:
        """One turn of a stream; `lost`: it breaks before the answer."""
        quotas = self.sidecars[number]
        if self.epochs[number] != self.agent.epoch:
            self.epochs[number] = self.agent.epoch
            quotas.align(self.time, True)
            held, again = quotas.held(), True
            quotas.merge(self.totals(quotas), 0)
            self.agent.hold((Name(*each[:3]), Total(*each[3:])) for each in held)
        report = quotas.report(again)
        if report is not None:
            counts = [(Name(*each[:3]), Total(*each[3:])) for each in report[1]]
            self.agent.report(f"s{number}", report[0], counts)
        if not lost:
            quotas.merge(self.totals(quotas), report[0] if report else 0)

    def totals(self, quotas: LocalQuotas) -> list[tuple[str, float, int, int, int, int]]:
        return [(*name, *total) for name, total in self.agent.take(quotas)]

    def settle(self) -> None:
        for _ in range(3):
            for number in range(len(self.sidecars)):
                self.exchange(number, again=True)

    def calls(self) -> list[int]:
        return [quotas.usage("k", 0, 100).calls for quotas in self.sidecars]


def test_each_sidecar_knows_what_all_counted() -> None:
    pair = Pair()
    pair.sidecars[0].add("k", 0, 100, 2, 10)
    pair.sidecars[1].add("k", 0, 100, 1, 5)
    pair.settle()
    assert pair.calls() == [3, 3]
    pair.sidecars[0].add("k", 0, 100, 1, 0)
    assert pair.calls() == [4, 3], "one's own count at once"


def test_what_was_counted_before_there_was_an_agent_is_not_lost() -> None:
    pair = Pair()
    pair.sidecars[0].add("k", 0, 100, 2, 10)
    pair.settle()
    fresh = LocalQuotas(lambda: 50.0)
    fresh.add("k", 0, 100, 1, 0)
    fresh.merge([("k", 0, 100, 0, 2, 10)], 0)
    assert fresh.usage("k", 0, 100).calls == 3
    assert fresh.report(True)[1] == [("k", 0, 100, 0, 1, 0)]  # type: ignore[index]


def test_a_value_that_is_set_replaces_what_was_counted() -> None:
    pair = Pair()
    pair.sidecars[0].add("k", 0, 100, 5, 0)
    pair.settle()
    pair.agent.obey("id", Name("k", 0, 100), Total(0, 1, 0))
    pair.sidecars[1].add("k", 0, 100, 1, 0)
    pair.settle()
    assert pair.calls() == [2, 2]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_breaks_nothing_is_counted_twice(seed: int) -> None:
    """Streams break before their answers; sidecars count on."""
    chance = random.Random(seed)
    pair, total, broken = Pair(3), 0, [False] * 3
    for _ in range(200):
        number = chance.randrange(3)
        if chance.random() < 0.5:
            pair.sidecars[number].add("k", 0, 100, 1, 0)
            total += 1
        else:
            lost = chance.random() < 0.3
            pair.exchange(number, lost=lost, again=broken[number])
            broken[number] = lost
            if lost:  # a new stream is told everything
                pair.agent.leave(pair.sidecars[number])
                pair.agent.join(pair.sidecars[number])
    pair.settle()
    assert pair.calls() == [total] * 3


@pytest.mark.parametrize("apart", [600.0, -600.0, 0.9, -0.9])
def test_a_host_whose_clock_is_wrong_counts_in_the_same_window(apart: float) -> None:
    pair = Pair(apart=apart)
    pair.settle()  # on the first stream they learn the agent's time
    for moment in (99.5, 150.0, 190.0):
        pair.time = moment
        for _ in range(3):
            for number, quotas in enumerate(pair.sidecars):
                quotas.add("k", 0, 100, 1, 0)
                pair.exchange(number)
        pair.settle()
        assert len(set(pair.calls())) == 1
    assert 12 <= pair.calls()[0] <= (12 if abs(apart) > 1 else 18), "a window may begin by the clock that is ahead"
    pair.time = 201.5
    assert pair.calls() == [0, 0]


def test_a_quota_is_not_opened_again_and_again_where_two_clocks_meet() -> None:
    """Of two hosts one is already in the next window. The other goes there with it, and nobody begins anew."""
    want = QuotaWant("k", 0, 100, 10, None)

    def passed(apart: float) -> int:
        pair, passed = Pair(apart=apart), 0
        pair.settle()
        pair.time = 99.5
        for _ in range(100):
            for number, quotas in enumerate(pair.sidecars):
                passed += not want.exceeded(quotas.claim((want,))[0])
                pair.exchange(number)
        return passed

    assert passed(0.9) <= passed(0.0) + 2


def test_a_total_of_a_window_to_come_neither_opens_nor_closes_the_present_one() -> None:
    """An agent whose clock was ahead wrote it down."""
    pair = Pair()
    pair.agent.hold([(Name("k", 0, 100), Total(7, 99, 0))])
    for _ in range(3):
        for number, quotas in enumerate(pair.sidecars):
            quotas.add("k", 0, 100, 1, 0)
            pair.exchange(number)
    pair.settle()
    assert pair.calls() == [6, 6]
    pair.agent.report("fast", 1, [(Name("k", 0, 100), Total(8, 1, 0))])
    pair.settle()
    assert pair.calls() == [6, 6]


def test_clocks_that_are_apart_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    quotas = LocalQuotas(lambda: 1000.0)
    for told in (1600.0, 1600.0, 1000.0, 1600.0):
        quotas.align(told, True)
    assert caplog.text.count("the agent's clock is 600 s ahead of this one") == 2
    assert quotas.now() == 1600


def test_a_new_agent_learns_from_the_sidecars() -> None:
    pair = Pair()
    pair.sidecars[0].add("k", 0, 100, 5, 0)
    pair.settle()
    pair.sidecars[1].add("k", 0, 100, 2, 0)
    pair.agent = Quotas("e1")
    for quotas in pair.sidecars:
        pair.agent.join(quotas)
    pair.settle()
    assert pair.calls() == [7, 7]


def test_a_key_that_is_too_long_counts_here_only() -> None:
    quotas = LocalQuotas(lambda: 50.0)
    key = "k" * 1_025
    quotas.add(key, 0, 100, 1, 0)
    assert quotas.report(True) is None
    quotas.add(key, 0, 100, 1, 0)
    quotas.add("k", 0, 100, 1, 0)
    assert quotas.report(False)[1] == [("k", 0, 100, 0, 1, 0)]  # type: ignore[index]
    assert [each[0] for each in quotas.held()] == ["k"]
    assert quotas.usage(key, 0, 100).calls == 2


def test_figures_wait_until_they_are_taken() -> None:
    announced: list[int] = []
    figures = WaitingFigures(most=3, most_bytes=100)
    figures.announce = lambda: announced.append(len(figures))
    for text in (b"a", b"b", b"c", b"d"):
        figures.add(text)
    assert announced == [1, 2, 3, 3]
    assert figures.after(0) == [(2, b"b"), (3, b"c"), (4, b"d")]
    figures.taken(3)
    assert figures.after(0) == [(4, b"d")]
    figures.add(b"x" * 100)
    assert figures.after(0) == [(5, b"x" * 100)]
