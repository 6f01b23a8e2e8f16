"""`make race`: several planes on one PostgreSQL, and writers that all count up the same few texts with If-Match.

A writer reads a text and its ETag, and puts the next number under that ETag; when somebody was faster (412) it reads
again. Were one update lost, the numbers would add up to less than was acknowledged. The journal must be whole as well.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.table import table
from management.provision import DEFAULT_SERVICE
from management.store import Store
from management.vault import Vault
from tests.management.databases import postgresql_url
from tests.management.journal import Journal
from tests.management.kills import Plane

COUNTERS = 3


@dataclass
class Race:
    """`acknowledged` counts, `refused` with 412; `times` of acknowledged writes in seconds."""

    acknowledged: int = 0
    refused: int = 0
    counted: int = 0
    revisions: int = 0
    seconds: float = 0.0
    times: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def run(directory: Path, processes: int, writers: int, changes: int) -> Race:
    """Each of `writers` makes `changes` acknowledged writes. Fails when the journal is not whole."""
    url = postgresql_url()
    planes = [Plane(directory, url) for _ in range(processes)]
    race = Race()
    try:
        for plane in planes:
            plane.start()
        token = (directory / "admin.token").read_text().strip()
        store = Store.open(url, Vault.open(directory / "store.key"))
        try:
            journal = Journal(store)
            journal.check()
            before = journal.revision
            with contextlib.closing(planes[0].connect()) as connection:
                for number in range(COUNTERS):
                    _call(connection, "PUT", number, token, "*", 0)
            began = time.monotonic()
            threads = [
                threading.Thread(target=_write, args=(planes[number % processes], number, changes, token, race))
                for number in range(writers)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            race.seconds = time.monotonic() - began
            journal.check()
            race.revisions = journal.revision - before - COUNTERS
            race.counted = sum(int(journal.rows[f"/tags/count-{n}"].body["displayName"]) for n in range(COUNTERS))
        finally:
            store.close()
    finally:
        for plane in planes:
            plane.close()
    return race


def _write(plane: Plane, writer: int, changes: int, token: str, race: Race) -> None:
    connection = plane.connect()
    try:
        for change in range(changes):
            number = (writer + change) % COUNTERS
            while True:
                _, text, etag = _call(connection, "GET", number, token)
                began = time.monotonic()
                status, text, _ = _call(connection, "PUT", number, token, etag, int(text) + 1)
                if status == 200:
                    race.times.append(time.monotonic() - began)
                    race.acknowledged += 1
                    break
                assert status == 412, (status, text)
                race.refused += 1
    except Exception as error:
        race.failures.append(repr(error))
    finally:
        connection.close()


def _call(
    connection: http.client.HTTPConnection, method: str, number: int, token: str, match: str = "", text: int = 0
) -> tuple[int, str, str]:
    """(status, the text of the counter or of the error, ETag)."""
    headers = {"Authorization": f"Bearer {token}"} | ({"If-Match": match} if match else {})
    body = json.dumps({"properties": {"displayName": str(text)}}) if method == "PUT" else None
    path = f"{DEFAULT_SERVICE}/tags/count-{number}?api-version=2024-05-01"
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    document = json.loads(response.read())
    shown = document["properties"]["displayName"] if response.status < 300 else json.dumps(document)
    return response.status, shown, response.headers.get("ETag", "")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.management.race", description=__doc__)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--changes", type=int, default=250, help="acknowledged writes of each writer")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="passerelle-") as directory:
        race = run(Path(directory), arguments.processes, arguments.writers, arguments.changes)
    ordered = sorted(race.times)
    last = ordered[int(len(ordered) * 0.99)]
    rows = [
        ["planes, writers", f"{arguments.processes}, {arguments.writers}"],
        ["acknowledged writes", f"{race.acknowledged:,}"],
        ["refused with 412 and tried again", f"{race.refused:,}"],
        ["lost updates", str(race.acknowledged - race.counted)],
        ["skipped revisions", str(race.revisions - race.acknowledged)],
        ["writes per second", f"{(race.acknowledged + race.refused) / race.seconds:.0f}"],
        ["acknowledged write, ms: p50, p99", f"{statistics.median(ordered) * 1000:.1f}, {last * 1000:.1f}"],
    ]
    print(table(["", "PostgreSQL"], rows))
    for failure in race.failures:
        print(failure, file=sys.stderr)
    return int(bool(race.failures) or race.acknowledged != race.counted or race.revisions != race.acknowledged)


if __name__ == "__main__":
    sys.exit(main())
