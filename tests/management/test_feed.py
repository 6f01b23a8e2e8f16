"""The configuration feed: what a gateway sees, and how it learns of changes."""

from __future__ import annotations

import gzip

import pytest
from sqlalchemy import update

from management import schema
from management import store as stores
from management.store import Store
from tests.management.agent import Agent
from tests.management.conftest import POLICY, Plane

OPERATION = {"displayName": "Get", "method": "GET", "urlTemplate": "/"}


@pytest.fixture
async def agent(plane: Plane) -> Agent:
    return await Agent.of(plane)


async def test_snapshot_of_a_new_service(agent: Agent, plane: Plane) -> None:
    await agent.poll()
    assert agent.kind == "snapshot"
    assert '"complete": true' in agent.lines[0]
    body = agent.body("/")
    assert len(body.pop("debugKey")) == 88
    assert body == {
        "id": plane.service,
        "name": "passerelle",
        "location": "local",
        "gatewayUrl": "http://localhost:8080",
    }
    assert {
        "/policies/policy",
        "/subscriptions/master",
        "/users/1",
        "/gateways/gw",
        "/groups/guests",
    } <= agent.held.keys()
    assert "/groups/administrators/users/1" in agent.held
    assert agent.body("/subscriptions/master")["scope"] == "/"
    assert len(agent.body("/subscriptions/master")["primaryKey"]) == 32


async def test_nothing_new(agent: Agent) -> None:
    await agent.poll()
    await agent.poll()
    assert (agent.kind, agent.changed()) == ("none", [])


async def test_only_associated_apis_are_seen(agent: Agent, plane: Plane) -> None:
    await agent.poll()
    await plane.api("seen")
    await plane.api("unseen")
    await plane.put("/apis/seen/operations/get", OPERATION)
    await plane.put("/apis/unseen/operations/get", OPERATION)
    await agent.poll()
    assert agent.changed() == []  # and no word of what it may not see
    await plane.put("/gateways/gw/apis/seen")
    await agent.poll()
    assert agent.changed() == ["U /apis/seen", "U /apis/seen/operations/get", "U /gateways/gw/apis/seen"]


async def test_changes_are_what_was_touched(agent: Agent, plane: Plane) -> None:
    await plane.api("a")
    await plane.put("/gateways/gw/apis/a")
    await agent.poll()
    await plane.put("/apis/a/operations/get", OPERATION)
    await plane.put("/apis/a/policies/policy", {"format": "xml", "value": POLICY.format("")})
    await agent.poll()
    assert (agent.kind, agent.changed()) == ("changes", ["U /apis/a/operations/get", "U /apis/a/policies/policy"])
    assert agent.body("/apis/a/policies/policy") == {"format": "rawxml", "value": POLICY.format("")}


async def test_deletions(agent: Agent, plane: Plane) -> None:
    await plane.api("a")
    await plane.put("/apis/a/operations/get", OPERATION)
    await plane.put("/products/p", {"displayName": "P"})
    await plane.put("/products/p/apis/a")
    await plane.put("/gateways/gw/apis/a")
    await agent.poll()
    assert "/products/p/apis/a" in agent.held
    await plane.delete("/apis/a")
    await agent.poll()
    assert agent.changed() == [
        "D /apis/a",
        "D /apis/a/operations/get",
        "D /gateways/gw/apis/a",
        "D /products/p/apis/a",
    ]


async def test_disassociation_takes_the_api_away(agent: Agent, plane: Plane) -> None:
    await plane.api("a")
    await plane.put("/apis/a/operations/get", OPERATION)
    await plane.put("/gateways/gw/apis/a")
    await agent.poll()
    await plane.delete("/gateways/gw/apis/a")
    await plane.put("/apis/a/operations/get", {**OPERATION, "description": "unseen"})
    await agent.poll()
    assert [line for line in agent.changed() if "/apis/a" in line][:2] == ["D /apis/a", "D /apis/a/operations/get"]
    assert not any(id.startswith("/apis/") for id in agent.held)


async def test_revisions_ride_along(agent: Agent, plane: Plane) -> None:
    await plane.api("a")
    await plane.put("/apis/a/operations/get", OPERATION)
    await plane.put("/gateways/gw/apis/a")
    await plane.put("/apis/a;rev=2", {"path": "a", "sourceApiId": "/apis/a"})
    await agent.poll()
    assert {"/apis/a", "/apis/a;rev=2", "/apis/a;rev=2/operations/get"} <= agent.held.keys()
    await plane.put("/apis/a/releases/r", {"apiId": "/apis/a;rev=2"})
    await agent.poll()
    assert (agent.body("/apis/a")["apiRevision"], agent.body("/apis/a;rev=1")["isCurrent"]) == ("2", False)
    assert "/apis/a;rev=2" not in agent.held
    assert agent.held.keys() == (await Agent(plane, "gw", agent.token).poll()).held.keys()


async def test_secrets_are_in_clear_and_ids_relative(agent: Agent, plane: Plane) -> None:
    await plane.put("/namedValues/nv", {"displayName": "nv", "value": "unseen", "secret": True})
    credentials = {"header": {"x-key": ["k1", "{{nv}}"]}, "authorization": {"scheme": "Basic", "parameter": "p"}}
    await plane.put("/backends/b", {"url": "https://b", "protocol": "http", "credentials": credentials})
    await plane.put("/loggers/l", {"loggerType": "azureMonitor"})
    await plane.put("/diagnostics/azuremonitor", {"loggerId": f"{plane.service.upper()}/loggers/l"})
    await plane.put("/subscriptions/s", {"displayName": "s", "scope": f"{plane.service}/apis", "ownerId": "/users/1"})
    await plane.put("/authorizationProviders/p", {"identityProvider": "oauth2"})
    connection = {"oauth2grantType": "ClientCredentials", "parameters": {"clientId": "me", "clientSecret": "hidden"}}
    await plane.put("/authorizationProviders/p/authorizations/c", connection)
    await agent.poll()
    assert agent.body("/authorizationProviders/p/authorizations/c")["parameters"] == connection["parameters"]
    assert agent.body("/namedValues/nv")["value"] == "unseen"
    assert agent.body("/backends/b")["credentials"] == credentials
    assert agent.body("/diagnostics/azuremonitor")["loggerId"] == "/loggers/l"
    assert (agent.body("/subscriptions/s")["scope"], agent.body("/subscriptions/s")["ownerId"]) == ("/apis", "/users/1")
    assert all("Microsoft.ApiManagement" not in body for id, body in agent.held.items() if id != "/")
    assert "primaryKey" not in agent.held["/gateways/gw"]
    assert agent.body("/gateways/gw")["debugKey"] != agent.body("/")["debugKey"]


async def test_other_gateways_are_not_seen(agent: Agent, plane: Plane) -> None:
    other = await Agent.of(plane, "other")
    await agent.poll()
    await other.poll()
    assert "/gateways/other" not in agent.held
    assert "/gateways/gw" not in other.held


async def test_gateway_ids_have_no_case(agent: Agent, plane: Plane) -> None:
    agent.gateway = "GW"
    await agent.poll()
    assert "/gateways/gw" in agent.held


async def test_spelling_that_changes_is_a_removal_too(agent: Agent, plane: Plane) -> None:
    await plane.put("/backends/Shop", {"url": "https://b", "protocol": "http"})
    await agent.poll()
    await plane.delete("/backends/Shop")
    await plane.put("/backends/shop", {"url": "https://b", "protocol": "http"})
    await agent.poll()
    assert agent.changed() == ["D /backends/Shop", "U /backends/shop"]


@pytest.mark.parametrize("cursor", [10_000, -1])
async def test_another_dataset_or_cursor_is_a_snapshot(agent: Agent, cursor: int) -> None:
    await agent.poll()
    here = agent.cursor
    if cursor > 0:
        agent.cursor = cursor
    else:
        agent.dataset = "another"
    await agent.poll()
    assert (agent.kind, agent.cursor) == ("snapshot", here)


async def test_a_new_service_of_the_same_name_is_another_dataset(agent: Agent, plane: Plane) -> None:
    await agent.poll()
    before = agent.dataset
    assert (await plane.call("DELETE")).status == 200
    properties = {"publisherEmail": "a@b", "publisherName": "A"}
    assert (await plane.call("PUT", body={"location": "x", "properties": properties})).status == 201
    again = await Agent.of(plane)
    again.dataset, again.cursor = before, agent.cursor
    await again.poll()
    assert (again.kind, again.dataset == before) == ("snapshot", False)
    # what the agent has besides is not known here, so it is not to be dropped for this
    assert "complete" not in again.lines[0]
    await again.poll(fresh=True)
    assert '"complete": true' in again.lines[0]


async def test_a_trimmed_log_is_a_snapshot(agent: Agent, plane: Plane, store: Store) -> None:
    await agent.poll()
    for number in range(5):
        await plane.put(f"/backends/b{number}", {"url": "https://b", "protocol": "http"})
    store.trim_log(keep=2)
    await agent.poll()
    assert agent.kind == "snapshot"
    await plane.delete("/backends/b1")
    await agent.poll()
    assert agent.changed() == ["D /backends/b1"]


async def test_the_log_is_bounded_in_revisions_and_in_entries(
    agent: Agent, plane: Plane, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "TRIMMED_AT_ONCE", 2)
    tags = [{"id": f"/tags/t{n}", "properties": {"displayName": "x"}} for n in range(10)]
    for text in ("a", "b", "c", "d"):
        for tag in tags:
            tag["properties"] = {"displayName": text}
        assert (await plane.call("POST", "/apply", body={"resources": tags})).status == 200
    await agent.poll()
    last = agent.cursor or 0
    calls = 1
    while store.trim_log(keep=1000, entries=25):
        calls += 1
    assert calls > 1  # a part at a time
    listed = (await plane.call("GET", "/changes")).body["value"]
    assert [each["revision"] for each in listed] == [last - 1, last]
    store.trim_log(keep=1000, entries=3)
    assert [each["revision"] for each in (await plane.call("GET", "/changes")).body["value"]] == [last]
    assert not store.trim_log()
    assert (await plane.call("POST", "/rollback", body={"revision": last - 1})).status == 200


async def test_revisions_have_no_gaps(agent: Agent, plane: Plane) -> None:
    await agent.poll()
    start = agent.cursor or 0
    await plane.put("/products/p", {"displayName": "P"})  # touches the product and two associations
    assert (await plane.call("PUT", "/products/q", {})).status == 400
    await plane.delete("/products/none")
    await plane.put("/products/p", {"displayName": "P2"})
    await agent.poll()
    assert agent.cursor == start + 2


async def test_gzip(agent: Agent, plane: Plane) -> None:
    headers = {"Authorization": f"GatewayKey {agent.token}", "Accept-Encoding": "gzip"}
    async with plane.session.request("GET", f"{agent.url}/events", headers=headers, auto_decompress=False) as response:  # type: ignore[call-arg]
        assert response.headers["Content-Encoding"] == "gzip"
        agent.apply(gzip.decompress(await response.read()).decode())
    async with plane.session.get(f"{agent.url}/events", headers={**headers, "Accept-Encoding": "identity"}) as response:
        assert "Content-Encoding" not in response.headers
        agent.apply(await response.text())


async def test_a_memo_of_another_dataset_is_not_used(agent: Agent, plane: Plane, store: Store) -> None:
    await agent.poll()
    with store.writing() as connection:
        connection.execute(update(schema.services).values(dataset="restored"))
    await plane.put("/backends/b", {"url": "https://b", "protocol": "http"})
    await agent.poll()
    assert (agent.kind, agent.dataset) == ("snapshot", "restored")
