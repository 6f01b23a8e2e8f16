"""Backups of released formats load in this one, from files that those releases wrote."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from syncagent.backup import Backup
from syncagent.snapshot import Snapshot
from tests.syncagent.make_backup_fixture import FIXTURES, GATEWAY, KEY, name_of_format, versions

KEPT = sorted(path.name for path in FIXTURES.glob("backup-*"))


@pytest.fixture(params=KEPT)
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy: who restores may set something aside."""
    return Path(shutil.copytree(FIXTURES / request.param, tmp_path / "backup"))


def restored(directory: Path) -> Snapshot:
    backup = Backup(directory, GATEWAY, [KEY])
    found = backup.restore()
    backup.close()
    assert found.complaints == ()
    assert found.snapshot is not None
    return found.snapshot


def same(left: Snapshot, right: Snapshot) -> bool:
    return (left.cursor, left.content, dict(left.resources)) == (right.cursor, right.content, dict(right.resources))


def test_every_released_format_loads_with_its_changes(directory: Path) -> None:
    assert same(restored(directory), versions()[-1])


def test_so_do_its_older_generations(directory: Path) -> None:
    (directory / "current").unlink()
    assert same(restored(directory), versions()[0])


def test_the_next_save_is_of_this_release(directory: Path) -> None:
    newer = Snapshot("fixture-dataset", 5, versions()[1].resources, versions()[1].fingerprint)
    backup = Backup(directory, GATEWAY, [KEY])
    backup.restore()
    assert backup.save(newer)
    backup.close()
    assert same(restored(directory), newer)
    (directory / "current").unlink()
    assert same(restored(directory), versions()[-1]), "the changes of what is now prev-1 count"


def test_the_present_format_is_kept_too() -> None:
    told = "a new format needs a fixture: python -m tests.syncagent.make_backup_fixture"
    assert name_of_format() in KEPT, told
