"""What benchmarks tell: sections of one page, goals, and the stage of a sample."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import results, stages
from benchmarks.goals import OURS, Figures, report
from benchmarks.issuer import Issuer
from benchmarks.peers import envoy, nginx
from benchmarks.peers.peer import Job


def test_a_section_is_replaced_and_the_others_stay(tmp_path: Path) -> None:
    page = tmp_path / "results.md"
    results.put(page, {"Streams": "old", "Goals": "| a |"})
    results.put(page, {"Streams": "new\n\n# no section", "Workers": "two"})
    text = page.read_text()
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == ["Goals", "Streams", "Workers"]
    assert "old" not in text
    assert "| a |" in text
    assert "new\n\n# no section" in text
    with pytest.raises(KeyError, match="Weather"):
        results.put(page, {"Weather": "fine"})
    assert page.read_text() == text


def test_a_goal_is_a_ratio_to_the_quickest_that_was_measured() -> None:
    rows = {
        (OURS, True): Figures(40.0, 2.0),
        ("fast-gateway", True): Figures(100.0, 1.0),
        ("express-gateway", True): Figures(80.0, 1.0),
        ("Envoy", True): Figures(80.0, 0.5),
    }
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in report(rows).splitlines()[2:]]
    assert lines == [
        ["the full job, CPU beside Envoy", "≤ 0.8", "0.50", "met"],
        ["the full job, CPU beside the quickest gateway on Node", "≤ 0.4", "0.50", "missed"],
        ["the full job, p99 at half of saturation beside Envoy", "≤ 2", "4.00", "missed"],
    ]


@pytest.mark.parametrize(
    ("places", "stage"),
    [
        (["proxy/lifecycle.py:accept", "proxy/lifecycle.py:serve"], "accept"),
        (["proxy/messages.py:Url.authority", "proxy/record.py:record"], "record"),
        (["proxy/policies/set_header.py:handle", "proxy/pipeline/run.py:execute"], "sections"),
        (["proxy/policies/forward_request.py:forward", "proxy/pipeline/run.py:execute"], "forward"),
        (["proxy/adapters/hops.py:end_to_end", "proxy/adapters/connection.py:Connection._incoming"], "screen"),
        (["proxy/new.py:thing"], stages.ELSEWHERE),
        ([], stages.LOOP),
    ],
)
def test_a_sample_belongs_to_the_innermost_function_that_is_known(places: list[str], stage: str) -> None:
    assert stages.stage_of(places) == stage


def test_a_configuration_is_published_without_what_differs_from_run_to_run(tmp_path: Path) -> None:
    for peer in (nginx.peer, envoy.peer):
        job = Job(True, 40001, 40002, tmp_path, Issuer(), collector=40003)
        peer.launch(job)
        (path,) = job.written
        shown = job.shown(path.read_text())
        assert str(tmp_path) not in shown
        assert "4000" not in shown
        assert job.issuer.modulus not in shown
        assert "BACKEND" in shown
