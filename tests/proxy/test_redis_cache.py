"""The external cache against a real server: what it keeps, and what happens while the server is away or hangs."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from passerelle.cases.world import World, policies
from proxy.adapters.redis_cache import TIMEOUT, RedisCache, configured, from_settings
from proxy.adapters.redis_link import LANES
from proxy.config.caches import Address, address
from proxy.settings import SettingError
from tests.ports import free_port

needs_client = pytest.mark.skipif(
    importlib.util.find_spec("redis") is None, reason="the Python package redis is not installed"
)
needs_server = pytest.mark.skipif(
    shutil.which("redis-server") is None,
    reason="redis-server is not installed (on Debian: apt-get install redis-server)",
)
AT_ONCE = 0.02  # seconds
SOON = 1.0  # the bound is 50 ms; the rest is for a busy machine


@dataclass
class Redis:
    """A server on a port of its own, which can be stopped, frozen and started again."""

    folder: Path
    password: str = ""
    options: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        command += ["--dir", str(self.folder), *(["--requirepass", self.password] if self.password else [])]
        command += self.options
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.2):
                return
            time.sleep(0.02)
        raise AssertionError("redis-server did not start")

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
        self.kill()

    def kill(self) -> None:
        """At once, also while it is frozen."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(5)
            self.process = None

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path)
    try:
        yield server
    finally:
        server.stop()


@contextlib.asynccontextmanager
async def cache_at(port: int, password: str | None = None, timeout: float = 2.0) -> AsyncIterator[RedisCache]:
    cache = RedisCache(Address("127.0.0.1", port, password=password), timeout=timeout)
    cache.start()
    try:
        yield cache
    finally:
        await cache.close()


async def until(cache: RedisCache, available: bool = True) -> None:
    async with asyncio.timeout(5):
        while cache.available is not available:  # noqa: ASYNC110 (the cache tells nobody)
            await asyncio.sleep(0.01)


async def took(cache: RedisCache) -> float:
    """Seconds for a lookup, which has to miss."""
    began = time.monotonic()
    assert await cache.get("k") is None
    return time.monotonic() - began


async def at_best(cache: RedisCache) -> float:
    """The same of five lookups, since anything may delay one."""
    return min([await took(cache) for _ in range(5)])


async def told(caplog: pytest.LogCaptureFixture, text: str) -> None:
    async with asyncio.timeout(10):
        while text not in caplog.text:  # noqa: ASYNC110 (the log tells nobody)
            await asyncio.sleep(0.01)


@needs_client
@needs_server
async def test_values_are_kept_for_their_time(redis: Redis) -> None:
    redis.start()
    async with cache_at(redis.port) as cache, cache_at(redis.port) as other:
        await until(cache)
        await until(other)
        assert await cache.get("k") is None
        assert await cache.put("k", b"\x00\xffvalue", 60)
        assert await other.get("k") == b"\x00\xffvalue"
        assert await other.remove("k")
        assert await other.remove("k")
        assert await cache.get("k") is None
        assert await cache.put("short", b"v", 0.05)
        await asyncio.sleep(0.1)
        assert await cache.get("short") is None
        assert await cache.put("long " * 1000, b"v", 60)
        assert await cache.get("long " * 1000) == b"v"
        assert await cache.put("\ud800", b"v", 60)
        assert not await cache.put("k", b"v", 0)
        assert not await cache.put("k", b"x" * 9_000_000, 60)
        assert cache.available


@needs_client
@needs_server
async def test_many_at_once_take_few_connections(redis: Redis) -> None:
    redis.start()
    async with cache_at(redis.port) as cache:
        await until(cache)
        assert all(await asyncio.gather(*(cache.put(f"k{n}", b"%d" % n, 60) for n in range(500))))
        assert await asyncio.gather(*(cache.get(f"k{n}") for n in range(500))) == [b"%d" % n for n in range(500)]
        assert (await cache._link._client.info("clients"))["connected_clients"] <= LANES


@needs_client
@needs_server
async def test_a_server_that_comes_later_is_then_used(redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    async with cache_at(redis.port) as cache:
        await told(caplog, "is not in use")
        assert await at_best(cache) < AT_ONCE
        assert not await cache.put("k", b"v", 60)
        assert not await cache.remove("k")
        assert caplog.text.count("is not in use") == 1
        redis.start()
        await until(cache)
        assert await cache.put("k", b"v", 60)


@needs_client
@needs_server
async def test_a_server_that_dies_is_a_miss_and_its_return_is_noticed(redis: Redis) -> None:
    redis.start()
    async with cache_at(redis.port) as cache:
        await until(cache)
        await cache.put("k", b"v", 60)
        redis.stop()
        assert await took(cache) < SOON
        assert await took(cache) < SOON
        assert not cache.available
        assert await at_best(cache) < AT_ONCE
        redis.start()
        await until(cache)
        assert await cache.put("k", b"v", 60)
        assert await cache.get("k") == b"v"


@needs_client
@needs_server
async def test_a_server_that_hangs_costs_a_few_requests_50_ms_and_the_others_nothing(redis: Redis) -> None:
    redis.start()
    async with cache_at(redis.port, timeout=TIMEOUT) as cache:
        await until(cache)
        await cache.put("k", b"v", 60)
        redis.freeze()
        times = [await took(cache) for _ in range(5)]
        assert all(each < SOON for each in times), times
        assert not cache.available
        assert await at_best(cache) < AT_ONCE
        redis.thaw()
        await until(cache)
        assert await cache.get("k") == b"v"


@needs_client
@needs_server
async def test_a_server_that_is_full_keeps_nothing_and_still_answers(redis: Redis) -> None:
    redis.options = ("--maxmemory", "1", "--maxmemory-policy", "noeviction")
    redis.start()
    async with cache_at(redis.port) as cache:
        await until(cache)
        assert not await cache.put("k", b"v", 60)
        assert await cache.get("k") is None
        assert cache.available


@needs_client
@needs_server
async def test_a_wrong_password_is_told_without_it(redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    redis.password = "right-one"
    redis.start()
    async with cache_at(redis.port, password="wrong-one") as cache:
        await told(caplog, "AuthenticationError")
        assert await at_best(cache) < AT_ONCE
        assert "wrong-one" not in caplog.text + repr(cache._link._server)
    async with cache_at(redis.port, password="right-one") as cache:
        await until(cache)


@needs_client
@needs_server
async def test_policies_use_it_and_survive_its_loss(redis: Redis) -> None:
    redis.start()
    text = policies(
        "<cache-lookup vary-by-developer='false' vary-by-developer-groups='false' />",
        outbound="<cache-store duration='60' /><cache-store-value key='k' value='@(new JObject())' duration='60' />"
        "<cache-lookup-value key='k' variable-name='v' default-value='none' />",
    )
    async with cache_at(redis.port) as cache:
        await until(cache)
        world = World(external_cache=cache)
        states = []
        for step in range(4):
            if step == 2:
                redis.stop()
            exchange = world.exchange()
            response = await world.serve(exchange, text)
            await world.finish(exchange)
            assert response.status == 200
            states.append((exchange.cache, str(exchange.variables["v"])))
        assert len(world.cache) == 0
    assert [state for state, _ in states] == ["miss", "hit", "miss", "miss"]
    assert [value for _, value in states[2:]] == ["none", "none"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("redis://cache", Address("cache")),
        ("rediss://me:p%40ss@cache.example:6380/2", Address("cache.example", 6380, True, 2, "me", "p@ss")),
        ("cache:6379", Address("cache", 6379)),
        ("cache:6380,password=ab=c+/=,ssl=True,abortConnect=False", Address("cache", 6380, True, password="ab=c+/=")),
        ("cache.example,ssl=true,user=me,defaultDatabase=3", Address("cache.example", 6380, True, 3, "me")),
    ],
)  # fmt: skip
def test_addresses(text: str, expected: Address) -> None:
    assert address(text) == expected


@pytest.mark.parametrize(
    "text", ["http://secret@cache", "redis://cache:secret", "cache:secret", ",password=secret", "redis://h/secret"]
)
def test_bad_addresses_are_refused_without_their_secret(text: str) -> None:
    with pytest.raises(SettingError) as refused:
        configured({"policy.cache.external.connection": text})
    assert "policy.cache.external.connection" in str(refused.value)
    assert "secret" not in str(refused.value)


@needs_client
async def test_settings(tmp_path: Path) -> None:
    assert from_settings({}) is None
    file = tmp_path / "connection"
    file.write_text("cache:1,password=x\n")
    made = from_settings({"policy.cache.external.connection.file": str(file), "policy.cache.external.prefix": "p/"})
    assert made is not None
    assert made._link._server == Address("cache", 1, password="x")
    assert made._prefix == "p/"
    await made.close()
    with pytest.raises(SettingError, match="cannot be read"):
        from_settings({"policy.cache.external.connection.file": str(tmp_path / "absent")})
