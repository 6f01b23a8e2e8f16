"""Many changes as one revision."""

from __future__ import annotations

from typing import Any

from tests.management.agent import Agent
from tests.management.conftest import Plane

POLICY = "<policies><inbound><set-header name='x'><value>{{n}}</value></set-header><base /></inbound></policies>"
API = {"displayName": "a", "path": "a"}
OPERATION = {"displayName": "g", "method": "GET", "urlTemplate": "/"}
RESOURCES: list[dict[str, Any]] = [
    # in an order that cannot be
    {"id": "/apis/a/operations/g/policies/policy", "properties": {"format": "rawxml", "value": POLICY}},
    {"id": "/subscriptions/s", "properties": {"displayName": "s", "scope": "/products/p"}},
    {"id": "/products/p/apis/a"},
    {"id": "/products/p", "properties": {"displayName": "p"}},
    {"id": "/apis/a/operations/g", "properties": OPERATION},
    {"id": "/apis/a;rev=2", "properties": {**API, "apiRevision": "2"}},
    {"id": "/apis/a", "properties": API},
    {"id": "/namedValues/n", "properties": {"displayName": "n", "value": "v"}},
]


async def _apply(plane: Plane, resources: list[dict[str, Any]], **more: Any) -> Any:
    reply = await plane.call("POST", "/apply", body={"resources": resources, **more})
    return reply.body if reply.status == 200 else reply.error()


async def _revision(plane: Plane) -> int:
    return int((await plane.get("/changes"))["value"][-1]["revision"])


async def test_any_order_is_one_revision(plane: Plane) -> None:
    agent, before = await Agent.of(plane), await _revision(plane)
    told = await _apply(plane, RESOURCES)
    assert {change["operation"] for change in told["changes"]} == {"create"}
    assert told["revision"] == before + 1 == await _revision(plane)
    assert await plane.names("/products/p/apis") == ["a"]
    await agent.poll()


async def test_applied_again_nothing_changes(plane: Plane) -> None:
    first = await _apply(plane, RESOURCES)
    again = await _apply(plane, RESOURCES)
    assert again["changes"] == []
    assert again["unchanged"] == len(RESOURCES)
    assert again["revision"] == first["revision"] == await _revision(plane)
    other = [{"id": "/apis/a", "properties": {**API, "description": "new"}}]
    assert (await _apply(plane, other))["changes"] == [
        {"id": "/apis/a", "operation": "update", "properties": ["description"]}
    ]


async def test_all_or_nothing(plane: Plane) -> None:
    """One wrong resource is told by its id, and none of the others is there."""
    before = await _revision(plane)
    wrong = [*RESOURCES, {"id": "/apis/b", "properties": {"displayName": "b", "path": "a"}}, {"id": "/tags/t"}]
    error = await _apply(plane, wrong)
    assert sorted(detail["target"] for detail in error["details"]) == ["/apis/b path", "/tags/t displayName"]
    assert await _revision(plane) == before
    assert (await plane.call("GET", "/apis/a")).status == 404


async def test_dry_runs(plane: Plane) -> None:
    before = await _revision(plane)
    told = await _apply(plane, RESOURCES, dryRun=True)
    assert told["dryRun"]
    assert len(told["changes"]) == len(RESOURCES)
    assert await _revision(plane) == before
    assert (await plane.call("GET", "/apis/a")).status == 404


async def test_deletions(plane: Plane) -> None:
    await _apply(plane, RESOURCES)
    told = await _apply(plane, [], delete=["/products/p", "/apis/a", "/namedValues/n", "/tags/none"])
    # and what cannot be without them
    assert {change["operation"] for change in told["changes"]} == {"delete"}
    gone = ["/apis/a", "/apis/a;rev=2", "/namedValues/n", "/products/p", "/subscriptions/s"]
    assert sorted(change["id"] for change in told["changes"]) == gone
    assert (await plane.call("GET", "/subscriptions/s")).status == 404


async def test_a_product_with_a_revision_of_an_api(plane: Plane) -> None:
    """The association is with all revisions, whatever the id says."""
    revision = {"id": "/apis/a;rev=2", "properties": {**API, "serviceUrl": "https://two.example"}}
    told = await _apply(plane, [*RESOURCES, revision, {"id": "/products/p/apis/a;rev=2"}])
    assert {"id": "/products/p/apis/a", "operation": "create"} in told["changes"]
    again = await _apply(plane, [{"id": "/products/p/apis/a;rev=2"}])
    assert again["changes"] == []


async def test_the_revision_that_an_api_names_is_current_whatever_was_released(plane: Plane) -> None:
    resources = [
        {"id": "/apis/a", "properties": {**API, "apiRevision": "2"}},
        {"id": "/apis/a;rev=1", "properties": {**API, "serviceUrl": "https://one.example"}},
        {"id": "/apis/a/releases/x", "properties": {"apiId": "/apis/a;rev=2"}},
        {"id": "/apis/a/releases/y", "properties": {"apiId": "/apis/a;rev=1"}},
    ]
    await _apply(plane, resources)
    assert (await plane.get("/apis/a"))["properties"]["apiRevision"] == "2"
    assert (await plane.get("/apis/a;rev=1"))["properties"]["serviceUrl"] == "https://one.example"
    assert (await _apply(plane, resources))["changes"] == []


async def test_what_is_no_batch(plane: Plane) -> None:
    for body in ({"resources": {}}, {"resources": [1]}, {"resources": [{"id": "x"}]}, {"delete": ["/tags"]}):
        assert (await plane.call("POST", "/apply", body=body)).status == 400
    assert (await _apply(plane, [{"id": "/nothing/x"}]))["code"] == "InvalidResourceType"
