"""The benchmark of policies runs: each case answers 200, and each figure is there."""

from __future__ import annotations

from benchmarks.policies import BATCH, EXPRESSIONS, report
from benchmarks.policy_cases import CASES, MORE


async def test_every_case_and_expression_has_a_figure() -> None:
    found = await report(1, BATCH)
    assert len(CASES) == 20
    for case in (*CASES, *MORE):
        assert f"| {case.name} " in found
    assert found.count("| @") == len(EXPRESSIONS) == 10
    assert "the same, traced" in found
