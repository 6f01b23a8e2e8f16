"""An outage with kill -9 of everything in the middle, in seconds; `make outage` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.telemetry.outage import run


@pytest.mark.parametrize(("protocol", "fault"), [("grpc", "down"), ("http", "hang")])
def test_nothing_is_lost_doubled_or_out_of_order(protocol: str, fault: str, tmp_path: Path) -> None:
    report = run(tmp_path, seconds=2, before=1, after=1, rate=300, protocol=protocol, fault=fault, patience=30)
    assert report.made > 500
    assert report.good, report
    assert report.dropped == 0, report
    assert report.left_on_disk == 0, report
    assert abs(report.in_metrics - report.made) <= 1.5 * 300, report
