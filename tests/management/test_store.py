"""The store: parallel writers, numbers without gaps, and documents of any shape."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select, update

from management import schema
from management.paths import OUTSIDE
from management.resources import TYPES
from management.store import Store, StoreUnusable
from management.vault import Vault
from tests.management.agent import Agent
from tests.management.conftest import Plane
from tests.management.databases import store_url

WILD = [None, True, 0, -1, 1.5, "", "x", "/apis/a", [], [None], ["x"], [{}], {}, {"a": {"b": []}}, "é\n", "x" * 5000]


async def test_parallel_writers_take_turns(plane: Plane) -> None:
    await asyncio.gather(*(plane.put(f"/backends/b{n}", {"url": "https://b", "protocol": "http"}) for n in range(40)))
    with plane.store.reading() as connection:
        query = select(schema.log.c.revision).where(schema.log.c.key.startswith("/backends/"))
        numbers = sorted(connection.execute(query).scalars())
    assert numbers == list(range(numbers[0], numbers[0] + 40))


async def test_two_writers_with_one_tag(plane: Plane) -> None:
    """Of those who read the same state only one may write it."""
    tag = (await plane.call("PUT", "/tags/t", {"displayName": "0"})).headers["ETag"]
    replies = await asyncio.gather(
        *(plane.call("PUT", "/tags/t", {"displayName": str(n)}, match=tag) for n in range(8))
    )
    assert sorted(reply.status for reply in replies) == [200] + [412] * 7


async def test_readers_do_not_wait_for_a_writer(plane: Plane) -> None:
    with plane.store.writing() as connection:
        connection.execute(update(schema.services).values(dataset="uncommitted"))
        agent = Agent(plane, "gw", "")
        assert (await plane.call("GET", "/tags")).status == 200
        assert agent.dataset is None


@pytest.mark.parametrize("path", [path for path in TYPES if path and not path.startswith(OUTSIDE.lower())])
async def test_no_document_breaks_the_plane(plane: Plane, path: str) -> None:
    """Whatever is sent, the answer is one of ARM's and the feed still adds up."""
    chance = random.Random(path)
    agent = await Agent.of(plane)
    await plane.api("a")
    await plane.put("/apis/a/operations/get", {"displayName": "g", "method": "GET", "urlTemplate": "/"})
    for id in ("products/p", "groups/g", "tags/t"):
        await plane.put(f"/{id}", {"displayName": "x"})
    names = {
        "apis": "a",
        "operations": "get",
        "products": "p",
        "groups": "g",
        "gateways": "gw",
        "policies": "policy",
        "users": "1",
        "notifications": "BCC",
    }
    await plane.put("/users/u", {"email": "u@example.com", "firstName": "u", "lastName": "u"})
    await plane.put("/apis/a/issues/t", {"title": "t", "description": "t", "userId": "/users/u", "apiId": "/apis/a"})
    await plane.put("/contentTypes/t", {})
    await plane.call("PUT", "/apis/a/resolvers/t", {"displayName": "t", "path": "Query/t"})
    credentials = {"grantTypes": {"clientCredentials": {"tokenUrl": "https://x/token"}}}
    await plane.put("/authorizationProviders/t", {"identityProvider": "oauth2", "oauth2": credentials})
    await plane.call("PUT", "/authorizationProviders/t/authorizations/t", {"authorizationType": "OAuth2"})
    segments = TYPES[path].segments
    ids = [f"/{each}/{names.get(each, 't')}" for each in segments]
    fields = [field.name.split(".")[0] for field in TYPES[path].fields] + ["other"]
    for _ in range(25):
        document: dict[str, Any] = {name: chance.choice(WILD) for name in fields if chance.random() < 0.8}
        reply = await plane.call(chance.choice(["PUT", "PATCH"]), "".join(ids), document)
        assert reply.status < 500, (document, reply.body)
    assert (await plane.call("GET", "".join(ids).rsplit("/", 1)[0])).status == 200
    await agent.poll()


async def test_wild_envelopes(plane: Plane) -> None:
    for value in WILD:
        assert (await plane.call("PUT", "/tags/t", body={"properties": value})).status < 500
        for action in ("gateways/gw/generateToken", "gateways/gw/regenerateKey", "subscriptions/master/listSecrets"):
            await plane.put("/gateways/gw", {})
            assert (await plane.call("POST", f"/{action}", body={"keyType": value, "expiry": value})).status < 500


async def test_a_store_of_another_version(tmp_path: Path) -> None:
    url, vault = store_url(tmp_path), Vault(b"k" * 32)
    store = Store.open(url, vault)
    with store.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    store.close()
    with pytest.raises(StoreUnusable, match=r"later version .* 9999"):
        Store.open(url, vault)


def test_the_steps_make_the_tables(store: Store) -> None:
    """What the migrations made is what the program thinks there is."""
    with store.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, schema.metadata) == []


def test_a_store_that_cannot_be_reached(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match="cannot be reached"):
        Store.open(f"postgresql://nobody@/none?host={tmp_path}", Vault(b"k" * 32))
    with pytest.raises(StoreUnusable, match=r"management\.store\.url"):
        Store.open("somewhere", Vault(b"k" * 32))
