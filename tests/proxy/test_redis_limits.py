"""Limits in a real server: exact across processes, the windows of the local counters, and what happens without it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import pytest
import uvloop

from proxy.adapters.counters import LocalCounters
from proxy.adapters.quotas import LocalQuotas
from proxy.adapters.redis_limits import TIMEOUT, RedisLimits, configured, from_settings
from proxy.agent_ports import Setting
from proxy.errors import PolicyRefused
from proxy.expressions.slices import GivingWay
from proxy.ports import QuotaWant, Want
from proxy.settings import SettingError
from tests.faults.line import PASS, REFUSE, Line
from tests.proxy.test_redis_cache import Redis, needs_client, needs_server, redis  # noqa: F401 - a fixture

pytestmark = [needs_client, needs_server]
T = TypeVar("T")
SOON = 1.0  # seconds; the bound is 50 ms, the rest is for a busy machine


async def inside(work: Callable[[], T]) -> T:
    """As a policy runs where counters may wait."""

    async def policy() -> T:
        return work()

    return await GivingWay(policy())


def limits(connection: str, **settings: str) -> RedisLimits:
    values = {"policy.limits.redis.connection": connection, "policy.limits.redis.timeout": "2"}
    values |= {f"policy.limits.redis.{name.replace('_', '.')}": value for name, value in settings.items()}
    made = from_settings(values, LocalCounters(), LocalQuotas())
    assert made is not None
    return made


@contextlib.asynccontextmanager
async def used(made: RedisLimits, up: bool = True) -> AsyncIterator[RedisLimits]:
    made.start()
    try:
        if up:
            await until(made)
        yield made
    finally:
        await made.close()


async def until(made: RedisLimits, open: bool = False) -> None:
    async with asyncio.timeout(10):
        while made.link.open is not open:  # noqa: ASYNC110 (it tells nobody)
            await asyncio.sleep(0.01)


async def until_missed(made: RedisLimits) -> None:
    """A lost server is found by who asks."""
    async with asyncio.timeout(10):
        while not made.link.open:
            with contextlib.suppress(PolicyRefused):
                await inside(lambda: made.counters.peek("nobody", 60))
            await asyncio.sleep(0.01)


async def test_a_limit_is_exact_whoever_asks(redis: Redis) -> None:  # noqa: F811
    redis.start()
    where = f"redis://127.0.0.1:{redis.port}"
    async with used(limits(where)) as one, used(limits(where)) as two:
        taken = await asyncio.gather(
            *(inside(lambda it=it: it.counters.take("ann", 60, 100)) for _ in range(150) for it in (one, two))  # type: ignore[misc]
        )
        assert sum(reading.count < 100 for reading in taken) == 100
        assert max(reading.count for reading in taken) == 100
        assert all(59 <= reading.reset_after <= 60 for reading in taken if reading.count)
        quota = QuotaWant("ann", 0.0, 604800, 50, None)
        claimed = await asyncio.gather(
            *(inside(lambda it=it: it.quotas.claim((quota,))[0]) for _ in range(50) for it in (one, two))  # type: ignore[misc]
        )
        assert sum(not quota.exceeded(usage) for usage in claimed) == 50
        one.quotas.add("ann", 0.0, 604800, 0, 700)
        await asyncio.sleep(0.1)
        assert (await inside(lambda: two.quotas.usage("ann", 0.0, 604800))).bytes == 700
        # all or nothing
        wants = (Want("ann", 60, 100), Want("bob", 60, 100))
        await inside(lambda: one.counters.claim(wants))
        assert (await inside(lambda: two.counters.peek("bob", 60))).count == 0


async def test_what_the_plane_sets_is_set_in_the_server_once(redis: Redis) -> None:  # noqa: F811
    redis.start()
    where, period = f"redis://127.0.0.1:{redis.port}", 604800
    want = QuotaWant("ann", 0.0, period, 5, None)
    async with used(limits(where)) as one, used(limits(where)) as two:
        window = int(one.quotas.now() // period)

        async def calls() -> tuple[int, int]:
            usage = await inside(lambda: two.quotas.usage("ann", 0.0, period))
            return usage.calls, usage.bytes

        async def set_to(id: str, calls: int | None, size: int | None, at: int = window) -> None:
            for each in (one, two):  # every sidecar hears it, and again on each new stream
                each.quotas._local.obey(Setting("ann", 0.0, period, at, id, calls, size))
            await asyncio.sleep(0.05)
            async with asyncio.timeout(10):
                while one.quotas._settings or two.quotas._settings:  # noqa: ASYNC110 (they tell nobody)
                    await asyncio.sleep(0.01)

        for _ in range(7):
            await inside(lambda: one.quotas.claim((want,)))
        one.quotas.add("ann", 0.0, period, 0, 700)
        async with asyncio.timeout(10):
            while await calls() != (5, 700):  # noqa: ASYNC110 (nobody waits for what is told)
                await asyncio.sleep(0.01)
        await set_to("a1", 2, None)
        assert await calls() == (2, 700)
        await inside(lambda: one.quotas.claim((want,)))
        await set_to("a1", 2, None)
        assert await calls() == (3, 700), "told again it changes nothing"
        await set_to("a3", 0, 1024)
        await set_to("a2", 9, 9)
        assert await calls() == (0, 1024), "of two the newer one holds"
        await set_to("a4", 9, 9, window - 1)
        assert await calls() == (0, 1024), "another window"


async def test_what_passed_while_the_server_was_away_is_told_to_it(redis: Redis) -> None:  # noqa: F811
    redis.start()
    where, period = f"redis://127.0.0.1:{redis.port}", 604800
    want = QuotaWant("ann", 0.0, period, 50, None)
    async with used(limits(where)) as one, used(limits(where)) as two:
        await inside(lambda: one.quotas.claim((want,)))
        redis.stop()
        await until_missed(one)
        for _ in range(3):
            await inside(lambda: one.quotas.claim((want,)))
        one.quotas.add("ann", 0.0, period, 0, 700)

        async def told() -> tuple[int, int]:
            usage = await inside(lambda: two.quotas.usage("ann", 0.0, period))
            return usage.calls, usage.bytes

        redis.start()  # without what it held
        await until(one)
        await until_missed(two)
        await until(two)
        async with asyncio.timeout(10):
            while await told() != (3, 700):  # noqa: ASYNC110 (it tells nobody)
                await asyncio.sleep(0.01)
        assert not one.quotas._owed


async def test_windows_are_those_of_the_local_counters(redis: Redis) -> None:  # noqa: F811
    redis.start()
    chance = random.Random(3)
    async with used(limits(f"redis://127.0.0.1:{redis.port}")) as made:
        local = LocalCounters()
        for _ in range(120):
            increment = chance.randrange(1, 4)
            theirs = await inside(lambda n=increment: made.counters.take("k", 1, 12, n))  # type: ignore[misc]
            ours = local.take("k", 1, 12, increment)
            if theirs.count != ours.count:  # one slice of 8 ms may be between them
                local = LocalCounters()
                await asyncio.sleep(1.1)
                continue
            assert abs(theirs.reset_after - ours.reset_after) < 0.3
            await asyncio.sleep(chance.random() * 0.02)
        quota = LocalQuotas()
        for start, period in ((0.0, 3600), (-62135596800.0, 604800), (1e9, 0)):
            await inside(lambda s=start, p=period: made.quotas.claim((QuotaWant("k", s, p, 5, None, 2),)))  # type: ignore[misc]
            quota.add("k", start, period, 2, 0)
            theirs_now = await inside(lambda s=start, p=period: made.quotas.usage("k", s, p))  # type: ignore[misc]
            ours_now = quota.usage("k", start, period)
            assert (theirs_now.calls, theirs_now.bytes) == (ours_now.calls, ours_now.bytes) == (2, 0)
            if ours_now.renews_after is None or theirs_now.renews_after is None:
                assert ours_now.renews_after is theirs_now.renews_after is None
            else:
                assert abs(theirs_now.renews_after - ours_now.renews_after) < 1


async def test_without_the_server_the_local_counters_go_on(redis: Redis, caplog: pytest.LogCaptureFixture) -> None:  # noqa: F811
    redis.start()
    async with used(limits(f"redis://127.0.0.1:{redis.port}", timeout=f"{TIMEOUT}")) as made:
        assert made.problem() == ""
        for _ in range(5):
            await inside(lambda: made.counters.take("ann", 60, 10))
        redis.freeze()
        slowest = 0.0
        for _ in range(12):
            began = time.monotonic()
            await inside(lambda: made.counters.take("ann", 60, 1000))
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < SOON
        assert made.link.open
        assert "no answer for" in made.problem()
        assert "LimitsServerDown" in [getattr(each, "event", "") for each in caplog.records]
        assert (await inside(lambda: made.counters.peek("ann", 60))).count == 17, "they counted along"
        began = time.monotonic()
        for _ in range(100):
            await inside(lambda: made.counters.take("ann", 60, 1000))
        assert time.monotonic() - began < SOON, "nobody waits any more"
        up, server, local, refused, seconds = made.figures()
        assert (up, local + server, refused) == (False, 118, 0)
        assert server <= 5, "a busy machine may be too slow for some"
        assert 0 < seconds < 12 * SOON
        redis.thaw()
        await until(made)
        assert made.problem() == ""
        redis.stop()
        await until_missed(made)
        redis.start()
        await until(made)
        assert (await inside(lambda: made.counters.take("new", 60, 10))).count == 0


async def test_a_connection_that_is_lost_when_nobody_waits_any_more_is_noticed(redis: Redis) -> None:  # noqa: F811
    redis.start()
    async with used(limits(f"redis://127.0.0.1:{redis.port}", timeout="0.05")) as made:
        redis.freeze()
        await inside(lambda: made.counters.take("ann", 60, 10))  # given up; one slow moment is no outage
        assert not made.link.open
        redis.kill()
        await until(made, open=True)
        assert made.problem() != ""


def test_a_lost_connection_is_noticed_by_who_asks_first_and_made_again(redis: Redis) -> None:  # noqa: F811
    """On the event loop that sidecars run on, which says it in words of its own."""

    async def lose(line: Line) -> None:
        async with used(limits(f"redis://127.0.0.1:{line.port}")) as made:
            for _ in range(8):  # each of its connections is in use
                await inside(lambda: made.counters.take("ann", 60, 100))
            line.set(mode=REFUSE)
            await asyncio.sleep(0.2)  # the event loop knows it, and the link does not
            assert not made.link.open
            await inside(lambda: made.counters.take("ann", 60, 100))
            assert made.link.open
            line.set(mode=PASS)
            await until(made)
            for _ in range(8):
                await inside(lambda: made.counters.take("bob", 60, 100))
            assert (await inside(lambda: made.counters.peek("bob", 60))).count == 8
            assert made.figures()[1] >= 17

    redis.start()
    line = Line(("127.0.0.1", redis.port)).start()
    try:
        uvloop.run(lose(line))
    finally:
        line.stop()


async def test_whoever_wants_no_call_uncounted_refuses_then(redis: Redis) -> None:  # noqa: F811
    redis.start()
    async with used(limits(f"redis://127.0.0.1:{redis.port}", failure="closed")) as made:
        await inside(lambda: made.counters.take("ann", 60, 10))
        redis.stop()
        await until_missed(made)
        for work in (
            lambda: made.counters.take("ann", 60, 10),
            lambda: made.quotas.usage("ann", 0.0, 0),
        ):
            with pytest.raises(PolicyRefused) as refused:
                await inside(work)
            assert (refused.value.status, refused.value.reason) == (503, "LimitsUnavailable")
        assert "refused" in made.problem()


async def test_scripts_that_are_gone_are_loaded_again(redis: Redis) -> None:  # noqa: F811
    redis.start()
    async with used(limits(f"redis://127.0.0.1:{redis.port}")) as made:
        await made.link._client.script_flush()
        await inside(lambda: made.counters.take("ann", 60, 10))
        await until(made)
        before = (await inside(lambda: made.counters.peek("bob", 60))).count
        await inside(lambda: made.counters.take("bob", 60, 10))
        assert (await inside(lambda: made.counters.peek("bob", 60))).count == before + 1


async def test_a_user_with_a_password_over_tls(tmp_path: Path) -> None:
    subprocess.run(  # noqa: ASYNC221 - before anything runs
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    rule = "+evalsha +script|load +ping +time +hmget +hgetall +hset +hdel +hincrby +pexpire"
    (tmp_path / "users.acl").write_text(f"user default off\nuser gate on >s3cret ~passerelle-limits/* {rule}\n")
    server = Redis(tmp_path)
    server.options = (
        "--tls-port", str(server.port), "--port", "0", "--tls-auth-clients", "no",
        "--tls-cert-file", str(tmp_path / "cert.pem"), "--tls-key-file", str(tmp_path / "key.pem"),
        "--aclfile", str(tmp_path / "users.acl"),
    )  # fmt: skip
    server.start()
    try:
        where = f"rediss://gate:s3cret@localhost:{server.port}"
        async with used(limits(where, authorities_file=str(tmp_path / "cert.pem"))) as made:
            assert (await inside(lambda: made.counters.take("ann", 60, 10))).count == 0
            assert (await inside(lambda: made.counters.take("ann", 60, 10))).count == 1
        async with used(limits(where), up=False) as stranger:  # the system's authorities do not know it
            await asyncio.sleep(0.5)
            assert stranger.link.open
            assert "s3cret" not in stranger.problem()
    finally:
        server.stop()


def test_settings() -> None:
    assert configured({}) is None
    for wrong in (
        {"policy.limits.redis.connection": "http://:s3cret@limits"},
        {"policy.limits.redis.failure": "perhaps"},
        {"policy.limits.redis.timeout": "soon"},
        {"policy.limits.redis.connection.file": "/nowhere/at/all"},
    ):
        with pytest.raises(SettingError) as refused:
            configured(wrong)
        assert "s3cret" not in str(refused.value)
        assert "policy.limits.redis" in str(refused.value)
