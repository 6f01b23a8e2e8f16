"""An outage with kill -9 of everything in the middle, in seconds; `make outage` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.telemetry.outage import run


def test_what_finds_no_room_is_counted(tmp_path: Path) -> None:
    report = run(tmp_path, seconds=3, before=0.5, after=0.5, rate=4000, sources=1, kills=0, megabytes=1, patience=10)
    assert report.dropped > 0, report
    assert report.most_on_disk <= 1024 * 1024, report
    assert report.good, "made is arrived and dropped\n" + str(report)


@pytest.mark.parametrize(("protocol", "fault"), [("grpc", "down"), ("http", "hang")])
def test_nothing_is_lost_doubled_or_out_of_order(protocol: str, fault: str, tmp_path: Path) -> None:
    report = run(tmp_path, seconds=2, before=1, after=1, rate=300, protocol=protocol, fault=fault, patience=30)
    assert report.made > 500
    assert (report.missing, report.disorder, report.dropped) == (0, 0, 0), report
    assert report.twice <= 300, f"more than the one message that each kill may double, a second of records\n{report}"
    assert report.left_on_disk == 0, report
    assert abs(report.in_metrics - report.made) <= 1.5 * 300, report
