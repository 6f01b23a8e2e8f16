"""A plane that says what a row wants said, in the words of the feed: in place of the real one on the agent's line.

It begins with what the real plane has, in a dataset of its own; `tests/syncagent/plane.py` keeps it and writes the
feed. When it goes, the real plane's dataset is another one to the agent, and everything is as before.
"""

from __future__ import annotations

import contextlib
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.e2e.house import request, wait_until
from tests.faults.line import ANSWER, http
from tests.faults.place import Place, versioned
from tests.syncagent.plane import FakePlane, canonical

SHOP = "/apis/shop/policies/policy"


@dataclass
class Imposter:
    """`feed` answers the next event calls in place of what is held, when it is set."""

    place: Place
    plane: FakePlane
    events: int = 0
    heartbeats: list[dict[str, Any]] = field(default_factory=list)
    feed: bytes | None = None

    def body(self, id: str) -> dict[str, Any]:
        return dict(json.loads(self.plane.resources[id]))

    def put(self, id: str, **changes: Any) -> None:
        """Change properties of a resource; None takes one away."""
        body = {**(self.body(id) if id in self.plane.resources else {}), **changes}
        self.plane.put(id, {name: value for name, value in body.items() if value is not None})

    def policy(self, id: str, text: str) -> None:
        self.put(id, format="rawxml", value=text)

    def publish(self, inbound: str = "") -> int:
        """The next version of `shop`, by this plane."""
        version = next(self.place._versions)
        self.place.oracle.newest = version
        self.policy(SHOP, versioned(version, inbound))
        return version

    def asked_again(self, times: int = 2) -> None:
        """Wait until the agent has asked so often from now on."""
        before = self.events
        wait_until(lambda: self.events >= before + times, 60, what="the agent to ask")

    def answer(self, head: bytes, body: bytes) -> bytes:
        """One exchange; see `line.Answer`."""
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        parts = urlsplit(target)
        if method == "GET" and parts.path.endswith("/events"):
            self.events += 1
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            text = (
                self.plane.feed(query.get("dataset"), int(query.get("cursor", -1))) if self.feed is None else self.feed
            )
            return http("200 OK", gzip.compress(text, 1), Content_Type="application/x-ndjson", Content_Encoding="gzip")
        if parts.path.endswith("/heartbeat"):
            self.heartbeats.append(json.loads(body))
        if parts.path.endswith("/counters"):
            return http("200 OK", b"{}", Content_Type="application/json")
        return http("204 No Content", Content_Length="none")

    def told(self, text: str, timeout: float = 30) -> dict[str, Any]:
        """The first heartbeat that has the text anywhere."""

        def find() -> dict[str, Any] | None:
            return next((each for each in list(self.heartbeats) if text in json.dumps(each)), None)

        return dict(wait_until(find, timeout, what=f"a heartbeat with {text}"))


def events(place: Place, dataset: str = "", cursor: int | None = None) -> bytes:
    """What the real plane answers to an event call of this gateway, past the line."""
    token = place.token_file.read_text().strip().removeprefix("GatewayKey ")
    query = "" if cursor is None else f"?dataset={dataset}&cursor={cursor}"
    port = urlsplit(place.house.info["management"]).port
    path = urlsplit(place.endpoint).path
    gateway = token.partition("&")[0]
    reply = request(
        f"http://127.0.0.1:{port}{path}/gateways/{gateway}/events{query}",
        headers={"Authorization": f"GatewayKey {token}"},
    )
    assert reply.status == 200, (reply.status, reply.body)
    return reply.body


@contextlib.contextmanager
def imposter(place: Place, dataset: str = "imposter") -> Iterator[Imposter]:
    """In place of the plane for a while; at the end the real one is back and in force."""
    house = place.house
    resources: dict[str, bytes] = {}
    for line in events(place).split(b"\n"):
        if line.startswith(b"U\t"):
            _, id, _, text = line.split(b"\t", 3)
            resources[id.decode()] = canonical(json.loads(text))
    it = Imposter(place, FakePlane(dataset=dataset, cursor=len(resources), resources=resources))
    place.plane.set(ANSWER, answer=it.answer)
    try:
        place.arrived(it.publish())
        yield it
    finally:
        place.plane.set()
        place.arrived(place.publish())
        wait_until(lambda: place.ready().get("dataset") != dataset, 30, what="the real plane's dataset")
        for gateway in house.gateways:
            wait_until(
                lambda gateway=gateway: all(place.answers(kind, gateway) for kind in place.kinds),
                30,
                what=f"the right answers of {gateway}",
            )
