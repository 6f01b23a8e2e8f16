"""The plane dies, answers errors, hangs, or answers what is none: what is held goes on."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.e2e.house import request, wait_until
from tests.faults.imposter import events
from tests.faults.line import ANSWER, BLACK_HOLE, CUT, GARBAGE, HALF_CLOSE, PASS, RESET, Answer, http
from tests.faults.place import KEY_HEADER, STATUS, Place
from tests.faults.row import Figures, fault

NDJSON = {"Content_Type": "application/x-ndjson"}
ZIPPED = {**NDJSON, "Content_Encoding": "gzip"}


@contextlib.contextmanager
def agent_with(place: Place, **settings: str) -> Iterator[None]:
    """The agent with other settings of `config.service` for a while, e.g. `poll_interval`; its log tells all."""
    named = {f"config.service.{name.replace('_', '.')}": value for name, value in settings.items()}
    named["telemetry.logs.std.level"] = "debug"
    before = place.restart_agent(**named).environment
    try:
        wait_until(lambda: place.ready().get("source") == "plane", 30, what="the agent to be in sync")
        yield
    finally:
        place.restart_agent(**{name: before.get(name, "") for name in named})


@fault("F3", "kill -9 of the plane", promise="fail static", goal="0 failed; heartbeats again <= 60 s after its return")
def killed(place: Place) -> Figures:
    figures, house = Figures(), place.house
    with place.load() as load:
        dead = house.kill("management")
        time.sleep(place.outage)
        house.again(dead)
        wait_until(lambda: house.arm("").status == 200, 60, what="the plane to return")
        back, began = time.time(), time.monotonic()
        wait_until(lambda: _last_heartbeat(place) >= back - 1, 90, every=0.25, what="a heartbeat")
        beat = time.monotonic() - began
        synced = place.arrived(place.publish())
    figures.failed(load)
    figures.say(f"away for {place.outage:.0f} s")
    figures.at_most("heartbeat after", beat, 60, "s", bound=75)
    figures.at_most("a change arrives after", synced, place.options.poll + 2, "s", bound=place.options.poll + 10)
    return figures


def _last_heartbeat(place: Place) -> float:
    import datetime

    return datetime.datetime.fromisoformat(place.heartbeats()[0]["lastHeartbeat"]).timestamp()


def _troubled(place: Place, answer: Answer, figures: Figures, seconds: float) -> list[float]:
    """When an agent with its default pace asked while the plane answered so; judges how often."""
    pace = {"poll_interval": "10", "heartbeat_interval": "60", "backoff_maximum": "60"}
    with agent_with(place, **pace), place.load(rate=100) as load:
        began = time.monotonic()
        place.plane.set(ANSWER, answer=answer)
        time.sleep(seconds)
        times = [at for at, _ in place.plane.requests if began <= at < began + seconds]
        place.plane.set(PASS)
        figures.failed(load)
    figures.at_most("requests a minute", len(times) * 60 / seconds, 10)
    return times


@fault(
    "F4a",
    "the plane answers 500 to everything",
    promise="backoff with full jitter, at most 60 s",
    goal="0 failed; <= 10 requests a minute to the plane",
)
def errors(place: Place) -> Figures:
    figures = Figures()
    _troubled(place, lambda head, body: http("500 Internal Server Error"), figures, max(place.outage, 60))
    return figures


@fault(
    "F4b",
    "the plane answers 503 and 429 with Retry-After: 30",
    promise="Retry-After is obeyed by every call",
    goal="0 failed; no request before it, <= 10 requests a minute",
)
def busy(place: Place) -> Figures:
    figures = Figures()
    turn = itertools.cycle(("503 Service Unavailable", "429 Too Many Requests"))
    answer: Answer = lambda head, body: http(next(turn), Retry_After="30")  # noqa: E731
    times = _troubled(place, answer, figures, max(place.outage, 60))
    # two that were on their way together both count as the first
    early = sum(1 < later - first < 29.5 for first, later in itertools.pairwise(times))
    figures.at_most("requests before their time", early, 0)
    return figures


@fault(
    "F5a",
    "the plane takes connections and is silent",
    promise="a deadline ends it",
    goal="0 failed; never stuck longer than one deadline",
)
def silent(place: Place) -> Figures:
    return _hanging(place, lambda: place.plane.set(BLACK_HOLE))


@fault("F5b", "the plane answers at 1 B/s", promise="a deadline ends it", goal="0 failed; never stuck > one deadline")
def slow(place: Place) -> Figures:
    return _hanging(place, lambda: place.plane.set(PASS, rate=1.0))


def _hanging(place: Place, begin: Callable[[], None]) -> Figures:
    figures, deadline = Figures(), 3.0
    with agent_with(place, integration_timeout=f"{deadline:g}"), place.load() as load:
        before = _errors(place)
        begin()
        began = time.monotonic()
        version = place.publish()
        wait_until(lambda: _errors(place) >= before + 3, 60, what="three deadlines")
        took = (time.monotonic() - began) / 3
        # what hung is lost; what comes after it is not
        place.plane.set(PASS)
        place.plane.drop()
        synced = place.arrived(version)
        figures.failed(load)
    pace = deadline + 2 * place.options.poll
    figures.at_most("each attempt ends after", took, pace, "s", bound=pace + 5)
    figures.at_most("in sync after", synced, pace, "s", bound=pace + 10)
    return figures


def _changed(place: Place, change: Callable[[list[bytes]], list[bytes]]) -> Answer:
    """The real feed with its lines changed, as a snapshot."""

    def answer(head: bytes, body: bytes) -> bytes:
        if b"/events" not in head.split(b"\r\n")[0]:
            return http("204 No Content", Content_Length="none")
        lines = change(events(place).rstrip(b"\n").split(b"\n"))
        return http("200 OK", gzip.compress(b"\n".join(lines) + b"\n", 1), **ZIPPED)

    return answer


def _wrong_digest(lines: list[bytes]) -> list[bytes]:
    return [line.replace(b'"displayName"', b'"displayNome"', 1) if b"/apis/shop\t" in line else line for line in lines]


def _wrong_fingerprint(lines: list[bytes]) -> list[bytes]:
    return [*lines[:-1], lines[-1][:-8] + b"00000000"]


def _wrong_count(lines: list[bytes]) -> list[bytes]:
    return [line for line in lines if not line.startswith(b"U\t/apis/token")]


def _bomb() -> bytes:
    """2 GiB of zeros in 2 MB."""
    packer, zeros = zlib.compressobj(9, zlib.DEFLATED, 31), b"\0" * 2**20
    return b"".join(packer.compress(zeros) for _ in range(2048)) + packer.flush()


@fault(
    "F6",
    "garbage for an answer: HTML, other JSON, empty, half, wrong digest, count or fingerprint, a gzip bomb, a redirect",
    promise="a failed fetch, never an empty configuration",
    goal="0 failed; version unchanged; the agent's memory stays",
)
def garbage(place: Place) -> Figures:
    figures = Figures()
    feed = events(place)
    packed = gzip.compress(feed)
    bomb = http("200 OK", _bomb(), **ZIPPED)
    elsewhere = place.house.info["management"]
    answers: dict[str, Answer] = {
        "HTML": lambda head, body: http("200 OK", b"<html><body>Sign in</body></html>", Content_Type="text/html"),
        "other JSON": lambda head, body: http("200 OK", b'{"value": []}', Content_Type="application/json"),
        "empty": lambda head, body: http("200 OK", **NDJSON),
        "nothing new, no end": lambda head, body: http("200 OK", feed.split(b"\n")[0] + b"\n", **NDJSON),
        "half": lambda head, body: http("200 OK", feed[: len(feed) // 2], **NDJSON),
        "half of the gzip": lambda head, body: http("200 OK", packed[: len(packed) // 2], **ZIPPED),
        "no gzip": lambda head, body: http("200 OK", feed, **ZIPPED),
        "204": lambda head, body: http("204 No Content", Content_Length="none"),
        "a redirect": lambda head, body: http("302 Found", Location=elsewhere),
        "wrong digest": _changed(place, _wrong_digest),
        "wrong fingerprint": _changed(place, _wrong_fingerprint),
        "wrong count": _changed(place, _wrong_count),
        "a bomb": lambda head, body: bomb,
        "a bomb of JSON": lambda head, body: bomb if b"/counters" in head[:200] else http("500 No"),
    }
    modes = {"random bytes": {"mode": GARBAGE}, "reset": {"mode": RESET}, "cut": {"mode": CUT, "after": 120}}
    modes["half-close"] = {"mode": HALF_CLOSE, "after": 150}
    fast = {"poll_interval": "0.3", "backoff_maximum": "0.5"}
    with agent_with(place, **fast), place.load() as load:
        held, rss, most = place.ready(), place.agent.rss_mb(), 0.0
        for name, behaviour in {**{n: {"mode": ANSWER, "answer": a} for n, a in answers.items()}, **modes}.items():
            # a whole feed is wanted, so that each answer is about everything
            before = _errors(place)
            place.plane.set(**behaviour)  # type: ignore[arg-type]
            place.plane.drop()
            wait_until(lambda before=before: _errors(place) >= before + 2, 30, what=f"{name} to be refused")
            most = max(most, place.agent.rss_mb())
            now = place.ready()
            same = (now["dataset"], now["cursor"]) == (held["dataset"], held["cursor"])
            figures.broken += [] if same else [f"{name}: applied {now}"]
        place.plane.set(PASS)
        figures.failed(load)
    figures.true(f"{len(answers) + len(modes)} sorts refused", not figures.broken)
    figures.at_most("the agent's memory grows by", most - rss, 64, "MB")
    place.arrived(place.publish())
    return figures


def _errors(place: Place) -> int:
    return place.log("syncagent").count("[ConfigSyncFailed]")


@fault(
    "F7a",
    "the token is revoked, later its file has a new one",
    promise="keeps serving, says so; reads the file again",
    goal="0 failed; new token used <= 10 s without a restart",
)
def revoked(place: Place) -> Figures:
    figures, house = Figures(), place.house
    with place.load() as load:
        gateway = f"/gateways/{house.gateway_id}"
        for key in ("primary", "secondary"):
            assert house.arm(f"{gateway}/regenerateKey", "POST", {"keyType": key}).status in (200, 204)
        wait_until(lambda: "PlaneRefuses" in place.ready()["issues"], 60, what="the agent to say so")
        version = place.publish()
        time.sleep(3)
        began = time.monotonic()
        place.token_file.write_text(place.token())
        wait_until(lambda: not place.ready()["lastError"], 60, what="the new token to be used")
        used = time.monotonic() - began
        place.arrived(version)
        figures.failed(load)
    figures.at_most("new token used after", used, 10, "s", bound=15)
    figures.true("said in health and log", "the plane refuses the gateway token" in place.log("syncagent"))
    return figures


@fault(
    "F7b",
    "a cold start with a token that is refused, and no backup",
    promise="503 and not ready, never a 2xx; well with the right token",
    goal="no 2xx; in sync <= 10 s after the new token",
)
def refused_at_start(place: Place) -> Figures:
    figures, house = Figures(), place.house
    good, file = place.token_file.read_text(), place.token_file
    agent, sidecars = house.kill("syncagent")[0], house.kill("proxy")
    for generation in Path(agent.environment["config.backup.path"]).iterdir():
        if generation.name != "backup.key":
            generation.unlink()
    file.write_text(f"{good.strip()[:-6]}AAAAAA")
    place.start_again(agent)
    for sidecar in sidecars:
        place.start_again(sidecar)
    statuses: set[int] = set()
    for gateway in house.gateways:
        place.forgotten(gateway)
        wait_until(lambda gateway=gateway: request(gateway + STATUS).status, 60, what=f"any answer of {gateway}")
    until = time.monotonic() + 4
    while time.monotonic() < until:
        for gateway in house.gateways:
            for path in ("/shop/x", "/keyed/x", "/nowhere", STATUS):
                statuses.add(request(gateway + path, headers={KEY_HEADER: place.key}).status)
        time.sleep(0.1)
    began = time.monotonic()
    file.write_text(good)
    house.everywhere("/shop/x", lambda reply: reply.status == 200, 60)
    figures.true(f"answers {sorted(statuses)}", statuses == {503})
    figures.at_most("serves after", time.monotonic() - began, 10, "s", bound=30)
    figures.true("said so", "[ConfigInitialSyncFailed]" in place.log("syncagent"))
    return figures
