"""The external cache that a configuration names: which one is ours, and what becomes of requests when it changes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sidecar_harness import FORWARD, Backend, Harness, open_api, policy, resource
from test_redis_cache import Redis, needs_client, needs_server

from proxy.adapters.external_cache import ExternalCache
from proxy.adapters.redis_cache import RedisCache
from proxy.app import Configuration
from proxy.config.caches import Address, CacheEntity, nearest_cache
from proxy.config.gateway import build
from proxy.config.resources import Resource

CACHING = """<policies><inbound><cache-lookup vary-by-developer="false" vary-by-developer-groups="false"
  caching-type="{}" /></inbound><backend><forward-request /></backend><outbound><cache-store duration="60" /></outbound>
  </policies>"""


class Journal:
    def identify(self, gateway_id: str, region: str) -> None: ...

    def stand(self, version: int, newest: int, confirmed: float) -> None: ...

    def direct(self, loggers: bytes, sends: bool) -> None: ...


def cache(connection: str, location: str = "default", name: str = "default") -> Resource:
    return resource(f"/caches/{name}", {"connectionString": connection, "useFromLocation": location})


def by_id(*resources: Resource) -> dict[str, Resource]:
    return {each.id: each for each in resources}


def test_its_own_location_comes_first() -> None:
    here, anywhere = CacheEntity("westeurope", Address("here")), CacheEntity("default", Address("anywhere"))
    assert nearest_cache([here, anywhere], "West Europe") == Address("here")
    assert nearest_cache([here, anywhere], "elsewhere") == Address("anywhere")
    assert nearest_cache([here], "") is None


def test_the_connection_may_be_a_named_value_and_changes_with_it() -> None:
    def named(value: str) -> Resource:
        return resource("/namedValues/r", {"displayName": "r", "value": value, "secret": True})

    first, issues = build(by_id(cache("{{r}}"), named("a:1,password=p,ssl=False,abortConnect=False")))
    assert not issues
    assert first.cache == Address("a", 1, password="p")
    second, _ = build(by_id(cache("{{r}}"), named("b:2")), first)
    assert second.cache == Address("b", 2)
    third, _ = build(by_id(named("b:2")), second)
    assert third.cache is None


@pytest.mark.parametrize("text", ["", "http://x:secret@y", "host:secret"])
def test_one_that_cannot_be_read_is_an_issue_without_its_secret(text: str) -> None:
    gateway, issues = build(by_id(cache(text)))
    assert gateway.cache is None
    assert [each.resource_id for each in issues] == ["/caches/default"]
    assert "secret" not in issues[0].message


async def configured(harness: Harness, external: ExternalCache, *resources: Any) -> None:
    loop = asyncio.get_running_loop()
    taking = Configuration(loop, harness.sidecar, Journal(), external=external)  # type: ignore[arg-type]
    assert await asyncio.to_thread(taking.take, "d", 1, True, [policy("", FORWARD), *resources], []) == []


async def in_use(harness: Harness) -> RedisCache:
    held = harness.sidecar.ports.external_cache
    assert isinstance(held, RedisCache)
    async with asyncio.timeout(5):
        while not held.available:  # noqa: ASYNC110 (it tells nobody)
            await asyncio.sleep(0.01)
    return held


async def cached(harness: Harness, backend: Backend) -> None:
    """Ask until an answer needs no backend: on a busy machine a server may be too slow to be waited for once."""
    for _ in range(5):
        before = len(backend.requests)
        assert (await harness.request("GET", "/shop/x")).body == b"ok"
        if len(backend.requests) == before:
            return
    raise AssertionError("nothing is found in the cache")


@needs_client
@needs_server
@pytest.mark.parametrize("kind", ["external", "prefer-external"])
async def test_a_configuration_switches_between_servers(
    harness: Harness, backend: Backend, tmp_path: Path, kind: str
) -> None:
    servers = Redis(tmp_path, password="p,w"), Redis(tmp_path)
    for each in servers:
        each.start()
    external = ExternalCache(None, "t/", harness.sidecar.use_external_cache)
    shop = [*open_api("shop", backend.url), policy("/apis/shop", CACHING.format(kind))]
    try:
        server = f"redis://:p%2Cw@127.0.0.1:{servers[0].port}"
        await configured(harness, external, *shop, cache(server))
        first = await in_use(harness)
        await cached(harness, backend)
        await configured(harness, external, *shop, cache(server), resource("/groups/g", {}))
        assert harness.sidecar.ports.external_cache is first
        await configured(harness, external, *shop, cache(f"127.0.0.1:{servers[1].port},ssl=False,abortConnect=False"))
        assert await in_use(harness) is not first
        before = len(backend.requests)
        await cached(harness, backend)
        assert len(backend.requests) > before, "the other server had nothing"
        before = len(backend.requests)
        servers[1].stop()
        began = asyncio.get_running_loop().time()
        for _ in range(3):
            assert (await harness.request("GET", "/shop/x")).status == 200
        assert asyncio.get_running_loop().time() - began < 1
        assert len(backend.requests) == before + 3
        await configured(harness, external, *shop)
        assert harness.sidecar.ports.external_cache is None
    finally:
        await external.close()
        for each in servers:
            each.stop()


async def test_the_settings_prevail(harness: Harness) -> None:
    fixed = RedisCache(Address("127.0.0.1", 1))
    external = ExternalCache(fixed, "t/", harness.sidecar.use_external_cache)
    external.use(Address("other"))
    assert harness.sidecar.ports.external_cache is None  # as it was; a sidecar begins with what its settings name
    await external.close()
