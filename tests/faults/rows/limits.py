"""The server that holds shared limits goes away: local counters go on, and nobody waits for it for long."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.e2e.house import request, wait_until
from tests.faults.line import BLACK_HOLE, PASS, REFUSE, Line
from tests.faults.load import Kind
from tests.faults.place import Place
from tests.faults.row import Figures, NotHere, fault
from tests.proxy.test_redis_cache import Redis

ADDED = 0.05  # seconds, at most
BUSY = 0.4  # what a busy machine may make of it
PATH = "/limited/x"


@contextmanager
def beside_redis(place: Place, **settings: str) -> Iterator[tuple[Place, Line]]:
    if shutil.which("redis-server") is None:
        raise NotHere("redis-server is not installed (on Debian: apt-get install redis-server)")
    with ExitStack() as stack:
        redis = Redis(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        stack.callback(redis.stop)
        redis.start()
        line = Line(("127.0.0.1", redis.port)).start()
        stack.callback(line.stop)
        own = {"policy.limits.redis.connection": f"redis://127.0.0.1:{line.port}", **settings}
        yield stack.enter_context(place.another(**own)), line


def median(place: Place) -> float:
    """Seconds of a call with a limit."""
    took = []
    for _ in range(21):
        began = time.monotonic()
        request(place.house.gateways[0] + PATH)
        took.append(time.monotonic() - began)
    return sorted(took)[len(took) // 2]


def in_use(place: Place) -> None:
    """Both sidecars use the server."""
    log = place.log
    wait_until(
        lambda: log("proxy").count("LimitsServerUp") == log("proxy").count("LimitsServerDown") + 2,
        20,
        what="the limits server to be in use",
    )


@fault(
    "F30",
    "Redis down / slow 5 s / flapping",
    promise="rate limits fall back to local counters, fail-open",
    goal="0 failed; <= 50 ms added",
)
def limits_server_away(place: Place) -> Figures:
    figures = Figures()
    with beside_redis(place) as (own, line):
        _ = own.house
        kinds = [kind for kind in own.kinds if kind.path == PATH]
        kinds.append(Kind("limited", PATH, frozenset({200}), check=None))
        usual = median(own)
        for name, behaviour in (
            ("down", {"mode": REFUSE}),
            ("slow 5 s", {"latency": 5.0}),
            ("hung", {"mode": BLACK_HOLE}),
        ):
            in_use(own)
            with own.load(kinds=kinds, rate=60) as load:
                time.sleep(1)
                line.set(**behaviour)
                slowest = 0.0
                until = time.monotonic() + 3
                while time.monotonic() < until:
                    began = time.monotonic()
                    request(own.house.gateways[0] + PATH)
                    slowest = max(slowest, time.monotonic() - began)
                later = median(own)
                line.set(mode=PASS)
                time.sleep(1)
            figures.failed(load)
            figures.at_most(
                f"{name}: slowest added", round(1000 * max(slowest - usual, 0)), 1000 * ADDED, "ms", 1000 * BUSY
            )
            figures.at_most(f"{name}: circuit open, added", round(1000 * max(later - usual, 0), 1), 5, "ms", 50)
        with own.load(kinds=kinds, rate=60) as load:
            for _ in range(8):
                line.set(mode=REFUSE)
                time.sleep(0.3)
                line.set(mode=PASS)
                time.sleep(0.7)
        figures.failed(load)
        figures.say("flapping 1/s")
        began = time.monotonic()
        ups = own.log("proxy").count("LimitsServerUp")
        figures.true("told in the log", own.log("proxy").count("LimitsServerDown") >= 3 and ups >= 3)
        wait_until(
            lambda: own.log("proxy").count("LimitsServerUp") == own.log("proxy").count("LimitsServerDown") + 2, 15
        )
        figures.at_most("in use again after", time.monotonic() - began, 5, "s", 15)
    return figures


@fault(
    "F30b",
    "Redis down, policy.limits.redis.failure closed",
    promise="calls with limits are refused, others served",
    goal="503 with Retry-After; 0 others failed",
)
def limits_server_away_and_closed(place: Place) -> Figures:
    figures = Figures()
    with beside_redis(place, **{"policy.limits.redis.failure": "closed"}) as (own, line):
        _ = own.house
        in_use(own)
        kinds = [kind for kind in own.kinds if kind.path not in (PATH, "/tight/x")]
        gateway = own.house.gateways[0]
        wait_until(lambda: request(gateway + PATH).status == 200, 20)
        told = "limits server"
        wait_until(lambda: told not in str(own.heartbeats()), 30, what="the heartbeat to tell nothing of the start")
        with own.load(kinds=kinds, rate=60) as load:
            line.set(mode=REFUSE)
            reply = wait_until(lambda: (found := request(gateway + PATH)).status == 503 and found, 5)
            figures.true("503", reply.status == 503)
            figures.true("Retry-After", "retry-after" in reply.headers)
            wait_until(lambda: told in str(own.heartbeats()), 30, what="the heartbeat to tell")
            figures.say("told in the heartbeat")
            line.set(mode=PASS)
            began = time.monotonic()
            wait_until(lambda: request(gateway + PATH).status == 200, 20)
            figures.at_most("200 again after", time.monotonic() - began, 6, "s", 15)
            time.sleep(1.5)
        figures.failed(load)
    return figures
