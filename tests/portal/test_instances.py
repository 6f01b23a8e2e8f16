"""Heartbeats as the console shows them."""

from __future__ import annotations

import datetime

import pytest

from portal.instances import ago, read

NOW = datetime.datetime(2026, 1, 2, 3, 5, 5, tzinfo=datetime.UTC)


def test_a_full_heartbeat() -> None:
    shown = read(
        {
            "id": "agent",
            "lastHeartbeat": "2026-01-02T03:04:05.250Z",
            "cursor": 8,
            "lag": 0,
            "sidecars": [{"id": "car", "connected": False, "requests": 3}],
        },
        NOW,
    )
    assert (shown.id, shown.age, shown.silent, shown.cursor, shown.lag) == ("agent", "59 s ago", False, "8", "0")
    assert [(car.id, car.connected, car.requests, car.failures) for car in shown.sidecars] == [("car", False, "3", "")]


@pytest.mark.parametrize("value", [{}, {"receivedAt": 7, "sidecars": "x", "issues": [None]}, {"receivedAt": "soon"}])
def test_whatever_is_missing_is_empty(value: dict[str, object]) -> None:
    shown = read(value, NOW)
    assert (shown.id, shown.age, shown.silent, shown.sidecars, shown.issues) == ("", "never", True, (), ())


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-3, "0 s ago"), (59.9, "59 s ago"), (60, "1 min ago"), (7300, "2 h ago"), (200_000, "2 d ago")],
)
def test_how_long_ago(seconds: float, words: str) -> None:
    assert ago(seconds) == words
