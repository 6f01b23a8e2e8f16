"""No planted secret gets out: into logs, telemetry, error bodies, traces, pages, process arguments, files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.security.planting import planted

pytestmark = pytest.mark.e2e


def test_no_planted_secret_gets_out(tmp_path: Path, backend: str) -> None:
    with planted(tmp_path / "house", backend) as it:
        assert it.refused == []
        it.collect()
        it.export(tmp_path / "export")
        hits, looked = it.search()
        print(f"\n{len(it.secrets.planted)} secrets, {len(it.answers)} answers, {looked / 1e6:.1f} MB searched")
        assert looked > 1_000_000
        assert [str(hit) for hit in hits] == []
        assert it.open_files() == []
