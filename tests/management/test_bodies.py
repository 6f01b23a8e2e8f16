"""Bodies of requests: bounded, parsed strictly, and large ones one at a time."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from management import bodies
from management.bodies import TURN
from tests.management.conftest import VERSION, Plane


def tags(count: int, text: str) -> dict[str, Any]:
    return {"resources": [{"id": f"/tags/t{n}", "properties": {"displayName": text}} for n in range(count)]}


async def send(plane: Plane, path: str, body: bytes, method: str = "POST") -> int:
    url = f"{plane.server.make_url('/')}".rstrip("/") + plane.service + path
    headers = plane.headers | {"Content-Type": "application/json"}
    async with plane.session.request(
        method, url, data=body, headers=headers, params={"api-version": VERSION}
    ) as response:
        await response.read()
        return response.status


async def test_a_body_beyond_the_bound_is_refused(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "LARGEST_BODY", 1000)
    monkeypatch.setattr(bodies.read_body, "__defaults__", (1000,))
    body = json.dumps({"properties": {"displayName": "x" * 2000}}).encode()
    assert await send(plane, "/tags/t", body, "PUT") == 413
    assert await send(plane, "/apply", json.dumps(tags(20, "x" * 100)).encode()) == 200
    assert (await plane.call("GET", "/tags/t")).status == 404


async def test_large_bodies_take_turns(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after one that was refused, and while small ones go on."""
    monkeypatch.setattr(bodies, "SMALL", 10_000)
    turn = plane.server.app[TURN]
    large = [json.dumps(tags(100, f"{number}{'x' * 100}")).encode() for number in range(4)]
    broken = large[0][:-1]
    assert await send(plane, "/apply", broken) == 400
    assert not turn.locked()
    await turn.acquire()
    waiting = [asyncio.create_task(send(plane, "/apply", body)) for body in [*large, broken]]
    await plane.put("/tags/small", {"displayName": "small"})
    assert not any(task.done() for task in waiting)
    turn.release()
    assert sorted(await asyncio.gather(*waiting)) == [200, 200, 200, 200, 400]
    assert not turn.locked()
    found = {tag["properties"]["displayName"] for tag in (await plane.get("/tags"))["value"] if tag["name"] != "small"}
    assert len(found) == 1
