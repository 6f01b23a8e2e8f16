"""A folder in place of a plane: when it is read, and what becomes of what a reader says."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import pytest

from syncagent import directory, feed
from syncagent.directory import Directory, FolderRefused
from syncagent.errors import CallFailed
from syncagent.feed import Shrunk
from syncagent.log import Log
from syncagent.settings import Settings, SettingsError
from syncagent.snapshot import MODULUS, Resource, Snapshot, contribution

# prints the folder's files as resources, or ends as the file `broken` says; `reads` counts
READER = """
import pathlib, sys
folder, told = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
with (told / "reads").open("a") as log:
    log.write("x")
broken = folder / "broken"
if broken.exists():
    print("api.json:1:2: wrong", file=sys.stderr)
    sys.exit(int(broken.read_text()))
sys.stdout.write((folder / "feed").read_text())
print("s: has no key", file=sys.stderr)
"""


def write_feed(folder: Path, **bodies: str) -> None:
    resources = []
    for name, body in bodies.items():
        text = json.dumps(body).encode()
        resources.append(Resource(f"/apis/{name}", hashlib.sha256(text).digest(), text))
    lines = ["H\t" + json.dumps({"kind": "snapshot", "dataset": "x", "from": 0, "cursor": 1, "complete": True})]
    lines += [f"U\t{each.id}\t{each.digest.hex()}\t{each.body.decode()}" for each in resources]
    lines.append(f"E\t{len(resources)}\t{sum(map(contribution, resources)) % MODULUS:064x}\n")
    (folder / "feed").write_text("\n".join(lines))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "folder"
    place.mkdir()
    write_feed(place, a="1", b="2")
    return place


@pytest.fixture
def source(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Directory:
    (tmp_path / "reader.py").write_text(READER)
    command = [sys.executable, str(tmp_path / "reader.py"), str(folder), str(tmp_path)]
    monkeypatch.setattr(Directory, "_command", lambda self: command)
    monkeypatch.setattr(directory, "SETTLE", 0.02)
    settings = Settings.read({"config.source": "directory", "config.directory.path": str(folder)})
    return Directory(settings, Log("none", "info", False, "SyncAgent"))


def reads(folder: Path) -> int:
    file = folder.parent / "reads"
    return len(file.read_text()) if file.exists() else 0


async def take(source: Directory, held: Snapshot | None) -> Snapshot:
    return feed.advance(held, await source.events(held))


async def test_versions_are_numbered_and_what_did_not_change_is_not_read(source: Directory, folder: Path) -> None:
    one = await take(source, None)
    assert (one.cursor, sorted(one.resources)) == (1, ["/apis/a", "/apis/b"])
    assert await take(source, one) == one or (await take(source, one)).content == one.content
    assert reads(folder) == 1
    write_feed(folder, a="1", b="3")
    two = await take(source, one)
    assert (two.dataset, two.cursor, reads(folder)) == (one.dataset, 2, 2)
    os.utime(folder / "feed", (1, 1))  # touched, and the same
    assert (await take(source, two)).cursor == 2
    (folder / "notes").write_text("another file, the same feed")
    assert (await take(source, two)).cursor == 2


async def test_a_backup_goes_on_and_a_planes_does_not(source: Directory) -> None:
    first = await take(source, None)
    again = Directory(source._settings, source._log)
    assert (await take(again, first)).cursor == 1
    plane = Snapshot("of-a-plane", 57, first.resources, first.fingerprint)
    assert (await take(again, plane)).dataset.startswith("directory-")


async def test_what_is_wrong_is_read_again_when_it_changes(source: Directory, folder: Path) -> None:
    one = await take(source, None)
    (folder / "broken").write_text("3")
    for _ in range(3):
        with pytest.raises(FolderRefused, match="json:1:2: wrong"):
            await source.events(one)
    assert reads(folder) == 2
    (folder / "broken").write_text("1")  # a reader that fails by itself says nothing of the folder: it is tried again
    for _ in range(2):
        with pytest.raises(CallFailed, match="failed"):
            await source.events(one)
    assert reads(folder) == 4
    (folder / "broken").unlink()
    assert (await take(source, one)).content == one.content


async def test_a_cut_feed_is_a_failure(source: Directory, folder: Path) -> None:
    text = (folder / "feed").read_text()
    (folder / "feed").write_text(text[: len(text) // 2])
    with pytest.raises(CallFailed, match="failed"):
        await source.events(None)


async def test_a_folder_that_is_away(source: Directory, folder: Path) -> None:
    one = await take(source, None)
    os.rename(folder, folder.parent / "away")
    with pytest.raises(CallFailed, match="no such folder"):
        await source.events(one)
    os.rename(folder.parent / "away", folder)
    assert (await take(source, one)).cursor == 1


async def test_what_is_being_written_is_waited_for(source: Directory, folder: Path) -> None:
    one = await take(source, None)

    async def copy() -> None:
        for number in range(8):
            (folder / f"part-{number}").write_text(str(number))
            await asyncio.sleep(0.015)
        write_feed(folder, a="9")

    copying = asyncio.create_task(copy())
    await asyncio.sleep(0.02)
    two = await take(source, one)
    await copying
    assert list(two.resources) == ["/apis/a"]
    assert reads(folder) <= 4


async def test_a_reader_that_hangs_is_ended(source: Directory, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr(Directory, "_command", lambda self: sleeper)
    source._timeout = 0.3
    began = time.monotonic()
    with pytest.raises(CallFailed, match="is not read within"):
        await source.events(None)
    assert time.monotonic() - began < 10


def test_settings() -> None:
    with pytest.raises(SettingsError, match=r"config\.directory\.path is required"):
        Settings.read({"config.source": "directory"})
    with pytest.raises(SettingsError, match=r"config\.source must be one of plane, directory"):
        Settings.read({"config.source": "folder"})
    given = Settings.read({
        "config.source": "directory", "config.directory.path": "/a", "config.directory.overrides": "/b",
        "config.directory.tokens": "/c",
    })  # fmt: skip
    assert (given.source, given.directory, given.overrides, given.tokens) == (
        "directory", Path("/a"), Path("/b"), Path("/c"),
    )  # fmt: skip


async def test_a_reader_that_is_killed_leaves_nothing_behind(
    source: Directory, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    (tmp_path / "reader.py").write_text(
        "import pathlib, sys, tempfile, time\n"
        "made = tempfile.mkdtemp()\n"
        "(pathlib.Path(sys.argv[2]) / 'made').write_text(made)\n"
        "time.sleep(60)\n"
    )
    monkeypatch.setattr(source, "_timeout", 1.0)
    with pytest.raises(CallFailed, match="is not read within"):
        await take(source, None)
    assert (tmp_path / "made").read_text().startswith(str(place))
    assert list(place.iterdir()) == []


async def test_a_folder_that_lost_more_than_half_is_refused_until_its_mark_changes(
    source: Directory, folder: Path
) -> None:
    write_feed(folder, a="1", b="2", c="3", d="4", e="5")
    one = await take(source, None)
    write_feed(folder, a="1", b="2")
    for _ in range(2):  # also when it is not read again
        with pytest.raises(Shrunk, match="2 resources where 5 are held"):
            await source.events(one)
    again = Directory(source._settings, source._log)
    with pytest.raises(Shrunk):
        await again.events(one)
    (folder / "full-sync.txt").write_text("the shop is closed")
    two = await take(source, one)
    assert sorted(two.resources) == ["/apis/a", "/apis/b", "/fullSync"]
    write_feed(folder)
    with pytest.raises(Shrunk):  # the mark was good for one time
        await source.events(two)
    (folder / "full-sync.txt").write_text("all of it")
    assert sorted((await take(source, two)).resources) == ["/fullSync"]


async def test_a_folder_without_an_api_is_no_first_configuration(source: Directory, folder: Path) -> None:
    write_feed(folder)
    with pytest.raises(Shrunk, match="0 resources"):
        await source.events(None)
