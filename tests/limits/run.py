"""Limits across sidecars, with real processes: how many calls pass, beside the limit. `make limits`.

    python -m tests.limits.run [--seconds 42] [--sidecars 4] [--apart] [--redis] [--kill-agent] [--clock SECONDS]

Each row is one policy under steady load, offered at a multiple of its limit in unequal or equal shares of the sidecars;
bursts come from all sidecars at once. `--apart`: sidecars that share no memory, as on several hosts, so that the agent
passes counts on. `--redis`: counts in a Redis server that is started here. `--kill-agent`: kill -9 of the agent in the
middle, which is away for five seconds. `--clock`: by so many seconds the first sidecar's clock is
wrong. Ends with 1 when a promise does not hold: at steady load at most 5 % above and 2 % below the limit in each of
the periods that follow each other (and one call, where that is more), no answer but 200, 429 and 403.

A call was let pass somewhere between its sending and its answer: for the most in a period count those that were wholly
in it, for the least those that were partly.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from house import House, request, wait_until

OVER, UNDER = 0.05, 0.02
TOKENS = 10  # of one call
ANSWER = json.dumps({"usage": {"total_tokens": TOKENS}, "padding": "x" * 900}).encode().ljust(1024)
WRAP = "<policies><inbound><base />{}</inbound><backend><base /></backend><outbound><base /></outbound></policies>"
KEY = """counter-key="@(context.Request.Headers.GetValueOrDefault("who", ""))\""""


@dataclass
class Row:
    """`limit` calls in `period` seconds; `shares` per sidecar add up to `factor` times the limit."""

    name: str
    policy: str
    limit: int
    period: float
    factor: float
    shares: tuple[float, ...]
    fixed: bool = False  # one window that does not slide
    product: bool = False
    admitted: list[tuple[float, float]] = field(default_factory=list)  # sent, answered
    answers: Counter[int] = field(default_factory=Counter)


def rows(now: datetime.datetime) -> list[Row]:
    began = f"{now - datetime.timedelta(seconds=20):%Y-%m-%dT%H:%M:%SZ}"
    even, uneven, lone = (1, 1, 1, 1), (7, 2, 1, 0), (1, 1, 0, 0)
    return [
        Row("rate-limit", '<rate-limit calls="100" renewal-period="10" />', 100, 10, 2, even),
        Row("rate-limit", '<rate-limit calls="120" renewal-period="5" />', 120, 5, 3, uneven),
        Row("rate-limit-by-key", f'<rate-limit-by-key calls="100" renewal-period="10" {KEY} />', 100, 10, 1.5, uneven),
        Row("rate-limit-by-key", f'<rate-limit-by-key calls="120" renewal-period="5" {KEY} />', 120, 5, 3, lone),
        Row("rate-limit-by-key", f'<rate-limit-by-key calls="20" renewal-period="2" {KEY} />', 20, 2, 2, even),
        Row("quota", '<quota calls="150" renewal-period="10" />', 150, 10, 2, even, True, True),
        Row("quota, KB", '<quota bandwidth="150" renewal-period="10" />', 150, 10, 2, uneven, True, True),
        Row(
            "quota-by-key",
            f'<quota-by-key calls="300" renewal-period="300" first-period-start="{began}" {KEY} />',
            300, 300, 20, even, True,
        ),
        Row(
            "quota-by-key, KB",
            f'<quota-by-key bandwidth="300" renewal-period="300" first-period-start="{began}" {KEY} />',
            300, 300, 20, uneven, True,
        ),
        Row(
            "llm-token-limit",
            f'<llm-token-limit tokens-per-minute="2000" estimate-prompt-tokens="false" {KEY} />',
            200, 60, 4, even,
        ),
    ]  # fmt: skip


@contextlib.asynccontextmanager
async def model() -> AsyncIterator[str]:
    """A backend whose every answer is 1 KB and tells ten tokens."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=ANSWER, content_type="application/json")

    application = web.Application()
    application.router.add_route("*", "/{rest:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def furnish(house: House, backend: str, table: list[Row]) -> list[dict[str, str]]:
    """Make an API of each row; the headers of its calls."""
    headers = []
    for number, row in enumerate(table):
        house.api(f"limit{number}", backend, key=row.name.startswith(("rate-limit", "quota")) and "key" not in row.name)
        key = house.arm("/subscriptions/master/listSecrets", "POST").json["primaryKey"]
        if row.product:
            house.put(f"/products/p{number}", {"displayName": f"p{number}", "state": "published"})
            house.arm(f"/products/p{number}/apis/limit{number}", "PUT")
            house.put(f"/subscriptions/s{number}", {"displayName": f"s{number}", "scope": f"/products/p{number}"})
            key = house.arm(f"/subscriptions/s{number}/listSecrets", "POST").json["primaryKey"]
            house.policy(f"/products/p{number}", WRAP.format(row.policy))
        else:
            house.policy(f"/apis/limit{number}", WRAP.format(row.policy))
        headers.append({"Ocp-Apim-Subscription-Key": key, "who": f"ann{number}"})
    house.api("burst", backend)
    house.policy("/apis/burst", WRAP.format(f'<rate-limit-by-key calls="50" renewal-period="60" {KEY} />'))
    house.everywhere("/burst/x", lambda reply: reply.status == 200, who="nobody")
    version = max(house.arm(f"/gateways/{house.gateway_id}").json.get("cursor", 0), 0)
    wait_until(lambda: version >= 0 and time.sleep(2) is None)
    return headers


async def call(session: aiohttp.ClientSession, url: str, headers: dict[str, str], row: Row, began: float) -> None:
    sent = time.time()
    try:
        async with session.get(url, headers=headers) as answer:
            await answer.read()
            status = answer.status
    except (aiohttp.ClientError, OSError):
        status = 0
    row.answers[status] += 1
    if status == 200:
        row.admitted.append((sent - began, time.time() - began))


async def offer(
    session: aiohttp.ClientSession, url: str, headers: dict[str, str], row: Row, rate: float, until: float, began: float
) -> None:
    """Even load of so many calls in a second."""
    due, calls = time.time() + random.uniform(0, 1 / rate), set()
    while due < until:
        await asyncio.sleep(max(due - time.time(), 0))
        task = asyncio.create_task(call(session, url, headers, row, began))
        calls.add(task)
        task.add_done_callback(calls.discard)
        due += 1 / rate
    await asyncio.gather(*calls)


def spread(row: Row, seconds: float) -> tuple[int, int]:
    """The fewest and the most calls in the whole periods; of one that does not end, what passed."""
    if row.period > seconds / 2:
        inside = sum(answered <= row.period for _, answered in row.admitted)
        return inside, inside
    # Periods follow each other; when the first begins is found by trying: where the fullest one is least full.
    steps = [row.period * each / 100 for each in range(100)]
    return min((_spread(row, _starts(row, step, row.period, seconds)) for step in steps), key=lambda it: it[1] - it[0])


def _starts(row: Row, first: float, step: float, seconds: float) -> list[float]:
    return [first + n * step for n in range(int((seconds - row.period - first) / step) + 1)]


def _spread(row: Row, starts: list[float]) -> tuple[int, int]:
    whole, partly = [], []
    for start in starts:
        end = start + row.period
        whole.append(sum(start <= sent and answered < end for sent, answered in row.admitted))
        partly.append(sum(start <= answered and sent < end for sent, answered in row.admitted))
    return min(partly), max(whole)


async def bursts(session: aiohttp.ClientSession, gateways: list[str]) -> list[int]:
    """How many of 400 calls at once pass a limit of 50, five times."""
    found = []
    for number in range(5):
        row = Row("burst", "", 50, 60, 8, ())
        headers = {"who": f"burst{number}{random.random()}"}
        urls = [f"{gateway}/burst/x" for _ in range(400 // len(gateways)) for gateway in gateways]
        await asyncio.gather(*(call(session, url, headers, row, 0.0) for url in urls))
        found.append(len(row.admitted))
    return found


async def load(house: House, table: list[Row], headers: list[dict[str, str]], seconds: float, kill: bool) -> list[int]:
    gateways = house.gateways
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(20)) as session:
        await bursts(session, gateways)  # connections
        burst = await bursts(session, gateways)
        began = time.time()
        tasks = []
        for number, row in enumerate(table):
            shares = row.shares[: len(gateways)]
            for gateway, share in zip(gateways, shares, strict=False):
                if share:
                    rate = row.limit / row.period * row.factor * share / sum(shares)
                    url = f"{gateway}/limit{number}/x"
                    tasks.append(offer(session, url, headers[number], row, rate, began + seconds, began))
        running = asyncio.gather(*tasks)
        if kill:
            await asyncio.sleep(seconds / 2)
            dead = await asyncio.to_thread(house.kill, "syncagent")
            await asyncio.sleep(5)
            await asyncio.to_thread(house.again, dead)
        await running
    return burst


def report(table: list[Row], burst: list[int], seconds: float) -> int:
    wrong = 0
    print(f"{'policy':<20} {'shares':<9} {'period':>6} {'offered':>8} {'limit':>6} {'least':>6} {'most':>6}  "
          f"{'below':>6} {'above':>6}  holds")  # fmt: skip
    for row in table:
        least, most = spread(row, seconds)
        offered = sum(row.answers.values()) / seconds * min(row.period, seconds)
        holds = (
            most <= row.limit + max(OVER * row.limit, 1)
            and least >= row.limit - max(UNDER * row.limit, 1)
            and set(row.answers) <= {200, 429, 403}
        )
        wrong += not holds
        shares = ":".join(f"{share:g}" for share in row.shares)
        print(f"{row.name:<20} {shares:<9} {row.period:>4g} s {offered:>8.0f} {row.limit:>6} {least:>6} {most:>6}  "
              f"{(row.limit - least) / row.limit:>6.1%} {(most - row.limit) / row.limit:>6.1%}  "
              f"{'yes' if holds else 'NO'} {'' if holds else dict(row.answers)}")  # fmt: skip
    print(f"bursts of 400 at once over a limit of 50: {burst} passed")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=42)
    parser.add_argument("--sidecars", type=int, default=4)
    parser.add_argument("--apart", action="store_true")
    parser.add_argument("--redis", action="store_true")
    parser.add_argument("--kill-agent", action="store_true")
    parser.add_argument("--clock", type=int, default=0)
    parser.add_argument("--only", default="", help="rows whose policy begins so")
    asked = parser.parse_args()
    environment = {"policy.limits.memory.enabled": "false"} if asked.apart else {}
    return asyncio.run(run(asked, environment))


def mistime(house: House, seconds: int) -> None:
    """Kill the first sidecar and start it again with a clock that is so far ahead."""
    library = next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)
    if library is None:
        sys.exit("libfaketime is not installed")
    victim = house.processes("proxy")[0]
    os.kill(victim.pid, signal.SIGKILL)
    wait_until(lambda: not victim.alive)
    faked = {"LD_PRELOAD": str(library), "FAKETIME": f"{seconds:+d}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    victim.environment.update(faked, DONT_FAKE_MONOTONIC="1")
    house.again([victim])
    wait_until(lambda: request(f"{house.gateways[0]}/status-0123456789abcdef").status == 200, 30)


async def run(asked: argparse.Namespace, environment: dict[str, str]) -> int:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if asked.redis:
            from tests.proxy.test_redis_cache import Redis

            redis = Redis(folder)
            redis.start()
            stack.callback(redis.stop)
            environment = {**environment, "policy.limits.redis.connection": f"redis://127.0.0.1:{redis.port}"}
        house = House(folder, extra=("--no-demo", "--sidecars", str(asked.sidecars)), environment=environment)
        try:
            await asyncio.to_thread(house.start)
            if asked.clock:
                await asyncio.to_thread(mistime, house, asked.clock)
            async with model() as backend:
                table = [each for each in rows(datetime.datetime.now(datetime.UTC)) if each.name.startswith(asked.only)]
                headers = await asyncio.to_thread(furnish, house, backend, table)
                burst = await load(house, table, headers, asked.seconds, asked.kill_agent)
        finally:
            await asyncio.to_thread(house.stop)
    return int(report(table, burst, asked.seconds) > 0)


if __name__ == "__main__":
    sys.exit(main())
