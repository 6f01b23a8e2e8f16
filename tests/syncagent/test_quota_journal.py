"""Quotas on disk: what was saved is counted on from, whatever became of the file; and it keeps nobody from starting."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from syncagent import quota_journal
from syncagent.backup import Backup, ReadOnlyBackup
from syncagent.quota_journal import NAME, QuotaJournal
from syncagent.quotas import Counted, Name, Total

ANN, BOB = Name("quota-by-key/ann-canary", -62135596800.0, 604800), Name("bob", 0.0, 0)
NOW = 1_000.0


def journal(folder: Path, gateway: str = "g", key: str = "secret") -> QuotaJournal:
    return QuotaJournal(folder, gateway, Backup(folder, gateway, [key]))


def of(calls: int, name: Name = BOB) -> list[Counted]:
    return [(name, Total(0, calls, 10))]


def test_what_was_saved_is_there_again(tmp_path: Path) -> None:
    writer = journal(tmp_path)
    assert writer.load() == ([], [])
    everything = [(ANN, Total(103_000, 4, 5600)), (BOB, Total(0, 1, 2))]
    writer.save(everything, everything, NOW)
    for calls in range(2, 50):
        writer.save(of(calls), [], NOW)
    assert journal(tmp_path).load() == ([(ANN, Total(103_000, 4, 5600)), (BOB, Total(0, 49, 10))], [])
    content = (tmp_path / NAME).read_bytes()
    assert b"canary" not in content
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


def test_a_whole_file_follows_without_windows_that_passed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota_journal, "SMALL", 500)
    writer = journal(tmp_path)
    old = (Name("old", 0.0, 10), Total(3, 1, 1))
    for calls in range(1, 200):
        writer.save([*of(calls), old], [*of(calls), old], NOW)
    assert (tmp_path / NAME).stat().st_size < 3_000
    writer._count = 0
    writer.save(of(200), [*of(200), old], NOW)
    assert journal(tmp_path).load() == (of(200), [])


def test_every_flip_is_found_and_every_cut_leaves_what_was_before(tmp_path: Path) -> None:
    writer = journal(tmp_path)
    ends = []
    for calls in range(1, 5):
        writer.save(of(calls), of(calls), NOW)
        ends.append((tmp_path / NAME).stat().st_size)
    content = (tmp_path / NAME).read_bytes()
    reader = journal(tmp_path)  # one, since a key is dear to derive
    for place in range(0, len(content), 3):
        flipped = bytearray(content)
        flipped[place] ^= 1 << random.Random(place).randrange(8)
        (tmp_path / NAME).write_bytes(flipped)
        found, complaints = reader.load()
        before = sum(place >= end for end in ends)
        assert complaints, place
        assert found == (of(before) if before else []), place
    for size in range(len(content)):
        (tmp_path / NAME).write_bytes(content[:size])
        found, complaints = reader.load()
        whole = sum(size >= end for end in ends)
        assert found == (of(whole) if whole else []), size
        assert complaints or size in ends, size


def test_those_of_another_gateway_or_key_are_left_alone(tmp_path: Path) -> None:
    journal(tmp_path).save(of(1), of(1), NOW)
    for other in (journal(tmp_path, gateway="h"), journal(tmp_path, key="other")):
        found, complaints = other.load()
        assert found == []
        assert "another" in complaints[0]
    assert journal(tmp_path).load() == (of(1), [])


def test_a_full_disk_loses_nothing_that_was_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = journal(tmp_path)
    writer.save(of(1), of(1), NOW)
    with monkeypatch.context() as full:

        def refuse(_: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        full.setattr(os, "fsync", refuse)
        for _ in range(2):
            with pytest.raises(OSError, match="No space"):
                writer.save(of(2), of(2), NOW)
    assert journal(tmp_path).load()[0] in (of(1), of(2))
    assert not list(tmp_path.glob(".saving-*"))
    writer.save(of(3), of(3), NOW)
    assert journal(tmp_path).load() == (of(3), [])


def test_only_one_agent_writes(tmp_path: Path) -> None:
    journal_of_one, journal_of_two = journal(tmp_path), journal(tmp_path)
    journal_of_one.save(of(1), of(1), NOW)
    with pytest.raises(ReadOnlyBackup):
        journal_of_two.save(of(9), of(9), NOW)
    assert journal_of_two.load() == (of(1), [])


WRITER = """
import pathlib, sys
from syncagent.backup import Backup
from syncagent.quota_journal import QuotaJournal
from syncagent.quotas import Name, Total
folder = pathlib.Path(sys.argv[1])
journal = QuotaJournal(folder, "g", Backup(folder, "g", ["secret"]))
found, complaints = journal.load()
assert not complaints, complaints
calls = found[0][1].calls if found else 0
while True:
    calls += 1
    counted = [(Name("bob", 0.0, 0), Total(0, calls, 10))]
    journal.save(counted, counted, 0.0)
    print(calls, flush=True)
"""


def test_what_was_told_to_be_saved_outlives_kills(tmp_path: Path) -> None:
    told = 0
    for _ in range(4):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        for _ in range(20):
            told = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split()
        writer.stdout.close()
        writer.wait(10)
        told = max([told, *map(int, rest)])
        found, complaints = journal(tmp_path).load()
        assert complaints == []
        assert found[0][1].calls >= told
