"""`make backup-kills`: a process that does nothing but save is killed hundreds of times, and nothing it told is lost.

Half of the kills come at a random moment, the others at each step of a save in turn: before every call that touches
the disk, and in the middle of every write. After each one the backup must load, hold exactly what one version is, and
that version must be the last that was acknowledged or the one that was being saved. Generations are small and have few
changes behind them, so that whole saves, appends and the renames between them all have their turn.
"""

from __future__ import annotations

import argparse
import builtins
import contextlib
import hashlib
import os
import random
import signal
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from benchmarks.table import table
from syncagent import backup as backups
from syncagent.backup import Backup, Restored
from syncagent.snapshot import Operation, Resource, Snapshot, apply

STEPS = 90  # three whole saves and the changes behind each of them
LONGEST = 0.03  # seconds of saving before a kill at random
RESOURCES = 60
TOLD = struct.Struct("q")
# Deriving a key takes 50 ms: once for all.
DERIVED: dict[tuple[str, bytes], bytes] = {}


def resource(number: int, cursor: int) -> Resource:
    body = f'{{"n":{number},"changed":{cursor},"text":"{hashlib.sha512(str(number).encode()).hexdigest()}"}}'.encode()
    return Resource(f"/apis/{number}", hashlib.sha256(body).digest(), body)


def first() -> Snapshot:
    return apply(None, [resource(number, 0) for number in range(RESOURCES)], "d1", 0)


def then(held: Snapshot) -> Snapshot:
    """The next version: one resource changed, now and then one gone or back again."""
    cursor = held.cursor + 1
    operations: list[Operation] = [resource(cursor % 30, cursor)]
    if cursor % 4 == 0:
        gone = 30 + cursor // 4 % 30
        operations.append(f"/apis/{gone}" if f"/apis/{gone}" in held.resources else resource(gone, cursor))
    return apply(held, operations, "d1", cursor)


def opened(directory: Path) -> Backup:
    backup = Backup(directory, "gw1", ["k1"])
    backup._keys._derived = DERIVED
    return backup


class Steps:
    """Ends the process at the step `fatal`; 0: never."""

    def __init__(self, fatal: int) -> None:
        self.left = fatal

    def __call__(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def before(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*arguments: Any, **named: Any) -> Any:
            self()
            return call(*arguments, **named)

        return stepped

    def watch(self) -> None:
        """Have every call that a save makes of the disk be a step; a write has one in its middle too."""
        for name in ("open", "fsync", "close", "mkdir"):
            setattr(os, name, self.before(getattr(os, name)))
        for name in ("replace", "unlink"):
            setattr(Path, name, self.before(getattr(Path, name)))

        def torn(*arguments: Any) -> contextlib.AbstractContextManager[Any]:
            return Torn(builtins.open(*arguments), self)  # type: ignore[return-value]

        vars(backups)["open"] = torn


class Torn:
    """A file whose writes have a middle."""

    def __init__(self, file: IO[bytes], step: Steps) -> None:
        self._file, self._step = file, step

    def write(self, data: bytes) -> None:
        self._step()
        self._file.write(data[: len(data) // 2])
        self._file.flush()
        self._step()
        self._file.write(data[len(data) // 2 :])

    def __enter__(self) -> Torn:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def save_forever(directory: Path, told: int, fatal: int) -> None:
    """In the child: restore, and save version after version; each is told once it is saved."""
    backup = opened(directory)
    held = backup.restore().snapshot
    assert held is not None
    Steps(fatal).watch()
    while True:
        held = then(held)
        backup.save(held)
        os.write(told, TOLD.pack(held.cursor))


def kill_one(directory: Path, fatal: int, pause: float) -> int:
    """One child and its end; the last version that it told, -1 when none."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reading)
            save_forever(directory, writing, fatal)
        finally:
            os._exit(3)
    os.close(writing)
    if not fatal:
        time.sleep(pause)
        os.kill(child, signal.SIGKILL)
    with builtins.open(reading, "rb") as file:
        said = file.read()
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        raise RuntimeError("the child ended by itself: a save raised")
    whole = len(said) // TOLD.size * TOLD.size
    return int(TOLD.unpack_from(said, whole - TOLD.size)[0]) if whole else -1


def found_wrong(found: Restored, said: int, versions: dict[int, Snapshot]) -> str:
    """What is not as promised; empty when all is."""
    if found.snapshot is None:
        return f"nothing can be loaded: {found.complaints}"
    if found.snapshot.cursor not in (said, said + 1):
        return f"version {found.snapshot.cursor} is loaded, {said} was acknowledged"
    expected = versions[found.snapshot.cursor]
    if dict(found.snapshot.resources) != dict(expected.resources) or found.snapshot.content != expected.content:
        return f"version {found.snapshot.cursor} holds something else"
    odd = [text for text in found.complaints if "cut short" not in text]
    return f"complaints: {odd}" if odd else ""


def run(directory: Path, kills: int, seed: int = 1) -> tuple[Counter[str], list[str]]:
    """Counts by name, and what was wrong."""
    backups.WHOLE_BELOW, backups.MOST_CHANGES = 0, 4
    chance, counts, wrong = random.Random(seed), Counter[str](), []
    held, said = first(), 0
    backup = opened(directory)
    backup.save(held)
    backup.close()
    versions = {0: held}
    for number in range(kills):
        fatal = 1 + number // 2 % STEPS if number % 2 else 0
        told = kill_one(directory, fatal, chance.random() * LONGEST)
        said = max(said, told)
        while max(versions) <= said:
            versions[max(versions) + 1] = then(versions[max(versions)])
        counts["at a step" if fatal else "at random"] += 1
        found = opened(directory).restore()
        counts["cut short, and told so"] += bool(found.complaints)
        counts[f"loaded from {found.generation}"] += 1
        problem = found_wrong(found, said, versions)
        if problem:
            wrong.append(f"kill {number} ({'step ' + str(fatal) if fatal else 'random'}): {problem}")
            break
        assert found.snapshot is not None
        said = found.snapshot.cursor
    counts["versions saved"] = said
    if list(directory.glob("*.bad")):
        wrong.append("something was set aside as damaged")
    return counts, wrong


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.syncagent.backup_kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        began = time.monotonic()
        counts, wrong = run(Path(directory) / "backup", arguments.kills, arguments.seed)
    print(table(["", "count"], [[name, str(count)] for name, count in sorted(counts.items())]))
    print(f"\n{arguments.kills} kills in {time.monotonic() - began:.0f} s; wrong: {len(wrong)}")
    for problem in wrong:
        print(problem)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
