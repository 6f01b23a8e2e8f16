"""A trace as the page draws it, read from whatever comes."""

from __future__ import annotations

from typing import Any

import pytest

from portal.traces import document_id, read, time

TRACE: dict[str, Any] = {
    "traceId": "t",
    "gatewayId": "home",
    "instanceId": "car-1",
    "traceEntries": {
        "inbound": [
            {
                "source": "api-inspector",
                "elapsed": "00:00:00.0000000",
                "data": {"request": {"method": "GET", "url": "u"}},
            },
            {
                "source": "set-header",
                "elapsed": "00:00:00.0010000",
                "data": {
                    "message": ["said in words"],
                    "document": "the policy of /apis/shop",
                    "line": 4,
                    "scope": "api",
                    "duration": "00:00:00.0010000",
                    "expressions": [{"expression": "@(1)", "line": 5, "column": 9, "value": "1"}],
                    "changes": [{"what": "request header A", "before": None, "after": "1"}],
                },
            },
        ],
        "backend": [
            {
                "source": "forward-request",
                "elapsed": "00:00:00.0100000",
                "data": {"duration": "00:00:00.0060000", "response": {"status": {"code": 200, "reason": "OK"}}},
            }
        ],
        "on-error": [
            {"source": "choose", "elapsed": "x", "data": {"message": "m", "reason": "R", "detail": "d", "odd": 1}}
        ],
        "outbound": [],
    },
}


def test_a_trace() -> None:
    trace = read(TRACE)
    assert [section.id for section in trace.sections] == ["inbound", "backend", "on-error"]
    first, header = trace.sections[0].steps
    assert (first.policy, first.request and first.request.line) == ("request", "GET u")
    assert (header.document, header.line, header.place) == ("/apis/shop", 4, "the policy of /apis/shop, line 4")
    assert (header.left, header.width, header.at, header.took) == (10.0, 10.0, "1.00 ms", "1.00 ms")
    assert header.words == ()  # what changed says the same
    assert (header.expressions[0].value, header.expressions[0].place) == ("1", "line 5, column 9")
    assert (header.changes[0].before, header.changes[0].after) == (None, "1")
    answered = trace.sections[1].steps[0]
    # it is noted when it has come, and began before
    assert (answered.left, answered.width) == (40.0, 60.0)
    assert trace.failed is not None
    assert trace.failed.errors == (("reason", "R"), ("detail", "d"))
    assert '"odd": 1' in trace.failed.more
    assert trace.total == "10 ms"


@pytest.mark.parametrize("told", [{}, {"traceEntries": 7}, {"traceEntries": {"inbound": [None, {}, {"data": "x"}]}}])
def test_what_is_missing_is_empty(told: dict[str, Any]) -> None:
    assert read(told).failed is None


@pytest.mark.parametrize(
    ("document", "id"),
    [
        ("the policy of /apis/shop/operations/get", "/apis/shop/operations/get"),
        ("the policy of the service", ""),
        ("fragment 'shared' in the policy of /apis/shop", "/policyFragments/shared"),
        ("", "-"),
        ("something else", "-"),
    ],
)
def test_where_a_step_stands(document: str, id: str) -> None:
    assert document_id(document) == id


@pytest.mark.parametrize(("text", "value"), [("01:00:00.5", 3_600_500.0), ("x", 0.0), (None, 0.0), ("1:2", 0.0)])
def test_times(text: str | None, value: float) -> None:
    assert time(text) == value
