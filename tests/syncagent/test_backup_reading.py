"""What a backup is, told to people: nothing is written, locked or renamed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from syncagent import backup as backups
from syncagent.backup import Backup
from syncagent.backup_file import BackupError
from syncagent.backup_reading import contents, inspect
from tests.syncagent.backup_kills import first, then


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Versions 0 and 1 as `prev-1`, with a change behind it; 2 as `current`; the writer still runs."""
    monkeypatch.setattr(backups, "WHOLE_BELOW", 0)
    place = tmp_path / "backup"
    writer, held = Backup(place, "gw1", ["k1"]), first()
    writer.save(held)
    held = then(held)
    writer.save(held)
    monkeypatch.setattr(backups, "WHOLE_BELOW", 1 << 30)
    writer.save(then(held))
    return place


def state(directory: Path) -> list[tuple[str, int, int]]:
    return sorted((path.name, path.stat().st_mtime_ns, path.stat().st_size) for path in directory.iterdir())


def test_each_generation_is_told_with_its_changes(directory: Path) -> None:
    before = state(directory)
    current, former = inspect(directory, ["k2", "k1"])
    assert (current.name, current.cursor, current.changes, current.resources) == ("current", 2, 0, 60)
    assert (former.name, former.cursor, former.changes) == ("prev-1", 1, 1)
    for each in (current, former):
        assert each.readable
        assert not each.damaged
        assert not each.present_key, "the second of the keys was it"
        assert each.problem == ""
        assert each.header is not None
        assert (each.header.gateway, each.header.format, each.dataset) == ("gw1", 2, "d1")
        assert abs(each.saved - time.time()) < 60
        assert each.size == (directory / each.name).stat().st_size
    assert inspect(directory / "current", ["k1"])[0].present_key
    assert state(directory) == before


def test_damage_and_a_missing_key_are_told_apart(directory: Path) -> None:
    path = directory / "current"
    path.write_bytes(path.read_bytes()[:-1])
    (directory / "prev-2").write_bytes(b"")
    current, former, cut = inspect(directory, ["k3"])
    assert not current.readable
    assert not current.damaged, "without the key nobody can tell"
    assert current.cursor == 2, "what the header says, to be taken with care"
    assert "another key" in former.problem
    assert cut.damaged
    assert cut.header is None
    damaged, former, _ = inspect(directory, ["k1"])
    assert damaged.damaged
    assert "do not authenticate" in damaged.problem
    assert former.readable


def test_what_was_set_aside_is_told_too(directory: Path) -> None:
    os.rename(directory / "current", directory / "current.bad")
    assert [each.name for each in inspect(directory, ["k1"])] == ["prev-1", "current.bad"]


def test_damaged_changes_are_told(directory: Path) -> None:
    path = directory / "changes-1"
    path.write_bytes(path.read_bytes()[:-1])
    former = inspect(directory, ["k1"])[1]
    assert former.readable
    assert former.damaged
    assert (former.cursor, former.changes) == (0, 0)
    assert "cut short" in former.problem


def test_contents_are_those_of_the_newest_that_can_be_read(directory: Path) -> None:
    assert contents(directory, ["k1"]).cursor == 2
    assert contents(directory / "prev-1", ["k1"]).cursor == 1
    (directory / "current").write_bytes(b"garbage")
    found = contents(directory, ["k1"])
    assert found.cursor == 1
    assert dict(found.resources) == dict(then(first()).resources)
    with pytest.raises(BackupError, match="another key"):
        contents(directory, ["k2"])


def test_nothing_there_is_said(tmp_path: Path) -> None:
    assert inspect(tmp_path, ["k1"]) == []
    with pytest.raises(BackupError, match="there is no backup"):
        contents(tmp_path, ["k1"])
    with pytest.raises(FileNotFoundError):
        inspect(tmp_path / "none", ["k1"])
