"""Fixed windows: they begin and end where they should, and keys are bounded."""

from __future__ import annotations

import time

import pytest

from proxy.adapters.clock import steady_time
from proxy.adapters.quotas import LocalQuotas


class Now:
    def __init__(self) -> None:
        self.time = 10_000.0

    def __call__(self) -> float:
        return self.time


def test_windows_follow_each_other_from_the_start() -> None:
    now = Now()
    quotas = LocalQuotas(now)
    quotas.add("k", 9_950, 100, 2, 30)
    usage = quotas.usage("k", 9_950, 100)
    assert (usage.calls, usage.bytes, usage.renews_after) == (2, 30, 50)
    now.time += 49
    quotas.add("k", 9_950, 100, 1, 0)
    assert quotas.usage("k", 9_950, 100).calls == 3
    now.time += 1
    assert quotas.usage("k", 9_950, 100) == type(usage)(0, 0, 100)


def test_a_start_in_the_future_counts_backwards() -> None:
    assert LocalQuotas(Now()).usage("k", 20_030, 100).renews_after == 30


def test_period_0_never_ends() -> None:
    now = Now()
    quotas = LocalQuotas(now)
    quotas.add("k", 0, 0, 1, 0)
    now.time += 1e9
    assert quotas.usage("k", 0, 0) == type(quotas.usage("k", 0, 0))(1, 0, None)


def test_passed_windows_are_forgotten_by_the_way() -> None:
    now = Now()
    quotas = LocalQuotas(now)
    for number in range(10):
        quotas.add(f"old {number}", 0, 100, 1, 0)
    now.time += 100
    for number in range(6):
        quotas.add(f"new {number}", 0, 100, 1, 0)
    assert len(quotas) == 6


def test_above_the_bound_the_least_recently_used_begins_anew_and_that_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    quotas = LocalQuotas(Now(), max_keys=3)
    for name in "abcad":
        quotas.add(name, 0, 0, 1, 0)
    assert [quotas.usage(name, 0, 0).calls for name in "abcd"] == [2, 0, 1, 1]
    assert "b begins anew" in caplog.text


def test_setting_the_clock_moves_no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    now = steady_time()
    before = now()
    assert abs(before - time.time()) < 1
    monkeypatch.setattr(time, "time", lambda: before + 3600)
    assert now() - before < 60
