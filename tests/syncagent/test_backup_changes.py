"""Changes behind a large generation: small writes, nothing lost, nothing believed that does not authenticate."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import pytest

from syncagent import backup as backups
from syncagent import backup_changes
from syncagent.backup import Backup
from syncagent.backup_changes import Damaged, Entry
from syncagent.backup_reading import CHANGES, FORMER_CHANGES
from syncagent.snapshot import Changes, Operation, Resource, Snapshot, apply


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backups, "WHOLE_BELOW", 1_000)


def resource(number: int, cursor: int) -> Resource:
    body = f'{{"n":{number},"c":{cursor},"text":"{hashlib.sha512(str(number).encode()).hexdigest()}"}}'.encode()
    return Resource(f"/x/{number}", hashlib.sha256(body).digest(), body)


def first(count: int = 300) -> Snapshot:
    return apply(None, [resource(number, 1) for number in range(count)], "d1", 1)


def then(snapshot: Snapshot) -> Snapshot:
    """One change later: one resource set, now and then one gone and one new."""
    cursor = snapshot.cursor + 1
    operations: list[Operation] = [resource(cursor % 50, cursor)]
    if cursor % 3 == 0:
        operations += [f"/x/{100 + cursor}", resource(1000 + cursor, cursor)]
    return apply(snapshot, operations, "d1", cursor)


# one reader for all: deriving the key afresh is most of the time
READERS: dict[tuple[Path, str], Backup] = {}


def restored(directory: Path, key: str = "k1") -> tuple[Snapshot | None, tuple[str, ...]]:
    reader = READERS.setdefault((directory, key), Backup(directory, "gw1", [key]))
    found = reader.restore()
    return found.snapshot, found.complaints


def same(left: Snapshot | None, right: Snapshot) -> bool:
    assert left is not None
    told = (left.cursor, left.content, dict(left.resources))
    return told == (right.cursor, right.content, dict(right.resources))


def saved(directory: Path, count: int) -> list[Snapshot]:
    """One whole generation and `count` changes behind it."""
    writer, snapshots = Backup(directory, "gw1", ["k1"]), [first()]
    assert writer.save(snapshots[0])
    whole = (directory / "current").read_bytes()
    for _ in range(count):
        snapshots.append(then(snapshots[-1]))
        assert writer.save(snapshots[-1])
        assert same(restored(directory)[0], snapshots[-1])
    assert (directory / "current").read_bytes() == whole
    writer.close()
    return snapshots


def test_a_change_is_a_small_write(tmp_path: Path) -> None:
    saved(tmp_path, 7)
    assert (tmp_path / CHANGES).stat().st_size < (tmp_path / "current").stat().st_size / 3
    assert (tmp_path / CHANGES).stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "prev-1").exists()


def test_a_whole_generation_follows_in_time(tmp_path: Path) -> None:
    writer, snapshot = Backup(tmp_path, "gw1", ["k1"]), first()
    for _ in range(60):
        writer.save(snapshot)
        snapshot = then(snapshot)
        size = (tmp_path / CHANGES).stat().st_size if (tmp_path / CHANGES).exists() else 0
        assert size <= (tmp_path / "current").stat().st_size / 2
    assert (tmp_path / "prev-1").exists()


def test_a_way_that_is_not_remembered_is_written_whole(tmp_path: Path) -> None:
    writer, snapshot = Backup(tmp_path, "gw1", ["k1"]), first()
    writer.save(snapshot)
    other = apply(None, then(snapshot).resources.values(), "d1", 2)
    writer.save(other)
    assert not (tmp_path / CHANGES).exists()
    assert same(restored(tmp_path)[0], other)


def test_cut_anywhere_what_was_acknowledged_before_is_there(tmp_path: Path) -> None:
    snapshots = saved(tmp_path, 3)
    content = (tmp_path / CHANGES).read_bytes()
    contents = {each.content: each for each in snapshots}
    ends = [len(content[: content.index(b"PSRLCHGS", at)]) for at in (1, content.index(b"PSRLCHGS", 1) + 1)]
    for size in sorted({*ends, *range(0, len(content), 7)}):
        (tmp_path / CHANGES).write_bytes(content[:size])
        found, complaints = restored(tmp_path)
        assert found is not None
        assert same(found, contents[found.content])
        boundary = size == 0 or size in ends
        assert bool(complaints) != boundary, "a cut between two is as if nothing had followed, any other is told"


def test_no_damage_goes_undetected(tmp_path: Path) -> None:
    snapshots = saved(tmp_path, 3)
    content = (tmp_path / CHANGES).read_bytes()
    contents = {each.content: each for each in snapshots}
    for at in range(0, len(content), 11):
        (tmp_path / CHANGES).write_bytes(content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :])
        found, complaints = restored(tmp_path)
        assert complaints
        assert found is not None
        assert same(found, contents[found.content])
        assert found.content != snapshots[-1].content
    half = len(content) // 3
    (tmp_path / CHANGES).write_bytes(content[half:])
    found, complaints = restored(tmp_path)
    assert same(found, snapshots[0])
    assert len(complaints) == 1
    assert "what was saved before them is used" in complaints[0]


def test_each_bit_of_changes_counts() -> None:
    key, held, content = b"k" * 32, first(2), b""
    for number in range(2):
        held = then(held)
        content += backup_changes.encode(key, "base", number, held, Changes((resource(number, 2),), ("/x/9",)), 1.0)
    whole = list(backup_changes.decode(content, key, "base"))
    assert len(whole) == 2
    for at, bit in itertools.product(range(len(content)), range(8)):
        damaged = content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]
        found: list[Entry] = []
        with pytest.raises(Damaged):
            found.extend(backup_changes.decode(damaged, key, "base"))
        assert found == whole[: len(found)]
        assert len(found) < 2


def test_repeated_changes_are_refused(tmp_path: Path) -> None:
    snapshots = saved(tmp_path, 1)
    content = (tmp_path / CHANGES).read_bytes()
    (tmp_path / CHANGES).write_bytes(content + content)
    found, complaints = restored(tmp_path)
    assert same(found, snapshots[-1])
    assert len(complaints) == 1


def test_changes_of_another_generation_are_passed_over(tmp_path: Path) -> None:
    """As a kill between the rename of a generation and the removal of the changes leaves it."""
    snapshots = saved(tmp_path, 2)
    content = (tmp_path / CHANGES).read_bytes()
    newer = then(then(snapshots[-1]))
    assert Backup(tmp_path, "gw1", ["k1"]).save(newer)
    (tmp_path / CHANGES).write_bytes(content)
    assert same(restored(tmp_path)[0], newer)


def test_changes_stay_with_a_generation_that_is_no_longer_the_first(tmp_path: Path) -> None:
    snapshots = saved(tmp_path, 2)
    assert Backup(tmp_path, "gw1", ["k1"]).save(first(310))
    assert (tmp_path / FORMER_CHANGES).exists()
    (tmp_path / "current").unlink()
    assert same(restored(tmp_path)[0], snapshots[-1])


def test_a_kill_between_two_renames_takes_no_change_away(tmp_path: Path) -> None:
    """The generation has moved on already, the new one has not come, and the changes have their old name."""
    snapshots = saved(tmp_path, 2)
    (tmp_path / "current").rename(tmp_path / "prev-1")
    found, complaints = restored(tmp_path)
    assert same(found, snapshots[-1])
    assert not complaints


def test_a_new_key_begins_with_a_whole_generation(tmp_path: Path) -> None:
    snapshots = saved(tmp_path, 2)
    writer = Backup(tmp_path, "gw1", ["k2", "k1"])
    assert same(writer.restore().snapshot, snapshots[-1])
    newer = then(snapshots[-1])
    writer.save(newer)
    assert not (tmp_path / CHANGES).exists()
    assert same(restored(tmp_path, "k2")[0], newer)
