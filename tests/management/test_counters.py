"""What agents count: reports and quota counters, seen from the plane's two sides."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import func, select

from management import feed_server, figures, quotas, schema
from management.figures import QUARTER
from tests.management.agent import token
from tests.management.conftest import Plane
from tests.moment import not_at_the_end

NOW = int(time.time()) // QUARTER * QUARTER
WHOLE = "timestamp ge datetime'2000-01-01T00:00:00' and timestamp le datetime'2100-01-01T00:00:00'"


def row(start: int = NOW, names: str = "shop,get,starter,sub1,1", counts: str = "3,1,0,0,100,1,2") -> list[Any]:
    """4 requests of 30 ms in all, of which two called a backend for 10 and 6 ms."""
    return [start, *names.split(","), *map(int, counts.split(",")), 30.0, 2.0, 20.0, 2, 16.0, 6.0, 10.0]


async def tell(plane: Plane, number: int = 1, boot: str = "b", status: int = 200, **told: Any) -> list[Any]:
    batch = {"boot": boot, "number": number, "rows": told.pop("rows", []), "requests": told.pop("requests", [])}
    body = {"instanceId": told.pop("instance", "agent"), "figures": batch, **told}
    url = str(plane.server.make_url("/configuration/passerelle/gateways/gw/counters"))
    headers = {"Authorization": f"GatewayKey {await token(plane, 'gw')}"}
    async with plane.session.post(url, json=body, headers=headers) as response:
        answer = await response.json()
        assert response.status == status, answer
        return list(answer.get("quotas", []))


async def report(plane: Plane, name: str, filter: str = WHOLE, **query: str) -> list[dict[str, Any]]:
    found = await plane.get(f"/reports/{name}", query={"$filter": filter, **query})
    assert found["count"] >= len(found["value"])
    return list(found["value"])


@pytest.fixture
async def shop(plane: Plane) -> Plane:
    not_at_the_end()
    await plane.put("/gateways/gw", {"locationData": {"name": "Here"}})
    await plane.api("shop")
    await plane.api("idle", path="idle")
    await plane.put("/apis/shop/operations/get", {"displayName": "Get", "method": "GET", "urlTemplate": "/"})
    await plane.put("/products/starter", {"displayName": "Starter"})
    return plane


async def test_batches_add_up_once(shop: Plane) -> None:
    await tell(shop, 1, rows=[row()])
    await tell(shop, 1, rows=[row()])  # the answer was lost, so it comes again
    await tell(shop, 2, rows=[row()])
    await tell(shop, 1, boot="another", rows=[row(counts="0,0,1,1,11,0,0")])
    await tell(shop, 1, instance="second", rows=[row(names="shop,get,starter,sub2,2")])
    (found,) = await report(shop, "byApi", f"{WHOLE} and apiId eq '/apis/shop'")
    assert found == {
        "name": "shop",
        "apiId": "/apis/shop",
        "callCountSuccess": 9,
        "callCountBlocked": 3,
        "callCountFailed": 1,
        "callCountOther": 1,
        "callCountTotal": 14,
        "bandwidth": 311,
        "cacheHitCount": 3,
        "cacheMissCount": 6,
        "apiTimeAvg": pytest.approx(120 / 14),
        "apiTimeMin": 2.0,
        "apiTimeMax": 20.0,
        "serviceTimeAvg": 8.0,
        "serviceTimeMin": 6.0,
        "serviceTimeMax": 10.0,
    }


async def test_a_backend_that_was_not_called_has_no_time(shop: Plane) -> None:
    quiet = [*row()[:16], 0, 0.0, 0.0, 0.0]
    await tell(shop, 1, rows=[quiet])
    await tell(shop, 2, rows=[row()])
    await tell(shop, 3, rows=[quiet])
    (found,) = await report(shop, "byGeo")
    assert (found["serviceTimeMin"], found["serviceTimeAvg"], found["serviceTimeMax"]) == (6.0, 8.0, 10.0)
    assert (found["country"], found["callCountTotal"]) == ("", 12)


async def test_reports_by_kind(shop: Plane) -> None:
    await tell(shop, rows=[row(), row(names="shop,,,,"), row(names=",,,,"), row(names="gone,get,,,")])
    assert [each["apiId"] for each in await report(shop, "byApi")] == ["/apis/gone", "/apis/shop", "/apis/idle"]
    assert [each["callCountTotal"] for each in await report(shop, "byApi")] == [4, 8, 0]
    (gone, operation) = await report(shop, "byOperation")
    assert (operation["name"], operation["operationId"]) == ("Get", "/apis/shop/operations/get")
    assert (gone["name"], gone["operationId"]) == ("", "/apis/gone/operations/get")
    (product,) = await report(shop, "byProduct")
    assert (product["name"], product["productId"], product["callCountTotal"]) == ("Starter", "/products/starter", 4)
    users = await report(shop, "byUser")
    assert [(each["userId"], each["callCountTotal"]) for each in users] == [("/users/1", 4)]
    subscriptions = {each["subscriptionId"]: each for each in await report(shop, "bySubscription")}
    assert subscriptions["/subscriptions/sub1"]["productId"] == "/products/starter"
    assert subscriptions["/subscriptions/master"]["callCountTotal"] == 0


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("apiId eq '/apis/SHOP'", 8),
        ("apiId eq 'shop' and userId eq '/users/2'", 4),
        ("productId eq '/products/starter'", 8),
        ("operationId eq '/apis/shop/operations/get'", 8),
        ("apiRegion eq 'here'", 8),
        ("apiRegion eq 'elsewhere'", 0),
        ("subscriptionId eq 'nobody' or userId eq '1'", 4),
        ("not (userId eq '1')", 4),
    ],
)
async def test_filters(shop: Plane, text: str, calls: int) -> None:
    await tell(shop, rows=[row(), row(names="shop,get,starter,sub2,2")])
    found = await report(shop, "byGeo", f"{WHOLE} and ({text})")
    assert sum(each["callCountTotal"] for each in found) == calls
    full = text.replace("'/apis/", f"'{shop.service}/apis/")
    assert sum(each["callCountTotal"] for each in await report(shop, "byGeo", f"({full}) and {WHOLE}")) == calls


@pytest.mark.parametrize(
    ("bounds", "calls"),
    [
        ("timestamp ge {0} and timestamp le {1}", 8),
        ("timestamp ge {1}", 4),
        ("timestamp gt {1:after}", 4),
        ("timestamp lt {1}", 4),
        ("timestamp le {1:before}", 4),
        ("timestamp eq {0:after}", 4),
    ],
)
@pytest.mark.parametrize("quoted", [True, False])
async def test_a_quarter_counts_when_any_part_of_it_is_meant(
    shop: Plane, bounds: str, calls: int, quoted: bool
) -> None:
    class At(int):
        def __format__(self, shift: str) -> str:
            moment = self + {"after": 600, "before": -1, "": 0}[shift]
            text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
            return f"datetime'{text}'" if quoted else text

    await tell(shop, rows=[row(NOW - QUARTER), row(NOW)])
    found = await report(shop, "byGeo", bounds.format(At(NOW - QUARTER), At(NOW)))
    assert sum(each["callCountTotal"] for each in found) == calls


async def test_by_time(shop: Plane) -> None:
    hour = (NOW - 7200) // 3600 * 3600
    await tell(shop, rows=[row(hour), row(hour + QUARTER), row(hour + 3600, names=",,,,")])
    quarters = await report(shop, "byTime", interval="PT15M")
    assert [each["callCountTotal"] for each in quarters] == [4, 4, 4]
    hours = await report(shop, "byTime", interval="PT60M")
    assert [(each["interval"], each["callCountTotal"]) for each in hours] == [("PT60M", 8), ("PT60M", 4)]
    assert hours[0]["timestamp"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(hour))
    for wrong in ("", "PT0M", "PT10M", "15", "P2000D"):
        reply = await shop.call("GET", "/reports/byTime", query={"$filter": WHOLE, "interval": wrong})
        assert (reply.status, reply.body["error"]["details"][0]["target"]) == (400, "interval")


async def test_by_request(shop: Plane) -> None:
    names = ["shop", "get", "starter", "sub1", "1"]
    one = [NOW + 0.5, *names, "GET", "http://x/shop?a=b", "10.0.0.1", 200, 200, 12, 0, "none", 8.5, 4.0, "id1"]
    other = [NOW + 0.25, *[""] * 5, "GET", "http://x/nothing", "10.0.0.1", 0, 404, 70, 0, "none", 1.0, 0.0, "id2"]
    await tell(shop, requests=[one, other])
    first, second = await report(shop, "byRequest")
    assert (first["requestId"], first["responseCode"], "apiId" in first) == ("id2", 404, False)
    assert second == {
        "apiId": "/apis/shop",
        "operationId": "/apis/shop/operations/get",
        "productId": "/products/starter",
        "subscriptionId": "/subscriptions/sub1",
        "userId": "/users/1",
        "method": "GET",
        "url": "http://x/shop?a=b",
        "ipAddress": "10.0.0.1",
        "backendResponseCode": "200",
        "responseCode": 200,
        "responseSize": 12,
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.500Z", time.gmtime(NOW)),
        "cache": "none",
        "apiTime": 8.5,
        "serviceTime": 4.0,
        "apiRegion": "here",
        "requestId": "id1",
        "requestSize": 0,
    }
    assert [each["requestId"] for each in await report(shop, "byRequest", f"{WHOLE} and apiId eq 'shop'")] == ["id1"]


async def test_a_request_at_a_whole_second_is_before_those_behind_it(shop: Plane) -> None:
    request = [*[""] * 5, "GET", "http://x/", "", 0, 404, 0, 0, "none", 1.0, 0.0]
    told = [[NOW + seconds, *request, f"{seconds}"] for seconds in (0.25, 0, 0.999, 1)]
    await tell(shop, requests=told)
    for query in ({}, {"$orderby": "timestamp asc"}):
        found = await report(shop, "byRequest", **query)
        assert [each["requestId"] for each in found] == ["0", "0.25", "0.999", "1"]


async def test_order_and_pages(shop: Plane) -> None:
    await tell(shop, rows=[row(names="shop,,,,"), row(names="idle,,,,", counts="9,0,0,0,0,0,0")])
    ordered = await report(shop, "byApi", **{"$orderby": "callCountTotal desc"})
    assert [each["name"] for each in ordered] == ["idle", "shop"]
    assert [each["name"] for each in await report(shop, "byApi", **{"$orderby": "name asc"})] == ["idle", "shop"]
    first = await shop.get("/reports/byApi", query={"$filter": WHOLE, "$orderby": "callCountTotal", "$top": "1"})
    assert (first["value"][0]["name"], first["count"]) == ("shop", 2)
    assert (await shop.get(first["nextLink"]))["value"][0]["name"] == "idle"
    for wrong in ("name up", "name desc asc"):
        reply = await shop.call("GET", "/reports/byApi", query={"$filter": WHOLE, "$orderby": wrong})
        assert (reply.status, reply.body["error"]["code"]) == (400, "InvalidOrderBy")


@pytest.mark.parametrize(
    ("path", "filter", "status"),
    [
        ("/reports/byApi", "", 400),
        ("/reports/byApi", "timestamp ge", 400),
        ("/reports/byApi", "timestamp ge 'yesterday'", 400),
        ("/reports/byApi", "timestamp ge apiId", 400),
        ("/reports/byMoon", WHOLE, 404),
        ("/reports", WHOLE, 404),
    ],
)
async def test_what_is_no_report(shop: Plane, path: str, filter: str, status: int) -> None:
    await tell(shop, rows=[row()])
    assert (await shop.call("GET", path, query={"$filter": filter})).status == status


async def test_batches_that_are_none(shop: Plane) -> None:
    for wrong in (
        [row()[:-1]],
        [["x", *row()[1:]]],
        [[*row()[:-1], -1]],
        "rows",
        [row(names="shop,get,starter,sub1,1")[:5] * 4],
    ):
        await tell(shop, status=400, rows=wrong)
    await tell(shop, status=400, instance="", rows=[row()])
    await tell(shop, 5, rows=[row(NOW - figures.KEPT - 1), row(NOW + 2 * 86_400)])  # a clock that is wrong
    assert await report(shop, "byGeo") == []


async def test_what_is_kept_is_bounded(shop: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "KEPT_ROWS", 2)
    monkeypatch.setattr(figures, "KEPT_REQUESTS", 3)
    request = [NOW, *[""] * 5, "GET", "http://x/", "", 0, 404, 0, 0, "none", 1.0, 0.0]
    await tell(shop, rows=[row(NOW - n * QUARTER) for n in range(4)], requests=[[*request, f"{n}"] for n in range(5)])
    with shop.store.writing() as connection:
        figures.trim(connection)
        quotas.trim(connection)
    assert len(await report(shop, "byTime", interval="PT15M")) == 2
    assert [each["requestId"] for each in await report(shop, "byRequest")] == ["2", "3", "4"]


DAY = 86_400


def today() -> int:
    """The window of a quota of a day. Asked for anew in each test: midnight may come after this module is read, but not
    in a test, which `not_at_the_end` sees to."""
    return int((time.time() - quotas.FIRST) // DAY)


def counter(key: str, calls: int, size: int = 2048, period: int = DAY, window: int | None = None) -> list[Any]:
    return [f"quota-by-key/{key}", quotas.FIRST, period, today() if window is None else window, calls, size]


async def test_quota_counters_are_shown(shop: Plane) -> None:
    await tell(
        shop, quotas={"counters": [counter("ann", 3), counter("ann/b", 1), counter("ann", 7, window=today() - 1)]}
    )
    await tell(
        shop, instance="second", quotas={"counters": [counter("ann", 4), counter("ann", 9, period=3600, window=-1)]}
    )
    found = await shop.get("/quotas/ann")
    (only,) = found["value"]
    # the day before was told later than today, and is what that agent counts in
    assert only["value"] == {"callsCount": 4, "kbTransferred": 2.0}
    assert only["periodKey"] == f"{today()}_P1D"
    assert only["periodStartTime"] == time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime())
    assert await shop.get(f"/quotas/ann/periods/{today()}_P1D") == only
    assert (await shop.get(f"/quotas/{quote('ann/b', safe='')}"))["value"][0]["value"]["callsCount"] == 1
    assert (await shop.get("/quotas/nobody"))["value"] == []
    assert (await shop.get("/quotas/ann/periods/0_P3Y6M4DT12H30M5S"))["value"]["callsCount"] == 0
    for wrong in ("/quotas/ann/periods/P1D", "/quotas/ann/periods/1_P", "/quotas/ann/seasons/1_P1D", "/quotas"):
        assert (await shop.call("GET", wrong)).status == 404


async def test_a_value_that_is_set_goes_to_the_agents(shop: Plane) -> None:
    await tell(shop, quotas={"counters": [counter("ann", 3)]})
    await tell(shop, instance="second", quotas={"counters": [counter("ann", 5)]})
    reply = await shop.call("PATCH", "/quotas/ann", {"callsCount": 2})
    assert (reply.status, reply.body["value"][0]["value"]) == (200, {"callsCount": 2, "kbTransferred": 4.0})
    # told before it was set: not heard
    (asked,) = await tell(shop, 2, quotas={"counters": [counter("ann", 4)]})
    assert asked["counter"] == counter("ann", 0)
    assert asked["set"] == [2, None], "for all agents together"
    assert (await shop.get("/quotas/ann"))["value"][0]["value"]["callsCount"] == 2
    assert await tell(shop, 3, quotas={"counters": [counter("ann", 1)], "confirmed": [asked["id"]]}) == []
    (other,) = await tell(shop, 2, instance="second", quotas={})
    assert other["counter"] == counter("ann", 2)
    assert (other["id"], other["set"]) == (asked["id"], asked["set"])
    await tell(shop, 3, instance="second", quotas={"confirmed": [other["id"]]})
    assert (await shop.get("/quotas/ann"))["value"][0]["value"]["callsCount"] == 3
    for wrong in ({}, {"callsCount": -1}, {"callsCount": "1"}, {"kbTransferred": True}, {"callsCount": 1.5}):
        assert (await shop.call("PATCH", "/quotas/ann", wrong)).status == 400
    assert (await shop.call("PATCH", "/quotas/nobody", {"callsCount": 0})).body["value"] == []
    assert (await shop.call("PATCH", f"/quotas/nobody/periods/{today()}_P1D", {"callsCount": 1})).status == 404


async def test_an_agent_that_begins_anew_gets_its_counters_back(shop: Plane) -> None:
    await tell(shop, quotas={"counters": [counter("ann", 3), counter("old", 1, window=today() - 2)]})
    given = await tell(shop, boot="next", quotas={"new": True})
    assert given == [{"id": "", "counter": counter("ann", 3)}]
    assert await tell(shop, boot="next", number=2, instance="second", quotas={"new": True}) == []


@pytest.mark.parametrize(("apart", "given"), [(-61, 0), (-2, 1), (2, 1), (61, 0)])
async def test_counters_come_back_when_the_clocks_differ_at_the_end_of_a_period(
    shop: Plane, monkeypatch: pytest.MonkeyPatch, apart: int, given: int
) -> None:
    """The plane has the day before, or the day after, while the agent still counts in this one, or does already."""
    await tell(shop, quotas={"counters": [counter("ann", 3)]})
    turn = quotas.FIRST + (today() + (1 if apart > 0 else 0)) * DAY
    monkeypatch.setattr(quotas, "time", SimpleNamespace(time=lambda: turn + apart, time_ns=time.time_ns))
    assert len(await tell(shop, boot="next", quotas={"new": True})) == given


async def test_counter_keys_are_not_readable_in_the_store(shop: Plane) -> None:
    await tell(shop, quotas={"counters": [counter("a-secret-token", 3)]})
    with shop.store.reading() as connection:
        (stored,) = connection.execute(quotas.quotas.select()).all()
    assert "a-secret-token" not in repr(stored)


async def test_no_gateway_fills_the_store(shop: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it tells is trimmed as it comes, and numbers that databases cannot multiply are none."""
    monkeypatch.setattr(feed_server, "TRIMMED_AFTER", 30)
    monkeypatch.setattr(quotas, "KEPT_ROWS", 10)
    monkeypatch.setattr(figures, "KEPT_ROWS", 5)
    window = today()
    counters = [[f"quota-by-key/{n}", quotas.FIRST, DAY, window, 1, 0] for n in range(40)]
    rows = [row(NOW - n * QUARTER) for n in range(10)]
    await tell(shop, rows=rows, quotas={"counters": counters[:9]})
    await tell(shop, 2, rows=rows, quotas={"counters": [[*counters[0][:3], window - 1, 1, 0], *counters]})
    with shop.store.reading() as connection:
        told = [connection.scalar(select(func.count()).select_from(each)) for each in (schema.quotas, schema.figures)]
    assert told[0] <= 10
    assert told[1] == 5
    await tell(shop, 3, status=400, quotas={"counters": [["k", 0.0, 2**40, 2**40, 1, 0]]})


def test_what_is_set_later_sorts_later_though_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = quotas.Moments()
    first = moments.next()
    monkeypatch.setattr(quotas.time, "time_ns", lambda: 1)
    assert first < moments.next() < moments.next()
