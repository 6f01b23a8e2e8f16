"""A backup as this release writes it, kept so that later ones are held to reading it.

    python -m tests.syncagent.make_backup_fixture

writes `fixtures/backup-FORMAT/`, FORMAT being that of generations and of changes; run it once for each format that a
release writes, and check the folder in. `test_backup_formats.py` fails when the format has grown and no folder has.
What is in there has no secret: gateway, dataset and key are those named here.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from syncagent import backup, backup_changes, backup_file
from syncagent.backup import Backup
from syncagent.snapshot import Resource, Snapshot, apply

FIXTURES = Path(__file__).parent / "fixtures"
GATEWAY, KEY, DATASET = "fixture-gateway", "fixture-key", "fixture-dataset"
RESOURCES = 40


def name_of_format() -> str:
    """Generations and changes may change alone: `2` when both are 2, else `3-2`."""
    generations, changes = backup_file.FORMAT, backup_changes.FORMAT
    return f"backup-{generations}" if generations == changes else f"backup-{generations}-{changes}"


def _resource(number: int, cursor: int) -> Resource:
    content = {"displayName": f"API {number}", "path": f"p{number}", "changed": cursor}
    body = json.dumps(content, separators=(",", ":")).encode()
    return Resource(f"/apis/{number}", hashlib.sha256(body).digest(), body)


def versions() -> list[Snapshot]:
    """`prev-1`, `current`, and two changes behind it."""
    before = apply(None, [_resource(number, 1) for number in range(RESOURCES)], DATASET, 1)
    whole = apply(None, [_resource(number, 2) for number in range(RESOURCES)], DATASET, 2)
    once = apply(whole, [_resource(3, 3)], DATASET, 3)
    return [before, whole, once, apply(once, ["/apis/7", _resource(RESOURCES, 4)], DATASET, 4)]


def make(directory: Path) -> None:
    backup.WHOLE_BELOW = 0
    writer = Backup(directory, GATEWAY, [KEY])
    for version in versions():
        writer.save(version)
    writer.close()
    (directory / "lock").unlink()


if __name__ == "__main__":
    place = FIXTURES / name_of_format()
    if place.exists():
        sys.exit(f"{place} is there already: a released format does not change")
    make(place)
    print(f"written: {place}")
