"""Another key for the store, in place: nothing is lost however it ends, and nothing needs the former key afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import text, update
from sqlalchemy.exc import OperationalError

from management import quotas, resealing, schema, traces
from management import vault as vault_module
from management.fingerprint import canonical
from management.provision import DEFAULT_SERVICE, ensure_default
from management.store import Row, Store
from management.transaction import find_service, reading, writing
from management.vault import Vault, VaultBroken, former_of, renew
from passerelle.commands.rekey import rekey
from tests.management.agent import Agent
from tests.management.conftest import POLICY, Plane
from tests.management.databases import store_url

CANARY = "canary-that-must-not-lie-in-the-open"
TRACE = "0123456789abcdef0123456789abcdef"


def fill(store: Store, count: int = 20) -> None:
    """Something in every table that holds what is sealed."""
    ensure_default(store, DEFAULT_SERVICE)
    with store.writing() as connection:
        service = find_service(connection, DEFAULT_SERVICE)
        assert service is not None
        traces.keep(connection, store.vault, service, "gw", [(TRACE, {"words": CANARY})])
        told = {"counters": [[f"quota-by-key/{n}", 0.0, 10**10, 0, n, n] for n in range(count)]}
        quotas.keep(connection, store.vault, service, "gw", "i", told)
        request = schema.requests.insert().values(
            service=1, received=1, sealed=store.vault.seal(CANARY.encode(), "/requests")
        )
        connection.execute(request)
    for revision in range(2):
        with writing(store, DEFAULT_SERVICE) as tx:
            assert tx is not None
            for number in range(count):
                hidden = ((("value",), f"{CANARY} {number}"),)
                tx.put(Row(f"/namedValues/n{number}", "namedvalues", "*", {"secret": True}, hidden, digest="d"))
                body = {"value": f"{CANARY} {revision} {number}"}
                tx.put(Row(f"/apis/a{number}/policies/policy", "apis/policies", f"api:a{number}", body, digest="d"))


def told_of(store: Store, count: int = 20) -> list[str]:
    """All that is sealed, in clear."""
    with reading(store, DEFAULT_SERVICE) as tx:
        assert tx is not None
        found = [canonical(row.clear()) for row in (*tx.below("/namedValues"), *tx.below("/apis"))]
        found += [canonical(quotas.counters(tx, str(number), None)) for number in range(count)]
        found.append(canonical(traces.find(tx, TRACE, "gw")))
        return found


def opened(directory: Path, url: str) -> Store:
    return Store.open(url, Vault.open(directory / "store.key"))


def call(directory: Path, url: str, *options: str) -> tuple[int, str]:
    done = CliRunner().invoke(rekey, ["--data", str(directory), *options], env={"management.store.url": url})
    return done.exit_code, done.output


def test_every_table_that_holds_what_is_sealed_is_sealed_anew() -> None:
    sealed = {table for table in schema.metadata.sorted_tables if "sealed" in table.c}
    assert sealed == set(resealing.TABLES)


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = store_url(tmp_path)
    store = opened(tmp_path, url)
    fill(store)
    store.close()
    return url


def test_everything_is_sealed_with_the_new_key(tmp_path: Path, url: str) -> None:
    old = (tmp_path / "store.key").read_bytes()
    store = opened(tmp_path, url)
    before = told_of(store)
    store.close()
    status, told = call(tmp_path, url)
    assert (status, "nothing needs store.key.former any more" in told) == (0, True), told
    assert former_of(tmp_path / "store.key").read_bytes() == old != (tmp_path / "store.key").read_bytes()
    assert oct(former_of(tmp_path / "store.key").stat().st_mode)[-3:] == "600"
    assert call(tmp_path, url, "--check")[0] == 0
    former_of(tmp_path / "store.key").unlink()
    store = opened(tmp_path, url)
    assert told_of(store) == before
    assert resealing.needs_former(store) == 0
    store.close()
    (tmp_path / "store.key").write_bytes(old)
    store = opened(tmp_path, url)
    with pytest.raises(VaultBroken):
        told_of(store)
    store.close()


def test_it_can_be_done_again_and_twice(tmp_path: Path, url: str) -> None:
    keys = set()
    for _ in range(3):
        assert call(tmp_path, url)[0] == 0
        keys.add((tmp_path / "store.key").read_bytes())
    assert len(keys) == 3


def test_planes_that_run_take_the_new_key(tmp_path: Path, url: str) -> None:
    """With files that others gave them, and while they write."""
    running = opened(tmp_path, url)
    before = told_of(running)
    assert call(tmp_path, url, "--keys-only")[0] == 0
    status, needed = call(tmp_path, url, "--check")
    assert status == 3
    fill(running)  # with the former key still: others may not have the new one yet
    assert int(call(tmp_path, url, "--check")[1].split()[0]) > int(needed.split()[0])
    assert call(tmp_path, url)[0] == 0
    assert told_of(running) == before
    fill(running)
    assert told_of(running) == before
    assert resealing.needs_former(running) == 0
    running.close()


def test_a_plane_that_slept_through_two_keys_seals_with_the_newest(tmp_path: Path, url: str) -> None:
    """What it sealed with the key that it had, nobody could open any more."""
    idle = opened(tmp_path, url)
    for _ in range(2):
        assert call(tmp_path, url)[0] == 0
    fill(idle)
    idle.close()
    store = opened(tmp_path, url)
    assert len(told_of(store)) == 61
    assert resealing.needs_former(store) == 0
    store.close()


def test_a_plane_whose_key_is_gone_seals_with_the_one_that_is_there(tmp_path: Path, url: str) -> None:
    idle = opened(tmp_path, url)
    assert call(tmp_path, url)[0] == 0
    idle.vault.seal(b"it has seen both", "/here")
    former_of(tmp_path / "store.key").unlink()
    assert Vault.open(tmp_path / "store.key").unseal(idle.vault.seal(b"clear", "/here"), "/here") == b"clear"
    idle.close()


def test_threads_take_a_new_key_together(tmp_path: Path) -> None:
    """Who fails with the key from before, while another has taken the new one already, is no failure."""
    vault = Vault.open(tmp_path / "store.key")
    renew(tmp_path / "store.key")
    sealed = Vault.open(tmp_path / "store.key").seal(b"clear", "/here")
    tried = vault_module._opened

    def overtaken(cipher: AESGCM, what: bytes, place: str) -> bytes | None:
        monkeypatch.setattr(vault_module, "_opened", tried)
        assert vault.unseal(sealed, "/here") == b"clear"  # the other one
        return None

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(vault_module, "_opened", overtaken)
        assert vault.unseal(sealed, "/here") == b"clear"


def test_what_is_set_of_a_quota_outlives_another_key(tmp_path: Path, url: str) -> None:
    """Also when the agent tells of the counter before it is sealed anew."""
    running = opened(tmp_path, url)
    with writing(running, DEFAULT_SERVICE) as tx:
        assert tx is not None
        quotas.reset(tx, "7", None, {"calls": 1})
    renew(tmp_path / "store.key")
    running.vault.unseal(Vault.open(tmp_path / "store.key").seal(b"met", "/here"), "/here")
    with running.writing() as connection:
        service = find_service(connection, DEFAULT_SERVICE)
        assert service is not None
        told = {"counters": [["quota-by-key/7", 0.0, 10**10, 0, 90, 90]]}
        answer = quotas.keep(connection, running.vault, service, "gw", "i", told)
    assert [each["set"] for each in answer] == [[1, None]]
    assert call(tmp_path, url)[0] == 0
    assert '"callsCount":1,' in told_of(running)[47]
    running.close()


@pytest.mark.parametrize("step", ["former", "present", "store"])
def test_killed_at_every_step(tmp_path: Path, url: str, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(tmp_path, url)
    before = told_of(store)
    store.close()
    path = tmp_path / "store.key"
    if step == "former":  # what `renew` leaves between its two writes
        shutil.copy(path, former_of(path))
    else:
        renew(path)
    if step == "store":
        monkeypatch.setattr(resealing, "PAGE", 7)
        store = opened(tmp_path, url)
        pages = iter(range(4))

        def told() -> None:
            next(pages)

        with pytest.raises(StopIteration):
            resealing.reseal(store, told)
        assert told_of(store) == before
        assert resealing.needs_former(store) > 0
        store.close()
    present = path.read_bytes()
    assert call(tmp_path, url)[0] == 0
    assert (path.read_bytes() == present) == (step != "former")
    store = opened(tmp_path, url)
    assert told_of(store) == before
    assert resealing.needs_former(store) == 0
    store.close()


def test_kill_9(tmp_path: Path) -> None:
    """The command itself, killed at moments that are drawn, until it comes through."""
    url = store_url(tmp_path)
    store = opened(tmp_path, url)
    fill(store, 600)
    before = told_of(store, 3)
    store.close()
    draw, killed = random.Random(4), 0
    command = [sys.executable, "-m", "passerelle", "rekey", "--data", str(tmp_path)]
    environment = {**os.environ, "management.store.url": url}
    for lap in range(4):
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            process.stdout.readline()  # it begins
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(lap * draw.random() * 0.1)
            process.send_signal(signal.SIGKILL)
        killed += process.returncode == -signal.SIGKILL
        store = opened(tmp_path, url)
        assert told_of(store, 3) == before
        store.close()
    assert killed
    assert call(tmp_path, url)[0] == 0
    former_of(tmp_path / "store.key").unlink()
    store = opened(tmp_path, url)
    assert told_of(store, 3) == before
    store.close()


def test_a_disk_without_room_is_said(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(store: Store) -> None:
        raise OperationalError("VACUUM", None, sqlite3.OperationalError("database or disk is full"))

    with monkeypatch.context() as patch:
        patch.setattr(Store, "wipe", full)
        status, told = call(tmp_path, url)
    assert (status, "disk is full" in told, "call it again" in told) == (1, True, True), told
    assert call(tmp_path, url, "--check")[0] == 0
    assert call(tmp_path, url)[0] == 0


def test_what_cannot_be_done_is_said(tmp_path: Path, url: str) -> None:
    assert "there" in call(tmp_path / "..", url)[1]
    (tmp_path / "store.key").write_bytes(b"short")
    status, told = call(tmp_path, url)
    assert (status, "instead of 32" in told) == (1, True)
    (tmp_path / "store.key").write_bytes(b"x" * 32)  # of another plane, say
    for options in ([], ["--keys-only"], ["--check"]):
        status, told = call(tmp_path, url, *options)
        assert (status, "does not open" in told, former_of(tmp_path / "store.key").exists()) == (1, True, False), told
    status, told = call(tmp_path, "sqlite:////nowhere/at/all.db")
    assert status == 1
    assert "Traceback" not in told


# each place where people put secrets: the resource, and what is sent with the canary in it
SECRET: dict[str, dict[str, Any]] = {
    "/policies/policy": {"format": "rawxml", "value": POLICY.format(f"<!-- {CANARY} -->")},
    "/policyFragments/f": {"format": "rawxml", "value": f"<fragment><!-- {CANARY} --></fragment>"},
    "/products/starter/policies/policy": {"format": "rawxml", "value": POLICY.format(f"<!-- {CANARY} -->")},
    "/apis/a/policies/policy": {"format": "rawxml", "value": POLICY.format(f"<!-- {CANARY} -->")},
    "/namedValues/n": {"displayName": "n", "value": CANARY, "secret": True},
    "/backends/b": {
        "url": "https://example.com",
        "protocol": "http",
        "credentials": {
            "header": {"x-key": [CANARY]},
            "query": {"key": [CANARY]},
            "authorization": {"scheme": "Basic", "parameter": CANARY},
        },
        "proxy": {"url": "http://p.example.com", "username": "u", "password": CANARY},
    },
    "/authorizationServers/s": {
        "displayName": "s",
        "clientRegistrationEndpoint": "https://example.com/r",
        "authorizationEndpoint": "https://example.com/a",
        "grantTypes": ["authorizationCode"],
        "clientId": "c",
        "clientSecret": CANARY,
        "resourceOwnerPassword": CANARY,
        "resourceOwnerUsername": "u",
    },
    "/openidConnectProviders/o": {
        "displayName": "o",
        "metadataEndpoint": "https://example.com/o",
        "clientId": "c",
        "clientSecret": CANARY,
    },
    "/identityProviders/facebook": {"clientId": "c", "clientSecret": CANARY},
    "/caches/c": {"connectionString": f"{CANARY},password=x", "useFromLocation": "default"},
    "/loggers/l": {"loggerType": "applicationInsights", "credentials": {"instrumentationKey": CANARY}},
    "/loggers/e": {
        "loggerType": "azureEventHub",
        "credentials": {"name": "h", "connectionString": f"Endpoint={CANARY}"},
    },
    "/users/u": {"email": "u@example.com", "firstName": "u", "lastName": "u", "password": CANARY},
    "/subscriptions/s": {"displayName": "s", "scope": "/apis", "primaryKey": CANARY, "secondaryKey": f"{CANARY}2"},
    "/portalsettings/delegation": {"url": "https://example.com", "validationKey": CANARY},
    "/authorizationProviders/p": {
        "displayName": "p",
        "identityProvider": "oauth2",
        "oauth2": {"grantTypes": {"clientCredentials": {"clientId": "c", "clientSecret": CANARY}}},
    },
}


def lying_in(directory: Path, url: str) -> bytes:
    """Every byte that the database leaves on the disk, or tells to who may read its tables."""
    if url.startswith("sqlite"):
        return b"".join(file.read_bytes() for file in directory.iterdir() if file.name.startswith("management.db"))
    found = b""
    with psycopg.connect(url) as connection:
        for table in schema.metadata.sorted_tables:
            with connection.cursor().copy(f"COPY {table.name} TO STDOUT") as rows:
                found += b"".join(bytes(each) for each in rows)
    return found


async def test_no_secret_lies_in_the_open(plane: Plane, tmp_path: Path) -> None:
    """Neither what is there, nor what was and has been replaced or deleted."""
    agent = await Agent.of(plane)
    await plane.api("a")
    await plane.put("/gateways/gw/apis/a")
    await plane.put("/products/starter", {"displayName": "starter"})
    for id, properties in SECRET.items():
        shown = await plane.put(id, properties)
        assert CANARY not in json.dumps(shown) or "olic" in id, id
    await agent.poll()
    sent = sum(CANARY in each for each in agent.held.values())
    assert sent > 8
    for id in ("/policyFragments/f", "/namedValues/n", "/apis/a/policies/policy"):
        await plane.delete(id)
    url = plane.store._writer.url.render_as_string(hide_password=False).replace("+psycopg", "")
    assert CANARY.encode() not in lying_in(tmp_path, url)
    assert b"passerelle" in lying_in(tmp_path, url)
    listed = (await plane.get("/policies", query={"$filter": "name eq 'policy'"}))["value"]
    assert CANARY in json.dumps(listed) or not listed


def as_before(store: Store) -> None:
    """The store as a release before policies were sealed left it: in the open, in both tables."""
    with store.writing() as connection:
        for table in (schema.resources, schema.former):
            for row in connection.execute(table.select()).mappings().all():
                held: dict[str, Any] = dict(row) if table is schema.resources else json.loads(row["row"] or "{}")
                if not held.get("type", "").endswith("policies"):
                    continue
                _, _, body, wire = json.loads(store.vault.unseal(row["sealed"], resealing.PLACES[table.name](row)))
                held |= {"body": canonical(body), "wire": wire, "digest": "d"}
                values = {"body": held["body"], "wire": wire, "digest": "d"}
                if table is schema.former:
                    values = {"row": json.dumps(held)}
                mine = [table.c[column.name] == row[column.name] for column in table.primary_key]
                connection.execute(update(table).where(*mine).values(**values, sealed=None))
        connection.execute(text("UPDATE alembic_version SET version_num = '0005'"))


def test_a_store_of_the_release_before_is_sealed_at_the_first_start(tmp_path: Path, url: str) -> None:
    store = opened(tmp_path, url)
    before = told_of(store)
    as_before(store)
    store.wipe()
    assert told_of(store) == before  # and read as it is until then
    store.close()
    assert CANARY.encode() in lying_in(tmp_path, url)
    store = opened(tmp_path, url)
    assert told_of(store) == before
    store.close()
    assert CANARY.encode() not in lying_in(tmp_path, url)
