"""What changed between two revisions, and the way back."""

from __future__ import annotations

from typing import Any

from tests.management.agent import Agent
from tests.management.conftest import Plane


async def _revision(plane: Plane) -> int:
    entries = (await plane.get("/changes"))["value"]
    return int(entries[-1]["revision"])


async def _everything(plane: Plane) -> list[dict[str, Any]]:
    collections = ("/apis", "/apis/a/operations", "/namedValues", "/tags", "/subscriptions", "/products")
    replies = [await plane.call("GET", collection) for collection in collections]
    return [reply.body for reply in replies]


async def test_changes_are_told_by_revision(plane: Plane) -> None:
    start = await _revision(plane)
    await plane.put("/tags/t", {"displayName": "one"})
    await plane.put("/tags/t", {"displayName": "two"})
    await plane.delete("/tags/t")
    told = (await plane.get("/changes", query={"from": str(start)}))["value"]
    assert [(entry["revision"], entry["changes"]) for entry in told] == [
        (start + 1, [{"operation": "put", "id": "/tags/t"}]),
        (start + 2, [{"operation": "put", "id": "/tags/t"}]),
        (start + 3, [{"operation": "delete", "id": "/tags/t"}]),
    ]
    one = (await plane.get("/changes", query={"from": str(start), "to": str(start + 1)}))["value"]
    assert len(one) == 1
    after = {"from": str(start + 1), "made": told[0]["time"]}
    assert (await plane.get("/changes", query=after))["value"] == told[1:]
    another_past = {**after, "made": "2001-01-01T00:00:00.000+00:00"}
    for query in ({"from": "x"}, {"from": "99999"}, {"from": str(start + 2), "to": str(start)}, another_past):
        assert (await plane.call("GET", "/changes", query=query)).status == 400


async def test_back_to_a_revision(plane: Plane) -> None:
    """What was changed, made and deleted since is as it was, secrets and references included, and gateways get it."""
    agent = await Agent.of(plane)
    await plane.api("a")
    operation = {"displayName": "g", "method": "GET", "urlTemplate": "/"}
    await plane.put("/apis/a/operations/get", operation)
    await plane.put("/namedValues/n", {"displayName": "n", "value": "sesame", "secret": True})
    policy = "<policies><inbound><set-header name='x'><value>{{n}}</value></set-header></inbound></policies>"
    await plane.put("/apis/a/policies/policy", {"format": "rawxml", "value": policy})
    before, target = await _everything(plane), await _revision(plane)

    await plane.delete("/apis/a")
    await plane.put("/namedValues/n", {"displayName": "n", "value": "other", "secret": True})
    await plane.put("/tags/new", {"displayName": "new"})
    reply = await plane.call("POST", "/rollback", body={"revision": target})
    assert reply.status == 200
    assert reply.body["revision"] == target + 4

    assert await _everything(plane) == before
    assert (await plane.call("POST", "/namedValues/n/listValue")).body["value"] == "sesame"
    assert (await plane.call("DELETE", "/namedValues/n")).status == 400  # the policy refers to it again
    assert (await plane.get("/apis/a/policies/policy"))["properties"]["value"]
    await agent.poll()  # its fingerprint adds up


async def test_back_and_forth(plane: Plane) -> None:
    """A rollback is a revision like any other: it can be taken back."""
    await plane.put("/tags/t", {"displayName": "one"})
    first = await _revision(plane)
    await plane.put("/tags/t", {"displayName": "two"})
    second = await _revision(plane)
    await plane.call("POST", "/rollback", body={"revision": first})
    assert (await plane.get("/tags/t"))["properties"]["displayName"] == "one"
    await plane.call("POST", "/rollback", body={"revision": second})
    assert (await plane.get("/tags/t"))["properties"]["displayName"] == "two"
    unchanged = await _revision(plane)
    reply = await plane.call("POST", "/rollback", body={"revision": unchanged})
    assert (reply.status, reply.body["restored"]) == (200, 0)
    assert await _revision(plane) == unchanged


async def test_rollbacks_that_cannot_be(plane: Plane) -> None:
    for revision in (None, "1", True, -1, 10**6):
        assert (await plane.call("POST", "/rollback", body={"revision": revision})).status == 400


async def test_a_workspace_goes_and_comes_with_its_revision(plane: Plane) -> None:
    start = await _revision(plane)
    workspace = {"displayName": "Team"}
    await plane.put("/workspaces/Team", workspace)
    made = await _revision(plane)
    await plane.put("/workspaces/Team/tags/t", {"displayName": "inside"})
    assert (await plane.call("POST", "/rollback", body={"revision": start})).status == 200
    assert (await plane.call("GET", "/workspaces/Team/tags")).status == 404
    await plane.put("/workspaces/Team", workspace)
    assert (await plane.get("/workspaces/Team/tags"))["value"] == []
    await plane.delete("/workspaces/Team")
    assert (await plane.call("POST", "/rollback", body={"revision": made})).status == 200
    assert (await plane.get("/workspaces/Team/tags"))["value"] == []
    await plane.put("/workspaces/Team/tags/t", {"displayName": "inside"})
