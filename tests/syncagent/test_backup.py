"""The backup: never served when damaged, always loadable, encrypted, for one gateway, by one writer."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from syncagent import backup_file, records
from syncagent.backup import Backup, ReadOnlyBackup
from syncagent.backup_keys import KeysUnavailable, read_keys
from syncagent.backup_reading import GENERATIONS
from syncagent.snapshot import Resource, Snapshot, apply

ROOT = Path(__file__).resolve().parents[2]
CANARY = b'{"value":"canary-secret-0123456789"}'


def snapshot(cursor: int = 1, count: int = 3) -> Snapshot:
    bodies = [CANARY, *(json.dumps({"n": number, "c": cursor}).encode() for number in range(count))]
    resources = [Resource(f"/x/{n}", hashlib.sha256(body).digest(), body) for n, body in enumerate(bodies)]
    return apply(None, resources, "d1", cursor)


def restored(directory: Path, gateway: str = "gw1", *keys: str) -> Snapshot | None:
    return Backup(directory, gateway, list(keys) or ["k1"]).restore().snapshot


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "backup"


@pytest.fixture
def writer(directory: Path) -> Backup:
    return Backup(directory, "gw1", ["k1"])


@given(
    st.dictionaries(
        st.text(alphabet=st.characters(exclude_characters="\n", exclude_categories=["Cs"])).map("/{}".format),
        st.binary(),
    )
)
def test_records_come_back_as_they_were(content: dict[str, bytes]) -> None:
    resources = {id: Resource(id, hashlib.sha256(body).digest(), body) for id, body in content.items()}
    assert records.unpack(records.pack(resources.values())) == resources


def test_records_beyond_the_bound_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_PLAIN", 1_000)
    with pytest.raises(records.RecordsError, match="larger than 1000"):
        records.unpack(zlib.compress(b"\0" * 10_000))
    with pytest.raises(records.RecordsError, match="do not add up"):
        records.unpack(zlib.compress(records.HEAD.pack(3, 2) + b"/a"))


def test_a_save_is_restored_with_everything(writer: Backup, directory: Path) -> None:
    saved = snapshot(7)
    assert writer.save(saved)
    found = Backup(directory, "gw1", ["k1"]).restore()
    assert found.snapshot is not None
    assert found.generation == "current"
    assert found.complaints == ()
    assert found.snapshot.resources == saved.resources
    assert (found.snapshot.cursor, found.snapshot.content) == (7, saved.content)


def test_files_are_private_and_unreadable_without_the_key(writer: Backup, directory: Path) -> None:
    writer.save(snapshot())
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    for file in directory.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        content = file.read_bytes()
        assert b"canary" not in content
        assert zlib.compress(CANARY)[2:12] not in content


def test_nothing_is_written_when_nothing_changed(writer: Backup, directory: Path) -> None:
    assert writer.save(snapshot(1))
    before = (directory / "current").stat()
    same = snapshot(1)
    assert not writer.save(Snapshot(same.dataset, 99, same.resources, same.fingerprint))
    assert (directory / "current").stat().st_ino == before.st_ino
    assert not (directory / "prev-1").exists()
    writer.close()
    successor = Backup(directory, "gw1", ["k1"])
    successor.restore()
    assert not successor.save(snapshot(1))


def test_four_generations_are_kept(writer: Backup, directory: Path) -> None:
    for cursor in range(1, 7):
        writer.save(snapshot(cursor))
    assert sorted(path.name for path in directory.iterdir()) == ["current", "lock", "prev-1", "prev-2", "prev-3"]
    for index, name in enumerate(GENERATIONS):
        for other in GENERATIONS[:index]:
            (directory / other).unlink(missing_ok=True)
        found = Backup(directory, "gw1", ["k1"]).restore()
        assert found.generation == name
        assert found.snapshot is not None
        assert found.snapshot.cursor == 6 - index


def test_no_damage_goes_undetected(writer: Backup, directory: Path) -> None:
    """Each bit of a small generation, each length that it can be cut to: never served, told, set aside."""
    writer.save(snapshot(count=1))
    writer.close()
    path, aside = directory / "current", directory / "current.bad"
    whole = path.read_bytes()
    flips = ((at, bit) for at in range(len(whole)) for bit in range(8))
    damaged = [whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :] for at, bit in flips]
    damaged += [whole[:size] for size in range(len(whole))]
    damaged += [b"\0" * len(whole), b"garbage", whole + b"\0", whole * 2]
    # One reader for all: deriving the key afresh is most of the time.
    reader = Backup(directory, "gw1", ["k1"])
    for content in damaged:
        path.write_bytes(content)
        found = reader.restore()
        assert found.snapshot is None
        assert found.complaints
        assert aside.read_bytes() == content
        assert not path.exists()


def test_what_is_no_file_is_passed_over(writer: Backup, directory: Path) -> None:
    writer.save(snapshot(1))
    writer.save(snapshot(2))
    (directory / "current").unlink()
    os.mkfifo(directory / "current")
    found = Backup(directory, "gw1", ["k1"]).restore()
    assert found.generation == "prev-1"
    assert "no file" in found.complaints[0]


def test_a_damaged_generation_is_set_aside_and_the_next_one_used(writer: Backup, directory: Path) -> None:
    writer.save(snapshot(1))
    writer.save(snapshot(2))
    writer.close()
    path = directory / "current"
    path.write_bytes(path.read_bytes()[:-1])
    found = Backup(directory, "gw1", ["k1"]).restore()
    assert found.snapshot is not None
    assert (found.generation, found.snapshot.cursor) == ("prev-1", 1)
    assert (directory / "current.bad").exists()
    assert not path.exists()


def test_who_does_not_hold_the_lock_sets_nothing_aside(writer: Backup, directory: Path) -> None:
    """What seems damaged to a reader may be what the writer is about to replace."""
    writer.save(snapshot(1))
    writer.save(snapshot(2))
    path = directory / "current"
    path.write_bytes(path.read_bytes()[:-1])
    found = Backup(directory, "gw1", ["k1"]).restore()
    assert found.generation == "prev-1"
    assert "stays where it is" in found.complaints[0]
    assert path.exists()


def test_a_successor_writes_what_another_changed_since_it_read(writer: Backup, directory: Path) -> None:
    writer.save(snapshot(1))
    successor = Backup(directory, "gw1", ["k1"])
    assert successor.restore().snapshot is not None
    writer.save(snapshot(2))
    writer.close()
    assert successor.save(snapshot(1)), "what it had read is not what is there"
    successor.close()
    found = restored(directory)
    assert found is not None
    assert found.cursor == 1


def test_a_restore_with_a_complaint_is_healed_by_the_next_save(writer: Backup, directory: Path) -> None:
    writer.save(snapshot(1))
    writer.save(snapshot(2))
    writer.close()
    (directory / "current").write_bytes(b"")
    agent = Backup(directory, "gw1", ["k1"])
    held = agent.restore().snapshot
    assert held is not None
    assert agent.save(held)
    agent.close()
    found = Backup(directory, "gw1", ["k1"]).restore()
    assert (found.generation, found.complaints) == ("current", ())


def test_a_rotated_key_reads_with_the_former_and_writes_anew_with_the_present(writer: Backup, directory: Path) -> None:
    writer.save(snapshot(1))
    writer.close()
    agent = Backup(directory, "gw1", ["k2", "k1"])
    found = agent.restore()
    assert found.snapshot is not None
    assert not found.present
    assert agent.save(found.snapshot), "though nothing changed"
    assert not agent.save(found.snapshot)
    agent.close()
    again = Backup(directory, "gw1", ["k2"]).restore()
    assert again.snapshot is not None
    assert again.present
    assert again.complaints == ()


def test_a_key_that_comes_late_is_used(directory: Path, tmp_path: Path) -> None:
    """As on a volume that is mounted, or writable, only after the start."""
    file = tmp_path / "file" / "key"
    (tmp_path / "file").touch()
    agent = Backup(directory, "gw1", lambda: read_keys("", file))
    with pytest.raises(KeysUnavailable, match="cannot be used"):
        agent.restore()
    with pytest.raises(KeysUnavailable):
        agent.save(snapshot())
    (tmp_path / "file").unlink()
    assert agent.save(snapshot())
    agent.close()
    assert restored(directory, "gw1", file.read_text().strip()) is not None


@pytest.mark.parametrize("ahead", [-86_400, 86_400])
def test_a_clock_that_jumped_changes_nothing(
    ahead: int, writer: Backup, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now + ahead)
        writer.save(snapshot(1))
    writer.save(snapshot(2))
    writer.close()
    for generation in ("current", "prev-1"):
        found = Backup(directory, "gw1", ["k1"]).restore()
        assert found.generation == generation
        assert found.complaints == ()
        (directory / "current").unlink(missing_ok=True)


def test_a_wrong_key_leaves_the_file_and_says_so(writer: Backup, directory: Path) -> None:
    writer.save(snapshot())
    found = Backup(directory, "gw1", ["k2"]).restore()
    assert found.snapshot is None
    assert "another key" in found.complaints[0]
    assert (directory / "current").exists()
    assert restored(directory, "gw1", "k2", "k1") is not None


def test_the_backup_of_another_gateway_is_refused(writer: Backup, directory: Path) -> None:
    writer.save(snapshot())
    found = Backup(directory, "gw2", ["k1"]).restore()
    assert found.snapshot is None
    assert "another gateway" in found.complaints[0]


def test_a_changed_gateway_in_the_header_does_not_authenticate(writer: Backup, directory: Path) -> None:
    writer.save(snapshot())
    path = directory / "current"
    path.write_bytes(path.read_bytes().replace(b'"gw1"', b'"gw2"', 1))
    found = Backup(directory, "gw2", ["k1"]).restore()
    assert found.snapshot is None
    assert "damaged" in found.complaints[0]


def test_a_newer_format_is_passed_over(writer: Backup, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer.save(snapshot(1))
    with monkeypatch.context() as patch:
        patch.setattr(backup_file, "FORMAT", backup_file.FORMAT + 1)
        writer.save(snapshot(2))
    writer.close()
    found = Backup(directory, "gw1", ["k1"]).restore()
    assert found.generation == "prev-1"
    assert "its format is 3" in found.complaints[0]
    assert (directory / "current").exists()


def test_an_authentic_bomb_is_refused(writer: Backup, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "pack", lambda resources: zlib.compress(b"\0" * 50_000))
    writer.save(snapshot())
    monkeypatch.setattr(records, "MAX_PLAIN", 10_000)
    found = Backup(directory, "gw1", ["k1"]).restore()
    assert found.snapshot is None
    assert "larger than" in found.complaints[0]


def test_a_second_writer_reads_only_until_the_first_is_gone(writer: Backup, directory: Path) -> None:
    writer.save(snapshot(1))
    second = Backup(directory, "gw1", ["k1"])
    assert second.restore().snapshot is not None
    with pytest.raises(ReadOnlyBackup):
        second.save(snapshot(2))
    writer.close()
    assert second.save(snapshot(2))
    second.close()


def test_a_failed_write_leaves_the_old_generations(
    writer: Backup, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.save(snapshot(1))

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_space)
        with pytest.raises(OSError, match="No space"):
            writer.save(snapshot(2))
    assert sorted(path.name for path in directory.iterdir()) == ["current", "lock"]
    found = restored(directory)
    assert found is not None
    assert found.cursor == 1
    assert writer.save(snapshot(2))


@pytest.mark.parametrize("fatal", range(5))
def test_death_between_any_two_renames_leaves_a_generation(
    fatal: int, writer: Backup, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cursor in range(1, 5):
        writer.save(snapshot(cursor))
    replace, calls = Path.replace, iter(range(100))

    def die(self: Path, target: Path) -> Path:
        if next(calls) == fatal:
            raise KeyboardInterrupt
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", die)
        with pytest.raises(KeyboardInterrupt):
            writer.save(snapshot(5))
    found = restored(directory)
    assert found is not None
    assert found.cursor == (5 if fatal == 4 else 4)


def test_what_a_killed_writer_left_is_swept(directory: Path) -> None:
    directory.mkdir()
    (directory / ".saving-1").write_bytes(b"half")
    Backup(directory, "gw1", ["k1"]).save(snapshot())
    assert not (directory / ".saving-1").exists()


def test_nonces_never_repeat(writer: Backup, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    encrypt = AESGCM.encrypt

    class Spy:
        def __init__(self, key: bytes) -> None:
            self.cipher = AESGCM(key)

        def encrypt(self, nonce: bytes, data: bytes, aad: bytes) -> bytes:
            seen.append(nonce)
            return encrypt(self.cipher, nonce, data, aad)

    monkeypatch.setattr(backup_file, "AESGCM", Spy)
    for cursor in range(20):
        writer.save(snapshot(cursor))
    assert len(set(seen)) == 20


def test_a_key_file_is_made_once_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "new" / "backup.key"
    first = read_keys("", file)
    assert len(first[0]) >= 43
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_keys("", file) == first
    assert read_keys("old", file) == ["old"]
    file.write_text("new\n\n old \n")
    assert read_keys("", file) == ["new", "old"]
    file.write_text("\n")
    with pytest.raises(ValueError, match="is empty"):
        read_keys("", file)


def test_former_keys_come_behind_the_present_one(tmp_path: Path) -> None:
    file = tmp_path / "former"
    assert read_keys("new", None, "old", file) == ["new", "old"], "the file may be absent"
    file.write_text("older\nold\n\n")
    assert read_keys("new", None, "old\n new", file) == ["new", "old", "older"]
    file.write_text("\n".join(map(str, range(20))))
    with pytest.raises(ValueError, match="at most 16"):
        read_keys("new", None, "", file)


def test_killed_at_any_instant_of_a_save_nothing_is_lost() -> None:
    """`make backup-kills`, in short: in a process of its own, since it forks."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.syncagent.backup_kills", "--kills", os.environ.get("PASSERELLE_KILLS", "90")],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    assert "wrong: 0" in run.stdout
