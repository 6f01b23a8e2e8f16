"""`make kills`: a plane is killed at random moments while it is written to, hundreds of times, and nothing is half.

Each writer has resources of its own and does one thing after the other: single PUTs, imports of an API, deletes of one,
batches, rollbacks. What was acknowledged must be there after the kill; the one thing that was under way may be there or
not, but whole. What the store itself must be is in `journal.py`. A new plane goes on with the same store.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.table import table
from management.provision import DEFAULT_SERVICE
from management.store import Row, Store, sqlite_url
from management.vault import Vault
from tests.management.databases import postgresql_url
from tests.management.journal import GATEWAY, Journal
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
START_SECONDS = 60
BATCH = 120  # resources of one batch
OPERATIONS = 20  # of an imported API
LONGEST = 0.25  # seconds from the first writes to the kill
TAGS = 6

# a thing to know of the store, and what it should be
Expected = dict[str, Any]


@dataclass
class Tally:
    """By kind of work: what was acknowledged, under way when the plane was killed, lost, and found half."""

    acknowledged: Counter[str] = field(default_factory=Counter)
    cut: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    half: Counter[str] = field(default_factory=Counter)
    kills: int = 0

    def text(self) -> str:
        heads = ["work", "acknowledged", "cut by a kill", "lost", "half"]
        counts = (self.acknowledged, self.cut, self.lost, self.half)
        kinds = sorted(set(self.acknowledged) | set(self.cut))
        rows = [[kind, *(str(count[kind]) for count in counts)] for kind in kinds]
        return table(heads, [*rows, ["all", *(str(count.total()) for count in counts)]])


class Plane:
    """One plane after the other on the same store and ports."""

    def __init__(self, directory: Path, url: str) -> None:
        self.directory, self.port = directory, free_port()
        self._environment = {
            "management.data": str(directory),
            "management.store.url": url,
            "management.http.port": str(self.port),
            "management.https.port": str(free_port()),
            "log": str(directory / "plane.log"),
        }
        self._launcher = subprocess.Popen(
            [sys.executable, "-m", "tests.management.launcher"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._pid = 0

    def start(self) -> None:
        assert self._launcher.stdin is not None
        assert self._launcher.stdout is not None
        self._launcher.stdin.write(json.dumps(self._environment) + "\n")
        self._launcher.stdin.flush()
        self._pid = int(self._launcher.stdout.readline())
        until = time.monotonic() + START_SECONDS
        while not self._answers():
            assert time.monotonic() < until, f"no plane\n{(self.directory / 'plane.log').read_text()[-3000:]}"
            time.sleep(0.01)

    def kill(self) -> None:
        """Ends it as a crash would; back when it is gone."""
        os.kill(self._pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            while True:
                os.kill(self._pid, 0)
                time.sleep(0.001)
        self._pid = 0

    def close(self) -> None:
        if self._pid:
            self.kill()
        self._launcher.communicate()

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), contextlib.closing(self.connect()) as connection:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        return False

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)


class Cut(Exception):
    """The plane went away before it answered."""


class Client:
    def __init__(self, plane: Plane) -> None:
        token = (plane.directory / "admin.token").read_text().strip()
        self._headers = {"Authorization": f"Bearer {token}", "If-Match": "*"}
        self._connection = plane.connect()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()

    def call(self, method: str, path: str, body: Any = None, also: int = 200) -> Any:
        """The JSON of an answer; `also` a status that is none of success and still as it should be. Raises Cut."""
        text = None if body is None else json.dumps(body)
        try:
            url = f"{DEFAULT_SERVICE}{path}?api-version=2024-05-01&deleteRevisions=true"
            self._connection.request(method, url, text, self._headers)
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            raise Cut from None
        assert response.status < 300 or response.status == also, (method, path, response.status, content)
        return json.loads(content) if content else None


@dataclass
class Work:
    """One call: what it is, what there is of it when it is done, and what there was before."""

    kind: str
    do: Callable[[Client], Any]
    after: Expected


@dataclass
class Writer:
    """`known` is what is there for certain, `cut` the work that the last kill met."""

    name: str
    source: Iterator[Work]
    known: Expected = field(default_factory=dict)
    cut: Work | None = None
    failure: str = ""

    def run(self, plane: Plane, stop: threading.Event, tally: Tally) -> None:
        with Client(plane) as client:
            self._work(client, stop, tally)

    def _work(self, client: Client, stop: threading.Event, tally: Tally) -> None:
        while not stop.is_set():
            work = next(self.source)
            self.cut = work
            try:
                work.do(client)
            except Cut:
                return
            except Exception as error:
                self.failure = f"{work.kind}: {error!r}"
                return
            self.known |= work.after
            self.cut = None
            tally.acknowledged[work.kind] += 1

    def settle(self, rows: dict[str, Row], tally: Tally) -> None:
        """Compare what there is with what there must be."""
        there = {key: look(rows, key) for key in self.known | (self.cut.after if self.cut else {})}
        work, self.cut = self.cut, None
        if work is not None:
            tally.cut[work.kind] += 1
            before = {key: self.known.get(key) for key in work.after}
            now = {key: there[key] for key in work.after}
            if now == work.after:
                self.known |= work.after
            elif now != before:
                tally.half[work.kind] += 1
                self.known |= now
        lost = {key for key, value in self.known.items() if there[key] != value}
        for key in lost:
            tally.lost[key.rsplit(" ", 1)[0]] += 1
            self.known[key] = there[key]


def look(rows: dict[str, Row], key: str) -> Any:
    """What there is of "kind of thing name": the text of a tag, the operations of an API, the one text of a batch."""
    thing, _, name = key.rpartition(" ")
    if thing == "PUT":
        row = rows.get(f"/tags/{name}")
        return row.body["displayName"] if row else None
    if thing == "API":
        below = [each for each in rows if each.startswith(f"/apis/{name}/")]
        if f"/apis/{name}" not in rows:
            return f"half: {below}" if below else None
        return sum("/operations/" in each for each in below)
    texts = {row.body["displayName"] for key, row in rows.items() if key.startswith(f"/tags/{name}-")}
    count = sum(key.startswith(f"/tags/{name}-") for key in rows)
    return (
        None if not count else texts.pop() if (count, len(texts)) == (BATCH, 1) else f"half: {count} with {len(texts)}"
    )


def singles(writer: str) -> Iterator[Work]:
    number = 0
    while True:
        number += 1
        name, text = f"{writer}-{number % TAGS}", f"{writer} {number}"

        def put(client: Client, name: str = name, text: str = text) -> None:
            client.call("PUT", f"/tags/{name}", {"properties": {"displayName": text}})

        def delete(client: Client, name: str = name) -> None:
            client.call("DELETE", f"/tags/{name}")

        gone = number % 5 == 0
        yield Work("DELETE" if gone else "PUT", delete if gone else put, {f"PUT {name}": None if gone else text})


def imports(writer: str) -> Iterator[Work]:
    paths = {
        f"/p{n}": {"get": {"operationId": f"op{n}", "responses": {"200": {"description": ""}}}}
        for n in range(OPERATIONS)
    }
    document = json.dumps({"openapi": "3.0.1", "info": {"title": writer, "version": "1"}, "paths": paths})
    properties = {"format": "openapi+json", "value": document, "path": writer}

    def put(client: Client) -> None:
        client.call("PUT", f"/apis/{writer}", {"properties": properties})

    def assign(client: Client) -> None:
        client.call("PUT", f"/gateways/{GATEWAY}/apis/{writer}", also=404)  # its import may have been cut

    def delete(client: Client) -> None:
        client.call("DELETE", f"/apis/{writer}")

    while True:
        yield Work("import", put, {f"API {writer}": OPERATIONS})
        yield Work("assignment", assign, {})
        yield Work("delete of an API", delete, {f"API {writer}": None})


def batches(writer: str) -> Iterator[Work]:
    number = 0
    while True:
        number += 1
        text = f"{writer} {number}"

        def apply(client: Client, text: str = text) -> None:
            client.call("POST", "/apply", batch(writer, text))

        yield Work("batch", apply, {f"batch {writer}": text})


def batch(writer: str, text: str) -> dict[str, Any]:
    return {"resources": [{"id": f"/tags/{writer}-{n}", "properties": {"displayName": text}} for n in range(BATCH)]}


def rollbacks(writer: str, first: int) -> Iterator[Work]:
    """Alone and from a new start after each kill, since a rollback takes back what everybody did."""
    number, revision = first, 0

    def apply(client: Client, text: str) -> None:
        nonlocal revision
        told = client.call("POST", "/apply", batch(writer, text))
        revision = revision or int(told["revision"])

    def back(client: Client) -> None:
        client.call("POST", "/rollback", {"revision": revision})

    while True:
        revision = 0
        kept = f"{writer} {number}"
        for _ in range(2):
            text = f"{writer} {number}"
            number += 1
            yield Work("batch", lambda client, text=text: apply(client, text), {f"batch {writer}": text})
        if revision:
            yield Work("rollback", back, {f"batch {writer}": kept})


def run(directory: Path, url: str, kills: int, seed: int = 1) -> Tally:
    """Kill a plane `kills` times. Fails where the store is not whole."""
    dice, tally = random.Random(seed), Tally()
    plane = Plane(directory, url)
    try:
        plane.start()
        with Client(plane) as client:
            client.call("PUT", f"/gateways/{GATEWAY}", {"properties": {"locationData": {"name": "here"}}})
        journal = Journal(Store.open(url, Vault.open(directory / "store.key")))
        together = [
            *(Writer(name, singles(name)) for name in ("s1", "s2")),
            *(Writer(name, imports(name)) for name in ("i1", "i2")),
            Writer("b1", batches("b1")),
        ]
        alone = [Writer("r1", iter(()))]
        try:
            for number in range(kills):
                alone[0].source = rollbacks("r1", number * 1000)
                writers = (
                    alone if number % 4 == 3 else [each for each in together if dice.random() < 0.6] or together[:1]
                )
                one_kill(plane, writers, dice.uniform(0.005, LONGEST), tally)
                with journal.store.writing():
                    pass  # a database server may still be busy with what the dead one asked for
                journal.check()
                for writer in together + alone:
                    writer.settle(journal.rows, tally)
                plane.start()
        finally:
            journal.store.close()
    finally:
        plane.close()
    return tally


def one_kill(plane: Plane, writers: list[Writer], delay: float, tally: Tally) -> None:
    stop = threading.Event()
    threads = [threading.Thread(target=writer.run, args=(plane, stop, tally)) for writer in writers]
    for thread in threads:
        thread.start()
    time.sleep(delay)
    plane.kill()
    stop.set()
    for thread in threads:
        thread.join()
    assert not any(writer.failure for writer in writers), [writer.failure for writer in writers]
    tally.kills += 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.management.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=500, help="on SQLite")
    parser.add_argument("--postgresql", type=int, default=50, help="on PostgreSQL")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    arguments = parser.parse_args()
    bad = 0
    for name, kills in (("SQLite", arguments.kills), ("PostgreSQL", arguments.postgresql)):
        if not kills:
            continue
        with tempfile.TemporaryDirectory(prefix="passerelle-") as directory:
            began = time.monotonic()
            url = sqlite_url(Path(directory) / "store.db") if name == "SQLite" else postgresql_url()
            tally = run(Path(directory), url, kills, arguments.seed)
        print(f"{name}: {tally.kills} kills in {time.monotonic() - began:.0f} s (seed {arguments.seed})\n")
        print(f"{tally.text()}\n", flush=True)
        bad += tally.lost.total() + tally.half.total()
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
