"""A small agent for tests: reads the feed strictly by docs/configuration-feed.md and applies it."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from tests.management.conftest import Plane


@dataclass
class Agent:
    plane: Plane
    gateway: str
    token: str
    dataset: str | None = None
    cursor: int | None = None
    held: dict[str, str] = field(default_factory=dict)
    # of the last answer
    kind: str = ""
    lines: list[str] = field(default_factory=list)

    @classmethod
    async def of(cls, plane: Plane, gateway: str = "gw") -> Agent:
        """An agent of a gateway, which is made if it is not there."""
        await plane.put(f"/gateways/{gateway}", {"locationData": {"name": "here"}})
        return cls(plane, gateway, await token(plane, gateway))

    @property
    def url(self) -> str:
        return str(self.plane.server.make_url(f"/configuration/passerelle/gateways/{self.gateway}"))

    async def poll(self, fresh: bool = False) -> Agent:
        query = {} if fresh or self.dataset is None else {"dataset": self.dataset, "cursor": str(self.cursor)}
        headers = {"Authorization": f"GatewayKey {self.token}"}
        async with self.plane.session.get(f"{self.url}/events", params=query, headers=headers) as response:
            assert response.status == 200, await response.text()
            self.apply(await response.text())
        return self

    def apply(self, text: str) -> None:
        assert text.endswith("\n")
        self.lines = text.split("\n")[:-1]
        header = json.loads(self.lines[0].removeprefix("H\t"))
        self.kind = header["kind"]
        held = {} if self.kind == "snapshot" else dict(self.held)
        if self.kind != "snapshot":
            assert (header["dataset"], header["from"]) == (self.dataset, self.cursor)
        for line in self.lines[1:-1]:
            verb, id, *rest = line.split("\t")
            if verb == "D":
                held.pop(id, None)
                continue
            digest, body = rest
            assert verb == "U"
            assert sha256(body.encode()).hexdigest() == digest
            assert body == json.dumps(json.loads(body), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            held[id] = body
        end, count, fingerprint = self.lines[-1].split("\t")
        assert (end, int(count)) == ("E", len(self.lines) - 2)
        assert fingerprint == fingerprint_of(held)
        self.held, self.dataset, self.cursor = held, header["dataset"], header["cursor"]

    def body(self, id: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.held[id])
        return found

    def changed(self) -> list[str]:
        """The lines of the last answer in short: "U /apis/a", "D /apis/b"."""
        return [" ".join(line.split("\t")[:2]) for line in self.lines[1:-1]]


async def token(plane: Plane, gateway: str, key: str = "primary") -> str:
    expiry = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    reply = await plane.call(
        "POST", f"/gateways/{gateway}/generateToken", body={"keyType": key, "expiry": expiry.isoformat()}
    )
    assert reply.status == 200, reply.body
    return str(reply.body["value"])


def fingerprint_of(held: dict[str, str]) -> str:
    total = 0
    for id, body in held.items():
        digest = sha256(body.encode()).hexdigest()
        total += int(sha256(f"{id}\0{digest}".encode()).hexdigest(), 16)
    return f"{total % 2**256:064x}"
