"""The trail: what is on it after its writer is gone, and who may take it."""

from __future__ import annotations

import marshal
import stat
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path

import pytest

from telemetry import trail as module
from telemetry.frames import rows
from telemetry.recovery import ALL, DONE, FIRST, SUMS, Recovery
from telemetry.trail import HEAD, SEGMENT, SEGMENTS, Left, Reader, Trail, begin, folder
from tests.telemetry.sample import failed, record


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setattr(module, "SHARED", tmp_path)
    return {"telemetry.spool.path": "/spool"}


@pytest.fixture
def trail(settings: dict[str, str]) -> Iterator[Trail]:
    made = begin(settings, "host:1")
    assert made
    yield made
    if not made._map.closed:
        made.close()


def numbered(number: int, size: int = 0) -> tuple[object, ...]:
    return tuple(record(correlation_id=f"{number}", url="x" * size))


def left(path: Path, before: int = DONE) -> list[int]:
    reader = Reader(path)
    found = list(reader.left(reader.safe(ALL), before))
    reader.close()
    assert all(int(row[5]) == number for records in found for number, row in records)
    return [number for records in found for number, _ in records]


def test_what_is_not_safe_is_left_in_order(trail: Trail) -> None:
    for number in range(1000):
        trail.write(numbered(number))
    reader = Reader(trail.path)
    reader.keep(ALL, 10)
    reader.keep(ALL, 3)  # it never goes back
    reader.close()
    assert trail.safe == 10
    assert left(trail.path) == list(range(10, 1000))
    assert left(trail.path, before=20) == list(range(10, 20))


def test_what_is_sent_is_the_same_as_what_is_left(trail: Trail) -> None:
    class Code(IntEnum):
        OK = 200

    sent = [trail.write(each) for each in (record(status=Code.OK), failed(), tuple(record()))]
    assert all(type(each) is bytes for each in sent)
    reader = Reader(trail.path)
    assert [row for records in reader.left(0, DONE) for _, row in records] == rows(sent)
    assert rows(sent)[2] == tuple(record())
    assert rows(sent)[0][19] == 200
    reader.close()


def test_round_and_round_while_the_child_keeps_up(trail: Trail) -> None:
    reader = Reader(trail.path)
    for number in range(200):
        trail.write(numbered(number, 100_000))
        reader.keep(ALL, number - 20)
    reader.close()
    assert left(trail.path) == list(range(179, 200))


def test_without_room_records_go_their_way_and_are_numbered(trail: Trail) -> None:
    fits = SEGMENTS * (SEGMENT // 100_600)
    for number in range(200):
        assert type(trail.write(numbered(number, 100_000))) is bytes
    assert left(trail.path) == list(range(fits))
    reader = Reader(trail.path)
    reader.keep(ALL, 200)
    reader.close()
    for number in range(200, 205):
        trail.write(numbered(number, 100_000))
    assert left(trail.path) == list(range(200, 205))


def test_one_longer_than_a_segment(trail: Trail) -> None:
    trail.write(numbered(0))
    trail.write(numbered(1, SEGMENT))
    trail.write(numbered(2))
    assert left(trail.path) == [0, 2]


def test_a_trail_that_is_not_needed_any_more_goes_with_its_sidecar(trail: Trail, tmp_path: Path) -> None:
    trail.write(numbered(0))
    reader = Reader(trail.path)
    reader.keep(ALL, 1)
    reader.close()
    trail.close()
    assert list(tmp_path.iterdir()) == []


def test_what_the_dead_left_is_taken_once(settings: dict[str, str], trail: Trail, tmp_path: Path) -> None:
    trail.write(numbered(0))
    assert Left(settings, "host:1").claim() == [], "its sidecar lives"
    child = Reader(trail.path)
    trail.close()
    assert Left(settings, "host:1").claim() == [], "its child lives"
    child.close()
    assert Left(settings, "host:2").claim() == [], "its successor may be on the way"
    (mine,) = Left(settings, "host:1").claim()
    assert Left(settings, "host:1").claim() == []
    mine.remove()
    assert list(tmp_path.iterdir()) == []


def test_an_instance_that_does_not_come_back_is_finished_by_another(
    settings: dict[str, str], trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ADOPT_AFTER", 0.0)
    trail.write(numbered(0))
    trail.close()
    (found,) = Left(settings, "host:2").claim()
    found.remove()


OTLP, OTHER = FIRST, FIRST + 1


def recovered(recovery: Recovery, slot: int = OTLP) -> list[int]:
    return [int(row[5]) for safe, records in recovery.records() for number, row in records if number >= safe[slot]]


def test_recovered_records_come_first_and_are_kept_until_they_are_safe(settings: dict[str, str], trail: Trail) -> None:
    for number in range(3):
        trail.write(numbered(number))
    trail.close()
    dead = trail.path
    living = begin(settings, "host:1")
    assert living
    for number in range(3, 8):
        living.write(numbered(number))
    recovery = Recovery(settings, "host:1", [OTLP])
    recovery.follow(str(living.path), 2)  # two were in the pipe of a child that is gone
    assert recovered(recovery) == [0, 1, 2, 3, 4]
    assert recovered(recovery) == []
    recovery.took(1)
    recovery.settle(OTLP, 6)
    recovery.settle(SUMS)
    assert dead.exists()
    assert living.safe == 0
    recovery.took(2)
    recovery.settle(OTLP, 2)
    assert not dead.exists()
    assert living.safe == 3
    living.close()


def test_each_taker_gets_what_it_had_not_finished(settings: dict[str, str], trail: Trail) -> None:
    for number in range(10):
        trail.write(numbered(number))
    child = Recovery(settings, "host:1", [OTLP, OTHER])
    child.follow(str(trail.path), 0)
    assert recovered(child) == []
    child.took(10)
    for slot, waiting in ((OTLP, 3), (OTHER, 0), (SUMS, 5)):
        child.settle(slot, waiting)
    assert trail.safe == 7
    assert child._own
    child._own.close()
    trail.close()
    for slot, expected in ((OTLP, [7, 8, 9]), (OTHER, []), (SUMS, [5, 6, 7, 8, 9])):
        next_child = Recovery(settings, "host:1", [OTLP, OTHER])
        assert recovered(next_child, slot) == expected
        next_child._claimed[0].close()


def test_a_child_that_is_killed_while_it_recovers_is_followed_by_one_that_goes_on(
    settings: dict[str, str], trail: Trail
) -> None:
    trail.write(numbered(0))
    trail.close()
    first = Recovery(settings, "host:1", [OTLP, OTHER])
    assert recovered(first) == [0]
    first.settle(OTLP)
    first._claimed[0].close()
    second = Recovery(settings, "host:1", [OTLP, OTHER])
    (found,) = list(second.records())
    assert found[0][OTLP] == DONE
    assert found[0][OTHER] == 0
    for slot in (OTLP, OTHER, SUMS):
        second.settle(slot)
    assert not trail.path.exists()


def test_records_of_an_older_version_get_the_new_fields(
    settings: dict[str, str], trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "packed", marshal.dumps)
    trail.write(tuple(record())[:-1])
    trail.write((*record(), "of a newer one"))
    trail.close()
    recovery = Recovery(settings, "host:1", [OTLP])
    ((_, found),) = list(recovery.records())
    assert [row for _, row in found] == [tuple(record()), tuple(record())]
    recovery._claimed[0].close()


def test_nobody_else_may_read_it_and_nobody_elses_folder_is_used(
    settings: dict[str, str], trail: Trail, tmp_path: Path
) -> None:
    assert stat.S_IMODE(trail.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(trail.path.parent.stat().st_mode) == 0o700
    trail.path.parent.chmod(0o755)
    assert begin(settings, "host:1") is None
    trail.write(numbered(0))
    trail.close()
    assert Left(settings, "host:1").claim() == []
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    trail.path.parent.rename(tmp_path / "moved")
    trail.path.parent.symlink_to(tmp_path / "elsewhere")
    assert begin(settings, "host:1") is None


def test_bytes_that_are_no_trail_end_nothing(settings: dict[str, str], trail: Trail) -> None:
    (trail.path.parent / "host_1-short").write_bytes(b"short")
    assert Left(settings, "host:1").claim() == []
    trail.write(numbered(0))
    trail._map[HEAD + 8 + 4 : HEAD + 8 + 40] = b"\xff" * 36
    assert left(trail.path) == []


def test_there_is_none_without_a_spool_or_shared_memory(
    settings: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert folder({"telemetry.spool.path": "none"}) is None
    assert begin({"telemetry.spool.path": "none"}, "a") is None
    assert folder(settings) != folder({"telemetry.spool.path": "/other"})
    monkeypatch.setattr(module, "SHARED", tmp_path / "missing")
    assert begin(settings, "a") is None


def test_what_belongs_to_nobody_is_swept_after_a_week(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHARED", tmp_path)
    forgotten = module.begin({"telemetry.spool.path": "/gone"}, "one")
    held = module.begin({"telemetry.spool.path": "/used"}, "two")
    assert forgotten is not None
    assert held is not None
    forgotten.write(("a record",))
    forgotten.close()
    assert forgotten.path.exists(), "something on it is needed still"
    now = forgotten.path.stat().st_mtime
    assert module.sweep(now + module.FORGOTTEN - 60) == 0
    assert module.sweep(now + module.FORGOTTEN + 60) == 1
    assert not forgotten.path.parent.exists()
    assert held.path.exists(), "its sidecar holds it, however old it is"
    held.close()
