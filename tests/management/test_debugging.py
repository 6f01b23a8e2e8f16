"""Debug credentials and traces: what ARM clients ask, what gateways get and send, what is kept."""

from __future__ import annotations

import asyncio
import datetime
from typing import Any

import pytest

from management import arm, debugging, traces
from proxy.tracing.credentials import Grant, TokenExpired, TokenInvalid, verify
from tests.management.agent import Agent
from tests.management.conftest import Plane

ID = "0123456789abcdef0123456789abcdef"
TRACE = {"serviceName": "passerelle", "traceId": ID, "traceEntries": {"inbound": []}}


@pytest.fixture
async def agent(plane: Plane) -> Agent:
    made = await Agent.of(plane)
    await plane.api("shop")
    return made


def wish(plane: Plane, **more: Any) -> dict[str, Any]:
    return {"apiId": f"{plane.service}/apis/shop", "purposes": ["tracing"], **more}


async def send(agent: Agent, *sent: dict[str, Any], header: str | None = None) -> int:
    headers = {"Authorization": header or f"GatewayKey {agent.token}"}
    async with agent.plane.session.post(f"{agent.url}/traces", headers=headers, json={"traces": sent}) as response:
        return response.status


async def find(plane: Plane, gateway: str = "gw", id: str = ID) -> tuple[int, Any]:
    reply = await plane.call("POST", f"/gateways/{gateway}/listTrace", body={"traceId": id})
    return reply.status, reply.body


@pytest.mark.parametrize(("gateway", "holder"), [("gw", "/gateways/gw"), ("managed", "/"), ("MANAGED", "/")])
async def test_a_token_is_good_where_the_key_is(agent: Agent, plane: Plane, gateway: str, holder: str) -> None:
    reply = await plane.call("POST", f"/gateways/{gateway}/listDebugCredentials", body=wish(plane))
    assert reply.status == 200
    token, now = reply.body["token"], datetime.datetime.now(datetime.UTC)
    assert token.startswith("p=tracing&aid=shop&ex=")
    await agent.poll()
    key = agent.body(holder)["debugKey"]
    assert verify(token, [key], now) == Grant("shop")
    with pytest.raises(TokenExpired):
        verify(token, [key], now + datetime.timedelta(hours=1, seconds=1))
    for part, other in (("aid=shop", "aid=shop2"), ("ex=2", "ex=3"), ("&sn=", "&sn=A")):
        with pytest.raises(TokenInvalid):
            verify(token.replace(part, other), [key], now)


async def test_invalidating_changes_the_key_of_that_gateway(agent: Agent, plane: Plane) -> None:
    await agent.poll()
    before = {holder: agent.body(holder)["debugKey"] for holder in ("/", "/gateways/gw")}
    for gateway, holder, other in (("gw", "/gateways/gw", "/"), ("managed", "/", "/gateways/gw")):
        reply = await plane.call("POST", f"/gateways/{gateway}/invalidateDebugCredentials")
        assert reply.status == 204
        await agent.poll()
        assert agent.body(holder)["debugKey"] != before[holder]
        before[holder] = agent.body(holder)["debugKey"]
        assert agent.body(other)["debugKey"] == before[other]


async def test_the_key_is_nobody_elses(agent: Agent, plane: Plane) -> None:
    for path in ("", "/gateways/gw"):
        assert "debugKey" not in str(await plane.get(path))
    await plane.put("/gateways/gw", {"debugKey": "mine", "description": "again"})
    await agent.poll()
    assert len(agent.body("/gateways/gw")["debugKey"]) == 88


async def test_a_gateway_of_an_older_version_gets_its_key(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as older:
        older.setattr(debugging, "complete", lambda *_: None)
        agent = await Agent.of(plane, "old")
        await plane.api("shop")
    await agent.poll()
    assert "debugKey" not in agent.body("/gateways/old")
    reply = await plane.call("POST", "/gateways/old/listDebugCredentials", body=wish(plane))
    assert reply.status == 200
    await agent.poll()
    key = agent.body("/gateways/old")["debugKey"]
    assert verify(reply.body["token"], [key], datetime.datetime.now(datetime.UTC)) == Grant("shop")


@pytest.mark.parametrize(
    ("more", "seconds"),
    [({}, 3600), ({"credentialsExpireAfter": "PT1H"}, 3600), ({"credentialsExpireAfter": "PT90S"}, 90)],
)
async def test_how_long_a_token_lives(agent: Agent, plane: Plane, more: dict[str, str], seconds: int) -> None:
    reply = await plane.call("POST", "/gateways/gw/listDebugCredentials", body=wish(plane, **more))
    stamp = reply.body["token"].split("&ex=")[1].split("&")[0]
    expiry = datetime.datetime.strptime(stamp, "%Y%m%d%H%M%S").replace(tzinfo=datetime.UTC)
    assert abs((expiry - datetime.datetime.now(datetime.UTC)).total_seconds() - seconds) < 5


@pytest.mark.parametrize(
    ("change", "target"),
    [
        ({"purposes": None}, "purposes"),
        ({"purposes": []}, "purposes"),
        ({"purposes": ["tracing", "all"]}, "purposes"),
        ({"apiId": None}, "apiId"),
        ({"apiId": "/apis/none"}, "apiId"),
        ({"apiId": "/products/x"}, "apiId"),
        ({"credentialsExpireAfter": "PT61M"}, "credentialsExpireAfter"),
        ({"credentialsExpireAfter": "PT0S"}, "credentialsExpireAfter"),
        ({"credentialsExpireAfter": "an hour"}, "credentialsExpireAfter"),
        ({"credentialsExpireAfter": 5}, "credentialsExpireAfter"),
        ({"credentialsExpireAfter": "P99999999999999D"}, "credentialsExpireAfter"),
    ],
)
async def test_what_cannot_be(agent: Agent, plane: Plane, change: dict[str, Any], target: str) -> None:
    reply = await plane.call("POST", "/gateways/gw/listDebugCredentials", body=wish(plane) | change)
    assert (reply.status, reply.body["error"]["details"][0]["target"]) == (400, target)


async def test_the_built_in_gateway_is_for_debugging_only(agent: Agent, plane: Plane) -> None:
    assert (await plane.call("POST", "/gateways/managed/listKeys")).status == 404
    assert (await plane.call("POST", "/gateways/none/listDebugCredentials", body=wish(plane))).status == 404


async def test_a_trace_is_kept_until_it_is_read(agent: Agent, plane: Plane) -> None:
    assert await send(agent, {"id": ID, "document": TRACE}) == 204
    for gateway in ("gw", "managed"):
        for id in (ID, "01234567-89AB-cdef-0123-456789abcdef"):
            assert await find(plane, gateway, id) == (200, TRACE)
    await Agent.of(plane, "other")
    assert (await find(plane, "other"))[0] == 404
    with plane.store.reading() as connection:
        assert b"traceEntries" not in connection.exec_driver_sql("select sealed from traces").scalar()


async def test_who_asks_early_is_kept_waiting(agent: Agent, plane: Plane) -> None:
    asked = asyncio.create_task(find(plane))
    await asyncio.sleep(0.3)
    assert not asked.done()
    await send(agent, {"id": ID, "document": TRACE})
    assert await asked == (200, TRACE)


async def test_what_never_comes_is_404(agent: Agent, plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arm, "PATIENCE", 0.0)
    status, body = await find(plane)
    assert (status, body["error"]["code"]) == (404, "ResourceNotFound")
    assert (await find(plane, id="../x"))[0] == 404
    assert (await plane.call("POST", "/gateways/gw/listTrace", body={})).status == 400


async def test_only_the_newest_are_kept(agent: Agent, plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "KEPT", 2)
    monkeypatch.setattr(arm, "PATIENCE", 0.0)
    for number in range(3):
        assert await send(agent, {"id": f"{number:032x}", "document": TRACE}) == 204
    assert [(await find(plane, id=f"{number:032x}"))[0] for number in range(3)] == [404, 200, 200]


async def test_what_is_no_trace_is_refused(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await send(agent) == 400
    assert await send(agent, {"id": "x", "document": {}}) == 400
    assert await send(agent, {"id": ID, "document": "text"}) == 400
    monkeypatch.setattr(traces, "LARGEST", 100)
    assert await send(agent, {"id": ID, "document": {"x": "y" * 100}}) == 400
    assert await send(agent, {"id": ID, "document": {}}, header="GatewayKey none") == 401
