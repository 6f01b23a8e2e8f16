"""What judges the rows is judged: the oracle, the figures, the line and the page."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.e2e.house import echo_backend, request
from tests.faults import page
from tests.faults.line import ANSWER, BLACK_HOLE, CUT, GARBAGE, HALF_CLOSE, REFUSE, RESET, Line
from tests.faults.line import http as answer
from tests.faults.load import Kind, Load, Oracle
from tests.faults.row import Figures, Row, chosen, rows
from tests.faults.soak import Series

BROKEN = (OSError, http.client.HTTPException)


@pytest.fixture
def line() -> Iterator[Line]:
    with echo_backend() as url:
        it = Line(("127.0.0.1", int(url.rpartition(":")[2]))).start()
        try:
            yield it
        finally:
            it.stop()


def test_a_line_fails_as_it_is_told_and_heals(line: Line) -> None:
    assert request(f"{line.url}/a").json["path"] == "/a"
    faults = [
        {"mode": REFUSE},
        {"mode": RESET},
        {"mode": GARBAGE},
        {"mode": BLACK_HOLE},
        {"mode": CUT, "after": 200},
        {"mode": HALF_CLOSE, "after": 200},
    ]
    for fault in faults:
        line.set(**fault)  # type: ignore[arg-type]
        with pytest.raises(BROKEN):
            request(f"{line.url}/b", timeout=0.5)
        line.set()
        assert request(f"{line.url}/c").status == 200, fault
    line.set(latency=0.1)
    assert request(f"{line.url}/d").status == 200
    line.set(ANSWER, answer=lambda head, body: answer("418 Teapot", body))
    assert request(f"{line.url}/e", "POST", body=b"{}").status == 418
    assert line.requests[-1][1].startswith("POST /e ")
    assert line.asked(0, "/e") == 1


@pytest.mark.parametrize(
    ("outer", "inner", "wrong"),
    [(3, 3, ""), (4, 4, ""), (3, 4, "mixes"), (5, 5, "there is not"), (2, 2, "after 3"), (None, 3, "no version")],
)
def test_the_oracle_knows_what_cannot_be(outer: int | None, inner: int, wrong: str) -> None:
    oracle = Oracle(newest=4, reached={"s": 3})
    headers = {} if outer is None else {"x-version": str(outer)}
    said = oracle.judge("s", 3, headers, json.dumps({"headers": {"x-version": str(inner)}}).encode())
    assert wrong in said
    assert bool(said) == bool(wrong)


def test_a_load_tells_wrong_answers_from_right_ones(line: Line) -> None:
    good, bad = Kind("good", "/x", frozenset({200})), Kind("bad", "/x", frozenset({404}))
    with Load([line.url], [good, bad], Oracle(), clients=2, rate=100) as load:
        while load.total < 20:
            pass
        line.set(RESET)
        while not any("good" in failure for failure in load.failures):
            pass
    assert any("bad" in failure for failure in load.failures)
    assert load.p99() > 0


def test_figures_hold_only_what_was_kept() -> None:
    figures = Figures()
    figures.at_most("a", 2, 5, "s")
    assert figures.holds == "yes"
    figures.at_most("b", 7, 5, "s", bound=10)
    assert figures.holds == "slow"
    figures.true("c", False)
    assert (figures.holds, str(figures)) == ("no", "a 2 s; b 7 s; not: c")


def test_rows_have_numbers_of_their_own_and_can_be_named() -> None:
    assert [row.number for row in chosen(["f4", "F1"])][-1] == "F1"
    assert {row.number for row in chosen(["F4"])} == {"F4a", "F4b"}
    assert len(chosen([])) == len(rows())
    with pytest.raises(KeyError):
        chosen(["F99"])


def test_the_page_keeps_what_is_around_the_table(tmp_path: Path) -> None:
    there = tmp_path / "page.md"
    there.write_text(f"before\n{page.BEGIN}\nformer\n{page.END}\nafter\n")
    row = Row("F1", "a | b", "p", "g", lambda place: Figures())
    page.put(there, page.text([(row, Figures(["0 failed"])), (row, "not here")], "quick"))
    text = there.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "| F1 | a / b | p | g | 0 failed | yes |" in text
    assert "former" not in text
    there.write_text("no marks")
    with pytest.raises(ValueError, match="no lines"):
        page.put(there, page.text([], ""))


def _series(leak: float, minutes: int = 20) -> Series:
    """Of a process that leaks so many MiB per hour, with an allocator that takes and gives back, and one high peak."""
    random = Random(7)
    series, jitter = Series(), 0.0
    for at in range(0, minutes * 60, 5):
        jitter = 0.9 * jitter + random.uniform(-0.05, 0.05)
        peak = 3.0 if at == 600 else 0.0
        series.points.append((float(at), 60 + leak * at / 3600 + jitter + peak, 0.0, 10))
    return series


def test_a_leak_in_the_soak_is_seen() -> None:
    leaking, flat = _series(6), _series(0, minutes=60)
    assert leaking.holds == "no"
    assert leaking.slope().low < 6 < leaking.slope().high
    assert flat.holds == "yes"
    assert flat.slope().low < 0 < flat.slope().high


def test_a_soak_that_is_too_short_says_so() -> None:
    assert _series(0, minutes=2).holds == "open"
    assert _series(0.9).holds == "open"


def test_descriptors_that_grow_are_seen_in_the_soak() -> None:
    series = _series(0)
    series.points = [(at, size, shared, 10 + index // 20) for index, (at, size, shared, _) in enumerate(series.points)]
    assert series.holds == "no"
