"""Who may read the feed, and what the plane knows of those who do."""

from __future__ import annotations

import datetime
import io
import json

import pytest
from yarl import URL

from management import heartbeats
from management.keys import sign
from tests.management.agent import Agent, token
from tests.management.conftest import TOKEN, Plane


@pytest.fixture
async def agent(plane: Plane) -> Agent:
    return await Agent.of(plane)


async def refused(agent: Agent, header: str | None) -> tuple[int, str]:
    headers = {"Authorization": header} if header is not None else {}
    async with agent.plane.session.get(f"{agent.url}/events", headers=headers) as response:
        body = await response.json()
        return response.status, body["error"]["code"]


@pytest.mark.parametrize(
    "header", [None, f"Bearer {TOKEN}", "GatewayKey ", "GatewayKey gw&209901010000&AAAA", "GatewayKey a&b"]
)
async def test_only_gateway_tokens(agent: Agent, header: str | None) -> None:
    assert await refused(agent, header) == (401, "GatewayTokenInvalid")


async def test_a_bare_host_means_the_first_service(agent: Agent, plane: Plane) -> None:
    url, headers = plane.server.make_url("/gateways/gw/"), {"Authorization": f"GatewayKey {agent.token}"}
    async with plane.session.get(url.join(URL("events")), headers=headers) as response:
        assert response.status == 200
        assert (await response.text()).startswith("H\t")
    async with plane.session.get(url.join(URL("events"))) as response:
        assert response.status == 401
    async with plane.session.post(url.join(URL("heartbeat")), headers=headers, json={"instanceId": "one"}) as response:
        assert response.status == 204, await response.text()


async def test_tokens_of_another_gateway(agent: Agent, plane: Plane) -> None:
    other = await Agent.of(plane, "other")
    assert await refused(agent, f"GatewayKey {other.token}") == (401, "GatewayTokenInvalid")


async def test_a_token_ends(agent: Agent, plane: Plane) -> None:
    keys = (await plane.call("POST", "/gateways/gw/listKeys")).body
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=2)
    assert await refused(agent, f"GatewayKey {sign('gw', past, keys['primary'])}") == (401, "GatewayTokenExpired")


@pytest.mark.parametrize(
    "change", [lambda t: t[:-4] + "AAA=", lambda t: t.replace("gw&2", "gw&3", 1), lambda t: "GW" + t[2:]]
)
async def test_a_changed_token(agent: Agent, change: object) -> None:
    assert callable(change)
    assert await refused(agent, f"GatewayKey {change(agent.token)}") == (401, "GatewayTokenInvalid")


async def test_a_token_dies_with_its_key(agent: Agent, plane: Plane) -> None:
    second = await token(plane, "gw", "secondary")
    assert (await plane.call("POST", "/gateways/gw/regenerateKey", body={"keyType": "primary"})).status == 204
    assert await refused(agent, f"GatewayKey {agent.token}") == (401, "GatewayTokenInvalid")
    agent.token = second
    await agent.poll()


async def test_gateway_tokens_open_nothing_else(agent: Agent, plane: Plane) -> None:
    plane.headers = {"Authorization": f"GatewayKey {agent.token}"}
    assert (await plane.call("GET", "/apis")).status == 401


@pytest.mark.parametrize("days", [-1, 31])
async def test_how_long_a_token_may_live(agent: Agent, plane: Plane, days: int) -> None:
    expiry = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    body = {"keyType": "primary", "expiry": expiry.isoformat()}
    reply = await plane.call("POST", "/gateways/gw/generateToken", body=body)
    assert (reply.status, reply.error()["details"][0]["target"]) == (400, "expiry")


async def test_gateways_that_are_not_there(agent: Agent, plane: Plane) -> None:
    await plane.delete("/gateways/gw")
    assert await refused(agent, f"GatewayKey {agent.token}") == (401, "GatewayTokenInvalid")
    agent.gateway = "none"
    assert await refused(agent, f"GatewayKey {agent.token}") == (401, "GatewayTokenInvalid")


async def test_who_has_no_token_does_not_learn_which_gateways_there_are(agent: Agent, plane: Plane) -> None:
    answers = set()
    for name, service in (("gw", ""), ("GW", ""), ("none", ""), ("gw", "/configuration/nowhere")):
        url = plane.server.make_url(f"{service}/gateways/{name}/events")
        headers = {"Authorization": "GatewayKey none&209901010000&AAAA"}
        async with plane.session.get(url, headers=headers) as response:
            body = (await response.text()).replace(f"'{name}'", "'x'")
            answers.add((response.status, body))
    assert len(answers) == 1


async def test_heartbeats_are_shown(agent: Agent, plane: Plane) -> None:
    await agent.poll()
    await plane.api("a")
    beat = {
        "instanceId": "i1",
        "version": "0.1.0",
        "startedAt": "2026-01-02T03:04:05Z",
        "dataset": agent.dataset,
        "cursor": agent.cursor,
        "source": "plane",
        "sidecars": [{"id": "s1", "connected": True, "issues": [{"resourceId": "/policies/policy", "line": 1}]}],
        "issues": [{"code": "BackupFailed", "message": "disk full"}],
    }
    headers = {"Authorization": f"GatewayKey {agent.token}"}
    async with plane.session.post(f"{agent.url}/heartbeat", json=beat, headers=headers) as response:
        assert response.status == 204
    large = io.BytesIO(json.dumps({**beat, "version": "x" * heartbeats.LARGEST}).encode())
    async with plane.session.post(f"{agent.url}/heartbeat", data=large, headers=headers) as response:
        assert response.status == 413
    async with plane.session.post(f"{agent.url}/heartbeat", json={**beat, "cursor": 1}, headers=headers) as response:
        assert response.status == 204
    async with plane.session.post(
        f"{agent.url}/heartbeat", json={**beat, "instanceId": "i2"}, headers=headers
    ) as response:
        assert response.status == 204
    instances = (await plane.get("/gateways/gw/instances"))["value"]
    assert [(each["id"], each["lag"]) for each in instances] == [("i2", 1), ("i1", (agent.cursor or 0) + 1 - 1)]
    assert instances[0]["issues"] == beat["issues"]
    assert instances[0]["sidecars"] == beat["sidecars"]
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(instances[0]["lastHeartbeat"])
    assert age < datetime.timedelta(seconds=30)


async def test_two_agents_of_one_name_are_told(agent: Agent, plane: Plane) -> None:
    headers = {"Authorization": f"GatewayKey {agent.token}"}
    told = []
    for second in (5, 6, 5, 6, 6, 7):
        beat = {"instanceId": "same", "startedAt": f"2026-01-02T03:04:0{second}Z"}
        async with plane.session.post(f"{agent.url}/heartbeat", json=beat, headers=headers) as response:
            assert response.status == 204
        (instance,) = (await plane.get("/gateways/gw/instances"))["value"]
        told.append([each["code"] for each in instance["issues"]])
    taken = [heartbeats.TAKEN]
    assert told == [[], [], taken, taken, [], []], "one that begins anew is no other; it ends when one is left"


@pytest.mark.parametrize(
    "beat", [{}, {"instanceId": 7}, {"instanceId": "i", "sidecars": {}}, {"instanceId": "i", "cursor": "x"}]
)
async def test_heartbeats_that_say_nothing(agent: Agent, plane: Plane, beat: dict[str, object]) -> None:
    headers = {"Authorization": f"GatewayKey {agent.token}"}
    async with plane.session.post(f"{agent.url}/heartbeat", json=beat, headers=headers) as response:
        assert response.status == 400
    async with plane.session.post(f"{agent.url}/heartbeat", json={"instanceId": "i"}) as response:
        assert response.status == 401
    assert (await plane.get("/gateways/gw/instances"))["value"] == []


async def test_who_holds_another_dataset_hears_complete_once_an_operator_accepted(agent: Agent, plane: Plane) -> None:
    """What a store that was lost and begun anew says of itself is not enough to take everything from an agent."""

    async def complete(**query: str) -> bool:
        headers = {"Authorization": f"GatewayKey {agent.token}"}
        async with plane.session.get(f"{agent.url}/events", headers=headers, params=query) as response:
            head = (await response.text()).split("\n", 1)[0].removeprefix("H\t")
            return json.loads(head).get("complete") is True

    await agent.poll()
    other = {"dataset": "of-a-lost-store", "cursor": "57"}
    assert await complete()
    assert await complete(dataset=agent.dataset, cursor="999999")
    assert not await complete(**other)
    assert (await plane.call("POST", "/gateways/gw/acceptConfiguration")).status == 204
    assert await complete(**other)
    shown = (await plane.get("/gateways/gw"))["properties"]
    assert "acceptedDataset" not in shown
    await plane.put("/gateways/gw", {"description": "again"})
    assert await complete(**other)
    await agent.poll()
    assert "acceptedDataset" not in agent.body("/gateways/gw")
