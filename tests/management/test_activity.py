"""What goes on now, from an agent's batch to the answers of the plane."""

from __future__ import annotations

import time
from typing import Any

import orjson
import pytest
from sqlalchemy import func, select

from management import figures, schema
from syncagent.figures import Figures as AgentFigures
from telemetry.batch import Kinds
from telemetry.figures import MINUTE, Figures
from telemetry.records import RequestRecord
from telemetry.settings import Resource
from tests.management.agent import token
from tests.management.conftest import TOKEN, Plane
from tests.telemetry.sample import ERROR, record

RESOURCE = Resource("host:1", "gw")


def now(**changes: Any) -> RequestRecord:
    return record(**{"start_ns": int(time.time()) * 10**9, "api_id": "shop", **changes})


async def tell(plane: Plane, records: list[RequestRecord], number: int = 1, status: int = 200, **changed: Any) -> None:
    """The way of a record: the child, the agent, the plane."""
    child, agent = Figures(), AgentFigures("boot")
    child.add(Kinds().batch(records), RESOURCE)
    document = child.cut()
    assert document is not None
    agent.take("source", 1, document)
    batch = agent.batch()
    assert batch is not None
    url = str(plane.server.make_url("/configuration/passerelle/gateways/gw/counters"))
    headers = {"Authorization": f"GatewayKey {await token(plane, 'gw')}"}
    body = {"instanceId": "agent", "figures": {**batch, "number": number, **changed}}
    async with plane.session.post(url, json=body, headers=headers) as response:
        assert response.status == status, await response.text()


@pytest.fixture
async def shop(plane: Plane) -> Plane:
    await plane.put("/gateways/gw", {"locationData": {"name": "Here"}})
    await plane.api("shop")
    return plane


async def test_the_last_hour(shop: Plane) -> None:
    refused = ERROR._replace(source="rate-limit", reason="RateLimitExceeded")
    await tell(
        shop,
        [
            now(),
            now(total_ms=26.0, backend_ms=0, client_ms=6.0),
            now(status=500, last_error=ERROR),
            now(status=429, last_error=refused),
            now(status=0, api_id=""),
            now(start_ns=int(time.time() - 86_400) * 10**9),
        ],
    )
    found = await shop.get("/activity")
    assert found["total"] == {
        "requests": 5,
        "refused": 1,
        "failed": 2,
        "averageTime": pytest.approx((4 * 374 + 26) / 5),
        "longestTime": 374,
        "averageBackendTime": pytest.approx(4 * 300 / 5),
        "averageClientTime": pytest.approx((4 * 14 + 6) / 5),
    }
    assert [(each.get("apiId"), each["requests"]) for each in found["apis"]] == [("/apis/shop", 4), (None, 1)]
    assert [(each["gatewayId"], each["requests"]) for each in found["gateways"]] == [("gw", 5)]
    assert {(each["responseCode"], each["source"], each["reason"]) for each in found["errors"]} == {
        (500, "request-forwarder", "BackendConnectionFailure"),
        (429, "rate-limit", "RateLimitExceeded"),
        (0, "", ""),
    }
    assert 60 <= len(found["minutes"]) <= 61
    assert sum(each["requests"] for each in found["minutes"]) == 5
    alone = await shop.get("/activity", query={"apiId": "/apis/SHOP", "gatewayId": "GW", "minutes": "10"})
    assert alone["total"]["requests"] == 4
    assert (await shop.get("/activity", query={"gatewayId": "other"}))["total"]["requests"] == 0


async def test_what_a_gateway_tells_whose_clock_is_ahead_is_of_the_present_minute(shop: Plane) -> None:
    """Nothing is in the sums that the chart does not show."""
    ahead = [now(start_ns=int(time.time() + seconds) * 10**9) for seconds in (0, 130, 260)]
    await tell(shop, ahead)
    found = await shop.get("/activity")
    assert found["total"]["requests"] == sum(each["requests"] for each in found["minutes"]) == 3
    assert len(found["minutes"]) == 61
    assert found["minutes"][-1]["start"] <= found["until"]


async def test_a_request_down_to_its_error(shop: Plane) -> None:
    detailed = ERROR._replace(detail="nothing listens there")
    bad = now(status=500, correlation_id="bad", last_error=detailed, backend_status=0)
    await tell(shop, [now(correlation_id="good"), bad])
    listed = (await shop.get("/activity/requests", query={"failed": "true", "apiId": "shop"}))["value"]
    assert [each["requestId"] for each in listed] == ["bad"]
    assert {each["requestId"] for each in (await shop.get("/activity/requests"))["value"]} == {"good", "bad"}
    by_reason = (await shop.get("/activity/requests", query={"reason": "BackendConnectionFailure"}))["value"]
    assert [each["requestId"] for each in by_reason] == ["bad"]
    assert (await shop.get("/activity/requests", query={"reason": "Other"}))["value"] == []
    found = await shop.get("/activity/requests/bad")
    assert found["error"]["reason"] == "BackendConnectionFailure"
    assert found["error"]["detail"] == "nothing listens there"
    assert found["traceId"] == bad.trace_id
    assert (found["totalTime"], found["backendTime"], found["clientTime"]) == (374, 300, 14)
    assert (found["backendUrl"], "trace" in found) == (bad.backend_url, False)
    assert (await shop.call("GET", "/activity/requests/nobody")).status == 404


async def test_only_contributors_see_its_trace(shop: Plane) -> None:
    id = "0123456789abcdef0123456789abcdef"
    await tell(shop, [now(correlation_id=id)])
    url = str(shop.server.make_url("/configuration/passerelle/gateways/gw/traces"))
    headers = {"Authorization": f"GatewayKey {await token(shop, 'gw')}"}
    trace = {"traceId": id, "traceEntries": {"inbound": [{"data": "hush"}]}}
    async with shop.session.post(url, json={"traces": [{"id": id, "document": trace}]}, headers=headers) as response:
        assert response.status < 300
    assert (await shop.get(f"/activity/requests/{id}"))["trace"] == trace
    asked = {"grant_type": "client_credentials", "client_id": "reader", "client_secret": TOKEN}
    async with shop.session.post(shop.server.make_url("/adfs/oauth2/token"), data=asked) as response:
        reader = (await response.json())["access_token"]
    shop.headers = {"Authorization": f"Bearer {reader}"}
    found = await shop.get(f"/activity/requests/{id}")
    assert found["requestId"] == id
    assert "trace" not in found


async def test_the_many_do_not_push_out_the_few() -> None:
    child = Figures()
    told = [now(status=500, correlation_id="bad"), *(now(correlation_id=f"n{at}") for at in range(200))]
    child.add(Kinds().batch(told), RESOURCE)
    document = orjson.loads(child.cut() or b"")
    assert len(document["requests"]) == len(document["details"]) == 51
    assert "bad" in [request[-1] for request in document["requests"]]


async def test_minutes_are_bounded_on_their_way() -> None:
    child = Figures(most_minutes=3)
    child.add(Kinds().batch([now(api_id=f"a{at}") for at in range(10)]), RESOURCE)
    rows = orjson.loads(child.cut() or b"")["minutes"]
    assert [(row[1], row[5]) for row in rows] == [("a0", 1), ("a1", 1), ("a2", 1), ("", 7)]
    agent = AgentFigures("boot")
    minutes = [[time.time() // MINUTE * MINUTE, f"a{at}", 200, "", "", 1, 1.0, 1.0, 0.0, 0.0] for at in range(20_001)]
    agent.take("one", 1, orjson.dumps({"rows": [], "requests": [], "minutes": minutes}))
    counted = 0
    while batch := agent.batch():
        counted += len(batch["minutes"])
        agent.taken()
    assert counted == 20_000


async def test_minutes_of_two_sidecars_add_up(shop: Plane) -> None:
    await tell(shop, [now(total_ms=10.0)])
    await tell(shop, [now(total_ms=30.0)], 2)
    await tell(shop, [now(total_ms=30.0)], 2)  # the same again
    total = (await shop.get("/activity"))["total"]
    assert (total["requests"], total["averageTime"], total["longestTime"]) == (2, 20, 30)


async def test_what_the_release_before_tells_is_taken(shop: Plane) -> None:
    await tell(shop, [now(correlation_id="old")], minutes=[], details=[])
    found = await shop.get("/activity/requests/old")
    assert "traceId" not in found
    assert found["totalTime"] == 374


@pytest.mark.parametrize(
    "changed",
    [
        {"minutes": [[1, 2]]},
        {"details": [[1]]},
        {"minutes": [[0, "shop", "200", "", "", 1, 1.0, 1.0, 0.0, 0.0]]},
        {"minutes": "many"},
    ],
)
async def test_what_cannot_be_meant_is_refused(shop: Plane, changed: dict[str, Any]) -> None:
    await tell(shop, [now()], status=400, **changed)


@pytest.mark.parametrize("query", [{"minutes": "0"}, {"minutes": "121"}, {"minutes": "x"}])
async def test_a_wrong_span_is_refused(shop: Plane, query: dict[str, str]) -> None:
    assert (await shop.call("GET", "/activity", query=query)).status == 400


async def test_failures_and_successes_are_forgotten_apart(shop: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "KEPT_REQUESTS", 2)
    await tell(shop, [now(status=500, correlation_id="bad"), *(now(correlation_id=f"n{at}") for at in range(5))])
    listed = (await shop.get("/activity/requests"))["value"]
    assert {each["requestId"] for each in listed} == {"bad", "n3", "n4"}


async def test_old_minutes_are_forgotten(shop: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    await tell(shop, [now()])
    monkeypatch.setattr(figures, "KEPT_MINUTES", -100)
    with shop.store.writing() as connection:
        figures.trim(connection)
        assert connection.scalar(select(func.count()).select_from(schema.minutes)) == 0
