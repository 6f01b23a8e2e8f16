"""A lane with a folder: what is there after its process is gone, and what an unhelpful disk costs."""

from __future__ import annotations

import os
import stat
import threading
import time
from pathlib import Path

import pytest

from telemetry import keeping as keeping_module
from telemetry import lane as lane_module
from telemetry import spool as spool_module
from telemetry.keeping import Keeping
from telemetry.lane import Lane, Later, Partly, Refused
from telemetry.spool import BLOCK, Desk, Folder, Stored, safe
from telemetry.vitals import JournalCounts, telemetry_metrics
from tests.telemetry.test_lane import Destination, end, until

LIMIT = 256 * 1024 * 1024
DAY = 86400.0


class Down:
    """Takes nothing."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, data: bytes, timeout: float) -> None:
        self.asked += 1
        raise Later("down")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_module, "BACKOFF", (0.01, 0.05))
    monkeypatch.setattr(spool_module, "LOCK_WAIT", 0.1)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "otlp-logs")


def files(path: Path) -> list[str]:
    return sorted(each.name for each in path.rglob("*") if each.is_file() and each.name != "lock")


def spooled(where: object, folder: Folder, limit: int = LIMIT, age: float = DAY) -> Lane:
    lane = Lane("x", where, spool="otlp-logs")  # type: ignore[arg-type]
    lane.attach(folder, limit, age)
    return lane


def test_what_cannot_be_sent_is_there_for_the_next_process_in_order(tmp_path: Path, folder: Folder) -> None:
    down = Down()
    lane = spooled(down, folder)
    for number in range(20):
        lane.put(b"%d" % number * 2000, 3)
    until(lambda: down.asked >= 2)
    end(lane)
    assert len(files(tmp_path)) == 20
    assert (lane.exported, lane.kept, dict(+lane.dropped)) == (0, 60, {})

    where = Destination()
    later = spooled(where, folder)
    later.put(b"new", 1)
    until(lambda: later.exported == 61)
    end(later)
    assert where.taken == [*(b"%d" % number * 2000 for number in range(20)), b"new"]
    assert files(tmp_path) == []


def test_a_file_is_there_before_it_is_sent_and_gone_after(tmp_path: Path, folder: Folder) -> None:
    where = Destination()
    where.open.clear()
    lane = spooled(where, folder)
    lane.put(b"a", 1)
    assert len(files(tmp_path)) == 1
    until(lambda: where.asked)
    assert lane.on_disk == BLOCK
    where.open.set()
    until(lambda: lane.exported)
    assert files(tmp_path) == []
    assert lane.on_disk == 0
    end(lane)


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        desk = Desk(tmp_path / "spool", "host:8080/1")
        lane = spooled(Down(), desk.folder("otlp-logs"))
        lane.put(b"a", 1)
        end(lane)
    finally:
        os.umask(old)
    for path in (tmp_path / "spool").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    desk.close()


def test_the_limit_holds_on_disk_and_drops_the_oldest(tmp_path: Path, folder: Folder) -> None:
    lane = spooled(Down(), folder, limit=10 * BLOCK)
    for number in range(50):
        lane.put(os.urandom(100) + b"%d" % number, 2)
    end(lane)
    assert lane.dropped["spool-full"] == 2 * 40
    assert lane.kept == 2 * 10
    assert sum(path.stat().st_blocks * 512 for path in tmp_path.rglob("*-*-*")) <= 10 * BLOCK
    where = Destination()
    rest = spooled(where, folder, limit=4 * BLOCK)
    until(lambda: len(where.taken) == 4)
    assert [data[100:] for data in where.taken] == [b"46", b"47", b"48", b"49"]
    assert rest.dropped["spool-full"] == 2 * 6
    end(rest)


def test_one_that_does_not_fit_at_all_is_packed_or_else_in_memory(tmp_path: Path, folder: Folder) -> None:
    where = Destination()
    where.open.clear()
    lane = spooled(where, folder, limit=2 * BLOCK)
    lane.put(b"x" * 50_000, 1)
    assert lane.on_disk == BLOCK
    random = os.urandom(50_000)
    lane.put(random, 1)
    assert lane.on_disk == BLOCK
    where.open.set()
    until(lambda: lane.exported == 2)
    assert where.taken == [b"x" * 50_000, random]
    assert not +lane.dropped
    end(lane)


def test_what_waits_is_packed_and_arrives_unpacked(tmp_path: Path, folder: Folder) -> None:
    down = Down()
    lane = spooled(down, folder, limit=400_000)
    lane.put(b"x" * 100_000, 1)
    until(lambda: down.asked)
    lane.put(b"y" * 100_000, 1)
    end(lane)
    assert lane.on_disk < 110_000
    where = Destination()
    end(spooled(where, folder), 2)
    assert where.taken == [b"x" * 100_000, b"y" * 100_000]


def test_what_is_too_old_is_dropped_and_counted(folder: Folder) -> None:
    folder.write(time.time_ns() - int(3600e9), b"old", 5, False)
    folder.write(time.time_ns() - int(10e9), b"young", 1, False)
    where = Destination()
    lane = spooled(where, folder, age=600.0)
    until(lambda: lane.exported)
    assert where.taken == [b"young"]
    assert dict(+lane.dropped) == {"expired": 5}
    end(lane)


def test_a_start_removes_what_was_never_finished(tmp_path: Path, folder: Folder) -> None:
    path = tmp_path / "otlp-logs"
    kept = folder.write(1_000_000_000, b"whole", 2, False)
    cut = folder.write(2_000_000_000, b"cut off", 7, False)
    (path / cut.name).write_bytes(b"cut")
    (path / f"{cut.name}.tmp").write_bytes(b"half")
    (path / "somebody else's").write_bytes(b"stays")
    where = Destination()
    lane = spooled(where, folder, age=0)
    until(lambda: lane.exported)
    assert where.taken == [b"whole"]
    assert dict(+lane.dropped) == {"unreadable": 7}
    assert [each.name for each in path.iterdir()] == ["somebody else's"]
    assert kept.name not in files(tmp_path)
    end(lane)


def test_a_file_that_went_bad_while_it_waited_ends_nothing(tmp_path: Path, folder: Folder) -> None:
    down = Down()
    lane = spooled(down, folder, limit=8 * BLOCK)
    lane.put(b"a", 1)
    until(lambda: down.asked)
    lane.put(b"b" * 5000, 2)
    lane.put(b"c", 4)
    for each in (tmp_path / "otlp-logs").glob("*.z"):
        each.write_bytes(bytes(each.stat().st_size))
    where = Destination()
    lane._send = where
    until(lambda: lane.exported == 5)
    assert where.taken == [b"a", b"c"]
    assert dict(+lane.dropped) == {"unreadable": 2}
    end(lane)


def test_a_disk_that_cannot_be_written_costs_a_line_in_the_log(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    full = threading.Event()
    full.set()
    write = spool_module._write

    def no_space(path: Path, data: bytes) -> None:
        if full.is_set():
            raise OSError(28, "No space left on device")
        write(path, data)

    monkeypatch.setattr(spool_module, "_write", no_space)
    down = Down()
    lane = spooled(down, folder)
    for number in range(10):
        lane.put(b"%d" % number, 1)
    full.clear()
    lane.put(b"10", 1)
    assert lane.on_disk == BLOCK
    where = Destination()
    lane._send = where
    until(lambda: lane.exported == 11)
    assert where.taken == [b"%d" % number for number in range(11)], "in order, whether in memory or on disk"
    assert caplog.text.count("No space left on device") == 1
    end(lane)


def test_what_is_in_memory_only_goes_to_the_disk_at_the_end_if_that_is_back(
    tmp_path: Path, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = spool_module._write

    def broken(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spool_module, "_write", broken)
    lane = spooled(Down(), folder)
    lane.put(b"a", 1)
    lane.put(b"b", 1)
    monkeypatch.setattr(spool_module, "_write", write)
    end(lane)
    assert lane.kept >= 1
    assert lane.kept + sum(lane.dropped.values()) == 2
    assert len(files(tmp_path)) == lane.kept


def test_the_rest_of_a_partial_success_takes_its_place(tmp_path: Path, folder: Folder) -> None:
    def half(data: bytes, timeout: float) -> None:
        raise Partly("busy", refused=1, rest=b"part", rest_count=4, after=60)

    lane = spooled(half, folder)
    lane.put(b"whole", 10)
    until(lambda: lane.retried)
    lane.put(b"next", 1)
    end(lane)
    assert [name.split("-")[1] for name in files(tmp_path)] == ["4", "1"]
    assert (lane.exported, lane.kept, dict(+lane.dropped)) == (5, 5, {"refused": 1})
    where = Destination()
    end(spooled(where, folder), 2)
    assert where.taken == [b"part", b"next"]
    assert files(tmp_path) == []


def test_the_newest_replaces_its_own_kind_but_not_what_another_process_left(tmp_path: Path, folder: Folder) -> None:
    def started() -> Lane:
        lane = Lane("x", down, spool="metrics", latest=True)
        lane.attach(folder, LIMIT, DAY)
        return lane

    down = Down()
    for life in (b"first", b"second"):
        lane = started()
        for number in (b"1", b"2", b"3"):
            lane.put(life + number, 1)
        end(lane)
    assert len(files(tmp_path)) == 2
    where = Destination()
    end(spooled(where, folder), 2)
    assert where.taken == [b"first3", b"second3"]


def test_refused_files_are_gone(tmp_path: Path, folder: Folder) -> None:
    lane = spooled(Destination(Refused("400")), folder)
    lane.put(b"a", 2)
    until(lambda: lane.dropped["refused"] == 2)
    assert files(tmp_path) == []
    end(lane)


def test_a_clock_that_goes_back_changes_no_order(folder: Folder) -> None:
    folder.write(time.time_ns() + int(3600e9), b"from the future", 1, False)
    where = Destination()
    where.open.clear()
    lane = spooled(where, folder)
    lane.put(b"now", 1)
    where.open.set()
    until(lambda: lane.exported == 2)
    assert where.taken == [b"from the future", b"now"]
    end(lane)


# ---- who may write where


def test_two_of_one_name_have_a_folder_each(tmp_path: Path) -> None:
    first, second = Desk(tmp_path, "host:1"), Desk(tmp_path, "host:1")
    assert second.path.name == f"{first.path.name}~2"
    first.close()
    third = Desk(tmp_path, "host:1")
    assert third.path == first.path
    third.close()
    second.close()


def test_a_successor_waits_for_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "LOCK_WAIT", 5.0)
    first = Desk(tmp_path, "host:1")
    timer = threading.Timer(0.2, first.close)
    timer.start()
    second = Desk(tmp_path, "host:1")
    assert second.path == first.path
    timer.join()
    second.close()


def test_what_nobody_comes_back_for_is_adopted_once_and_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "ADOPT_AFTER", 0.05)
    gone, living = Desk(tmp_path, "pod-1"), Desk(tmp_path, "pod-2")
    for key in (1, 2, 3):
        gone.folder("otlp-logs").write(key, b"%d" % key, key, False)
    living.folder("otlp-logs").write(2, b"same key", 2, False)
    assert living.adopt() == {}
    gone.close()
    assert living.adopt() == {}, "its successor may be on the way"
    time.sleep(0.06)
    moved = living.adopt()
    assert [stored.key for stored in sorted(moved["otlp-logs"])] == [1, 2, 3]
    assert living.adopt() == {}
    assert [path.name for path in tmp_path.iterdir()] == ["pod-2"]
    whole, broken = living.folder("otlp-logs").index()
    assert (len(whole), broken) == (4, [])
    living.close()


def test_folders_that_are_no_spool_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "ADOPT_AFTER", 0.0)
    (tmp_path / "lost+found").mkdir()
    desk = Desk(tmp_path, "a")
    assert desk.adopt() == {}
    assert list((tmp_path / "lost+found").iterdir()) == []
    desk.close()


@pytest.mark.parametrize("name", ["host:8080/1", "..", ".", "", "a/../../b", "x" * 300, "é"])
def test_any_name_is_made_safe(name: str) -> None:
    made = safe(name)
    assert "/" not in made
    assert made.strip(".")
    assert len(made) < 120
    assert made != safe(name + "-")
    assert safe("otlp-logs") == "otlp-logs"


def test_names_say_what_is_in_a_file() -> None:
    assert Stored(5, 2, 100).name == "00000000000000000005-2-100"
    assert Stored(5, 2, 5000, packed=True).room == 2 * BLOCK


# ---- the child's part


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    return {"telemetry.spool.path": str(tmp_path / "spool"), "instance.id": "host:1"}


def test_lanes_get_their_folders_and_what_is_adopted(
    tmp_path: Path, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "ADOPT_AFTER", 0.0)
    monkeypatch.setattr(keeping_module, "ADOPT", 0.0)
    gone = Desk(tmp_path / "spool", "host:2")
    gone.folder("otlp-logs").write(time.time_ns(), b"left", 3, False)
    gone.close()
    where = Destination()
    lanes = [Lane("x", where, spool="otlp-logs"), Lane("y", where)]
    keeping = Keeping(settings)
    keeping.attach(lanes)
    assert [lane.attached for lane in lanes] == [True, False]
    keeping.tick(lanes)
    until(lambda: lanes[0].exported == 3)
    assert where.taken == [b"left"]
    for lane in lanes:
        end(lane)
    keeping.close()


def test_a_folder_that_cannot_be_made_is_told_once_and_tried_again(
    settings: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(keeping_module, "RETRY", 0.0)
    (tmp_path / "spool").write_text("a file is in the way")
    where = Destination()
    lane = Lane("x", where, spool="otlp-logs")
    keeping = Keeping(settings)
    for _ in range(3):
        keeping.tick([lane])
    lane.put(b"a", 1)
    until(lambda: where.taken)
    assert caplog.text.count("telemetry.spool.path") == 1
    (tmp_path / "spool").unlink()
    keeping.tick([lane])
    assert lane.attached
    end(lane)
    keeping.close()


def test_without_a_path_everything_is_in_memory(settings: dict[str, str]) -> None:
    lane = Lane("x", Destination(), spool="otlp-logs")
    keeping = Keeping({**settings, "telemetry.spool.path": "none"})
    keeping.tick([lane])
    assert not lane.attached
    end(lane)


def test_folders_of_destinations_that_are_gone_empty_themselves(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "a")
    for name in ("removed", "otlp-logs"):
        desk.folder(name).write(5, b"old", 1, False)
    desk.expire(10, ["otlp-logs"])
    assert sorted(path.name for path in desk.path.iterdir()) == ["lock", "otlp-logs"]
    desk.close()


def test_a_draft_is_sent_only_by_the_next_process(tmp_path: Path, folder: Folder) -> None:
    where = Destination()

    def started() -> Lane:
        lane = Lane("x", where, spool="metrics", latest=True)
        lane.attach(folder, LIMIT, DAY)
        return lane

    lane = started()
    lane.put(b"1", 1)
    until(lambda: lane.exported == 1)
    for data in (b"2", b"3"):
        lane.draft(data, 1)
    assert len(files(tmp_path)) == 1
    lane.put(b"4", 1)
    until(lambda: lane.exported == 2)
    assert (files(tmp_path), lane.on_disk) == ([], 0)
    lane.draft(b"5", 1)
    assert lane.queued == 0
    end(lane)
    end(started(), 2)
    assert where.taken == [b"1", b"4", b"5"]
    assert files(tmp_path) == []


def test_without_a_disk_a_draft_is_nothing() -> None:
    where = Destination()
    lane = Lane("x", where, latest=True)
    lane.draft(b"1", 1)
    lane.put(b"2", 1)
    end(lane)
    assert where.taken == [b"2"]


def test_the_spool_is_among_the_metrics(folder: Folder) -> None:
    down = Down()
    lane = spooled(down, folder)
    lane.put(b"a", 3)
    until(lambda: down.asked >= 2)

    class Exporter:
        lanes = (lane, Lane("y", Destination()))

    found = {metric.name: metric for metric in telemetry_metrics([Exporter()], JournalCounts())}
    assert [point.value for point in found["apim.telemetry.spool.bytes"].points] == [BLOCK]
    assert [point.value for point in found["apim.telemetry.queued"].points] == [3, 0]
    assert found["apim.telemetry.retried"].points[0].value >= 1
    for each in Exporter.lanes:
        end(each)


def test_a_link_that_somebody_put_there_leads_nowhere(tmp_path: Path, folder: Folder) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"hush")
    path = tmp_path / "otlp-logs"
    one, other = Stored(1, 1, len(os.fsencode(secret))), Stored(2, 1, 4)
    for stored in (one, other):
        (path / stored.name).symlink_to(secret)
    assert folder.index() == ([one], [other])
    with pytest.raises(OSError, match="symbolic links"):
        folder.read(one)
    assert secret.read_bytes() == b"hush"
