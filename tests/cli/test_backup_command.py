"""`passerelle backup`: what it tells of generations, good and bad, and what it puts back."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from passerelle.main import main
from syncagent.backup import Backup
from syncagent.snapshot import Resource, Snapshot, apply


def snapshot(cursor: int, bodies: dict[str, bytes]) -> Snapshot:
    resources = [Resource(id, hashlib.sha256(body).digest(), body) for id, body in bodies.items()]
    return apply(None, resources, "d1", cursor)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["backup", *arguments])


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Two generations of gateway `edge`."""
    place = tmp_path / "backup"
    place.mkdir(mode=0o700)
    (place / "backup.key").write_text("the\nkey\n")
    store = Backup(place, "edge", ["the", "key"])
    store.save(snapshot(1, {"/apis/a": b"{}"}))
    store.close()
    store = Backup(place, "edge", ["the", "key"])
    store.save(snapshot(2, {"/apis/a": b"{}", "/namedValues/pass": b'{"value":"hunter2"}'}))
    store.close()
    return place


def test_what_is_there(place: Path) -> None:
    told = run("inspect", "--path", str(place), "--contents")
    assert told.exit_code == 0, told.output
    assert "edge" in told.output
    assert "/namedValues/pass" in told.output
    assert "hunter2" not in told.output
    found = json.loads(run("inspect", "--path", str(place), "--json").output)
    assert [(each["name"], each["version"]) for each in found["generations"]] == [("current", 2), ("prev-1", 1)]


def test_damage_is_told(place: Path) -> None:
    content = bytearray((place / "current").read_bytes())
    content[-1] ^= 1
    (place / "current").write_bytes(content)
    told = run("inspect", "--path", str(place))
    assert told.exit_code == 3
    assert "damaged" in told.output
    assert run("restore", "current", "--path", str(place)).exit_code == 1


def test_a_wrong_key_and_no_key(place: Path, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("other\n")
    told = run("inspect", "--path", str(place), "--key-file", str(tmp_path / "other"))
    assert told.exit_code == 3
    assert "another key" in told.output
    (place / "backup.key").unlink()
    assert run("inspect", "--path", str(place)).exit_code == 2


def test_a_generation_is_put_back(place: Path) -> None:
    told = run("restore", "prev-1", "--path", str(place))
    assert told.exit_code == 0, told.output
    assert "version 1 of gateway edge, 1 resources" in told.output
    restored = Backup(place, "edge", ["the", "key"]).restore()
    assert restored.snapshot is not None
    assert (restored.snapshot.cursor, list(restored.snapshot.resources)) == (1, ["/apis/a"])


def test_not_beside_a_running_agent(place: Path) -> None:
    agent = Backup(place, "edge", ["the", "key"])
    agent.save(snapshot(3, {"/apis/b": b"{}"}))
    told = run("restore", "prev-1", "--path", str(place))
    agent.close()
    assert told.exit_code == 1
    assert "end the agent first" in told.output
