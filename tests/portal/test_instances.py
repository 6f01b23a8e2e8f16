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


def test_what_sidecars_cannot_use_is_told_once_with_its_line() -> None:
    issue = {"resourceId": "/apis/a/policies/policy", "line": 4, "column": 7, "element": "choose", "message": "No."}
    cars = [{"id": name, "issues": [issue], "cursor": 7, "dataset": "d"} for name in ("one", "two")]
    value = {"cursor": 8, "lag": 2, "dataset": "d", "sidecars": cars, "issues": [{"code": "Odd", "message": "why"}]}
    shown = read({**value, "lastHeartbeat": "2026-01-02T03:05:00Z"}, NOW)
    assert [(each.sidecars, each.place, each.link) for each in shown.issues] == [
        (("one", "two"), "<choose>, line 4, column 7", "/console/policy?scope=/apis/a#L4")
    ]
    assert [car.behind for car in shown.sidecars] == ["3", "3"]
    assert [(alarm.title, alarm.words) for alarm in shown.alarms] == [("Odd", "why")]
    assert not shown.well
    other = read({**value, "sidecars": [{**cars[0], "dataset": "of another plane"}]}, NOW)
    assert other.sidecars[0].behind == ""


def test_who_was_not_heard_of_for_long_is_gone() -> None:
    states = [
        read({"lastHeartbeat": f"2026-01-0{day}T03:0{minute}:00Z"}, NOW).state
        for day, minute in ((2, 5), (2, 1), (1, 1))
    ]
    assert states == ["alive", "silent", "gone"]
