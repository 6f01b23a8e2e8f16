"""Several plane processes on one PostgreSQL. The rest of the suite runs on it with PASSERELLE_TEST_STORE=postgresql."""

from __future__ import annotations

import threading
from pathlib import Path

from sqlalchemy import select

from management import schema
from management.provision import DEFAULT_SERVICE
from management.store import Store
from management.vault import Vault
from tests.management import race
from tests.management.databases import postgresql_url
from tests.management.test_process import call, process, wait
from tests.ports import free_port

WRITERS, CHANGES = 4, 15


def test_parallel_writers_in_several_processes(tmp_path: Path) -> None:
    """No change is lost, no revision is skipped, and each process sees what the other wrote."""
    url = postgresql_url()
    ports = [free_port() for _ in range(4)]
    with process(tmp_path, ports[0], ports[1], url) as first, process(tmp_path, ports[2], ports[3], url) as second:
        wait(ports[0], first)
        wait(ports[2], second)
        token = (tmp_path / "admin.token").read_text().strip()
        failures: list[str] = []

        def write(writer: int) -> None:
            port = ports[0] if writer % 2 else ports[2]
            for number in range(CHANGES):
                path = f"{DEFAULT_SERVICE}/tags/w{writer}-{number}?api-version=2024-05-01"
                # all of them change one resource, too: the last one wins, none is half
                shared = f"{DEFAULT_SERVICE}/tags/shared?api-version=2024-05-01"
                try:
                    call(port, "PUT", path, token, {"properties": {"displayName": str(number)}})
                    call(port, "PUT", shared, token, {"properties": {"displayName": f"{writer}-{number}"}})
                except OSError as error:
                    failures.append(f"{path}: {error}")

        threads = [threading.Thread(target=write, args=(writer,)) for writer in range(WRITERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        listed = [
            {
                each["name"]
                for each in call(port, "GET", f"{DEFAULT_SERVICE}/tags?api-version=2024-05-01", token)["value"]
            }
            for port in (ports[0], ports[2])
        ]
    assert listed[0] == listed[1]
    assert len(listed[0]) == WRITERS * CHANGES + 1
    store = Store.open(url, Vault.open(tmp_path / "store.key"))
    with store.reading() as connection:
        revisions = sorted(set(connection.execute(select(schema.log.c.revision)).scalars()))
        last = connection.scalar(select(schema.services.c.revision))
    store.close()
    assert revisions == list(range(1, len(revisions) + 1))
    assert last == revisions[-1] >= 2 * WRITERS * CHANGES


def test_no_update_is_lost_between_planes(tmp_path: Path) -> None:
    """Writers of two planes count up the same texts under If-Match; `make race` does it at length."""
    found = race.run(tmp_path, processes=2, writers=4, changes=10)
    assert not found.failures
    assert found.acknowledged == found.counted == found.revisions == 40
