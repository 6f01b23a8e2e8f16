"""What the child counts for the plane's reports, alone and through a real journal."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest

from telemetry.child import Child
from telemetry.figures import BLOCKED, FAILED, OTHER, SUCCESS, Figures, outcome
from telemetry.frames import BrokenPipeStream, documents
from telemetry.journal import Journal
from telemetry.settings import Resource
from tests.telemetry.sample import START_NS, batch, record
from tests.telemetry.waiting import until

NOBODY = Resource("host:1")
NAMES = ["orders", "get-order", "starter", "tom", "1"]


def cut(figures: Figures) -> Any:
    return json.loads(figures.cut() or b"null")


def test_requests_are_added_up_per_quarter_and_names() -> None:
    figures = Figures()
    start = START_NS // 10**9 // 900 * 900
    figures.add(batch(record(), record(total_ms=100.0, cache="hit", backend_url="", backend_ms=0.0)), NOBODY)
    figures.add(batch(record(status=429, start_ns=START_NS + 900 * 10**9, backend_url="", user_id="")), NOBODY)
    first, second = cut(figures)["rows"]
    assert first == [start, *NAMES, 2, 0, 0, 0, 1184, 1, 0, 474.0, 100.0, 374.0, 1, 300.0, 300.0, 300.0]
    assert second == [start + 900, *NAMES[:-1], "", 0, 1, 0, 0, 592, 0, 0, 374.0, 374.0, 374.0, 0, 0.0, 0.0, 0.0]
    assert figures.cut() is None, "told once"


def test_the_last_requests_go_along() -> None:
    figures = Figures()
    figures.add(batch(*[record(correlation_id=f"c{n}", url="x" * 5000) for n in range(120)]), NOBODY)
    requests = cut(figures)["requests"]
    assert [each[-1] for each in requests] == [f"c{n}" for n in range(70, 120)]
    assert requests[0][:13] == [
        START_NS / 1e9, *NAMES, "GET", "x" * 2000, "10.0.0.9", 200, 200, 592, 0
    ]  # fmt: skip


def test_beyond_the_bound_only_apis_are_told_apart() -> None:
    figures = Figures(most=3)
    figures.add(batch(*[record(user_id=f"u{n}") for n in range(10)]), NOBODY)
    figures.add(batch(record(user_id="v", api_id="other")), NOBODY)
    rows = cut(figures)["rows"]
    assert [(row[1], row[5], row[6]) for row in rows] == [
        ("orders", "u0", 1), ("orders", "u1", 1), ("orders", "u2", 1), ("orders", "", 7), ("other", "", 1)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("statuses", "wanted"),
    [
        ((200, 204, 301, 304, 307), SUCCESS),
        ((401, 403, 429), BLOCKED),
        ((400, 500, 503, 599), FAILED),
        ((0, 302, 308, 404, 409, 499, 600), OTHER),
    ],
)
def test_outcomes(statuses: tuple[int, ...], wanted: int) -> None:
    assert {outcome(status) for status in statuses} == {wanted}


def test_documents_come_whole() -> None:
    buffer = bytearray()
    found = []
    for byte in b"\0\0\0\2{}\0\0\0\4null":
        buffer.append(byte)
        found += list(documents(buffer))
    assert found == [b"{}", b"null"]
    with pytest.raises(BrokenPipeStream):
        list(documents(bytearray(b"\xff\0\0\0")))


def test_a_sidecar_that_does_not_read_costs_nothing_but_sums() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        child = Child({"telemetry.logs.std": "none"}, os.getpid(), writing)
        for number in range(2_000):
            child._records(batch(record(user_id=f"u{number}")))
        child._cut()
        child._tell()
        assert child._telling, "more than a pipe holds"
        child._records(batch(*[record()] * 3))
        child._cut()
        heard = bytearray()
        found = []
        while len(found) < 2:
            heard += os.read(reading, 100_000)
            found += list(documents(heard))
            child._cut()
            child._tell()
        assert sum(row[6] for text in found for row in json.loads(text)["rows"]) == 2_003
    finally:
        os.close(reading)
        os.close(writing)


def test_a_record_that_no_document_can_hold_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        child = Child({"telemetry.logs.std": "none"}, os.getpid(), writing)
        child._records(batch(record(correlation_id="c\udcff")))
        child._cut()
        assert "could not be handled" in caplog.text
        child._records(batch(record()))
        child._cut()
        child._tell()
        (document,) = documents(bytearray(os.read(reading, 100_000)))
        assert json.loads(document)["rows"][0][6] == 1
    finally:
        os.close(reading)
        os.close(writing)


async def test_what_was_counted_comes_back_at_the_end() -> None:
    heard: list[bytes] = []
    journal = Journal({"telemetry.logs.std": "none"}, "host:1", figures=heard.append)
    journal.start()
    for _ in range(700):
        journal.append(record())
    await journal.close()
    assert sum(row[6] for text in heard for row in json.loads(text)["rows"]) == 700


async def test_a_killed_child_costs_what_it_held_and_the_next_one_counts_on() -> None:
    heard: list[bytes] = []
    journal = Journal({"telemetry.logs.std": "none"}, "host:1", figures=heard.append)
    journal.start()
    assert journal.child_pid is not None
    first = journal.child_pid
    os.kill(first, signal.SIGKILL)
    await until(lambda: journal.child_pid not in (None, first))
    for _ in range(5):
        journal.append(record())
    await journal.close()
    assert sum(row[6] for text in heard for row in json.loads(text)["rows"]) == 5
