"""What sidecars count reaches the plane, and what the plane sets reaches the sidecars: reports and quota counters."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator
from typing import Any
from urllib.request import HTTPCookieProcessor, build_opener

import pytest
from house import House, request, wait_until

pytestmark = pytest.mark.e2e

CACHED = """<policies><inbound><base /><cache-lookup vary-by-developer="false" vary-by-developer-groups="false" />
</inbound><backend><base /></backend><outbound><base /><cache-store duration="60" /></outbound></policies>"""


LIMITED = """<policies><inbound><base />
<quota-by-key calls="4" renewal-period="604800" counter-key="@(context.Request.Headers.GetValueOrDefault("who",""))"
first-period-start="{began:%Y-%m-%dT%H:%M:%SZ}" />
</inbound><backend><base /></backend><outbound><base /></outbound></policies>"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, backend: str) -> Iterator[House]:
    it = House(tmp_path_factory.mktemp("counted"), extra=("--no-demo", "--sidecars", "2"))
    try:
        it.start()
        it.api("shop", backend, key=True)
        it.api("news", backend)
        it.policy("/apis/news", CACHED)
        it.api("rare", backend)
        yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
        it.policy("/apis/rare", LIMITED.format(began=yesterday))  # no week ends in the midst of a test
        it.everywhere("/shop/x", lambda reply: reply.status == 401)
        yield it
    finally:
        it.stop()


def reported(house: House, name: str, more: str = "", **query: str) -> list[dict[str, Any]]:
    """All that this house ever served: quarters of an hour must not go out of sight between two looks."""
    text = f"timestamp ge datetime'2000-01-01T00:00:00' and timestamp le datetime'2100-01-01T00:00:00'{more}"
    extra = "".join(f"&{key}={value}" for key, value in query.items())
    reply = house.arm(f"/reports/{name}?$filter={text.replace(' ', '%20').replace(chr(39), '%27')}{extra}")
    assert reply.status == 200, reply.body
    return list(reply.json["value"])


def test_requests_are_in_the_reports(house: House) -> None:
    def of_shop() -> dict[str, Any]:
        return reported(house, "byApi", " and apiId eq '/apis/shop'")[0]

    wait_until(lambda: of_shop()["callCountBlocked"] >= 2, 30)
    before = of_shop()
    key = house.arm("/subscriptions/master/listSecrets", "POST").json["primaryKey"]
    for gateway in house.gateways:
        for _ in range(3):
            assert request(f"{gateway}/shop/x", headers={"Ocp-Apim-Subscription-Key": key}).status == 200
        assert request(f"{gateway}/shop/x", "DELETE", {"Ocp-Apim-Subscription-Key": key}).status == 404
        request(f"{gateway}/news/x?{gateway}")
        request(f"{gateway}/news/x?{gateway}")
    wait_until(lambda: of_shop()["callCountTotal"] >= before["callCountTotal"] + 8)
    shop = of_shop()
    assert (shop["name"], shop["apiId"]) == ("shop", "/apis/shop")
    assert shop["callCountSuccess"] == before["callCountSuccess"] + 6
    assert shop["callCountTotal"] == before["callCountTotal"] + 8
    assert 0 < shop["apiTimeMin"] <= shop["apiTimeAvg"] <= shop["apiTimeMax"]
    assert 0 < shop["serviceTimeAvg"] <= shop["apiTimeMax"]
    assert shop["bandwidth"] > 0
    (news,) = wait_until(
        lambda: (
            (found := reported(house, "byApi", " and apiId eq '/apis/news'"))
            and found[0]["callCountTotal"] >= 4
            and found
        )
    )
    assert (news["cacheHitCount"], news["cacheMissCount"]) == (2, 2)
    by_operation = {each["operationId"]: each for each in reported(house, "byOperation")}
    assert by_operation["/apis/shop/operations/get"]["callCountTotal"] == before["callCountTotal"] + 6
    assert by_operation["/apis/shop/operations/post"]["callCountTotal"] == 0
    (mine,) = reported(house, "bySubscription", " and subscriptionId eq '/subscriptions/master'")
    assert (mine["userId"], mine["callCountSuccess"]) == ("/users/1", 6)
    (user,) = reported(house, "byUser", " and userId eq '/users/1'")
    assert user["callCountSuccess"] == 6
    times = reported(house, "byTime", " and apiId eq '/apis/shop'", interval="PT15M")
    assert sum(each["callCountTotal"] for each in times) == shop["callCountTotal"]
    assert all(each["interval"] == "PT15M" and each["timestamp"][14:] in ("00:00Z", "15:00Z", "30:00Z", "45:00Z")
               for each in times)  # fmt: skip
    asked = [each for each in reported(house, "byRequest", " and apiId eq '/apis/shop'") if each["responseCode"] == 200]
    assert [each["method"] for each in asked] == ["GET"] * 6
    assert asked[0]["url"].endswith("/shop/x")


def test_what_goes_on_is_told_down_to_one_request(house: House) -> None:
    """Of two sidecars, within seconds: the last hour by API, gateway and reason, and a failure with its detail."""
    gateway = house.gateways[0]
    for each in house.gateways:
        assert request(f"{each}/shop/lost?token=hidden").status == 401
    assert request(f"{gateway}/nowhere/at/all").status == 404

    def activity(path: str) -> dict[str, Any]:
        reply = house.arm(path)
        assert reply.status == 200, reply.body
        found: dict[str, Any] = reply.json
        return found

    def lost() -> list[dict[str, Any]]:
        told = activity("/activity/requests?failed=true&reason=SubscriptionKeyNotFound&apiId=shop")["value"]
        return [each for each in told if "/shop/lost" in each["url"]]

    wait_until(lambda: len(lost()) == 2, 20)
    (one, _) = lost()
    assert "hidden" not in one["url"]
    whole = activity(f"/activity/requests/{one['requestId']}")
    assert whole["error"]["reason"] == "SubscriptionKeyNotFound"
    assert whole["error"]["detail"]
    assert len(whole["traceId"]) == 32
    expected = {("/apis/shop", "SubscriptionKeyNotFound"), (None, "OperationNotFound")}
    wait_until(
        lambda: expected <= {(each.get("apiId"), each["reason"]) for each in activity("/activity")["errors"]}, 10
    )
    now = activity("/activity")
    assert now["total"]["requests"] == sum(each["requests"] for each in now["apis"])
    assert now["total"]["requests"] == sum(each["requests"] for each in now["minutes"])
    assert [each["gatewayId"] for each in now["gateways"]] == ["local"]


def test_what_is_counted_while_the_plane_is_away_comes_later_and_once(house: House) -> None:
    def of_news() -> int:
        (news,) = reported(house, "byApi", " and apiId eq '/apis/news'")
        return int(news["callCountTotal"])

    before = of_news()
    plane = house.kill("management")
    for number in range(5):
        for gateway in house.gateways:
            request(f"{gateway}/news/away{number}")
    house.again(plane)
    wait_until(lambda: of_news() >= before + 10, 90, every=0.5)
    wait_until(lambda: house.arm("/reports/byGeo?$filter=timestamp%20ge%202000-01-01").status == 200)
    assert of_news() == before + 10


def test_a_user_follows_a_link_to_the_portal(house: House) -> None:
    names = {"email": "ann@example.com", "firstName": "Ann", "lastName": "Ott"}
    house.put("/users/ann", names)
    link = house.arm("/users/ann/generateSsoUrl", "POST").json["value"]
    browser = build_opener(HTTPCookieProcessor())
    with browser.open(link, timeout=10) as answer:
        assert "Ann Ott" in answer.read().decode()
    with browser.open(house.info["portal"], timeout=10) as answer:
        assert "Ann Ott" in answer.read().decode()
    assert request(link).status == 403, "it is good once"


def counter(house: House, key: str) -> dict[str, Any] | None:
    listed = house.arm(f"/quotas/{key}").json["value"]
    assert len(listed) <= 1, listed
    return listed[0] if listed else None


def calls(house: House, key: str) -> int:
    found = counter(house, key)
    return found["value"]["callsCount"] if found else 0


def test_quotas_are_shared_shown_and_reset(house: House) -> None:
    first, second = house.gateways
    who = {"who": "bo/b"}  # a key is any text
    for gateway in (first, first, second, second):
        assert request(f"{gateway}/rare/x", headers=who).status == 200
    wait_until(lambda: calls(house, "bo%2Fb") == 4, what="the counts of both sidecars at the plane")
    time.sleep(1)  # each sidecar learns what the other counted
    for gateway in (first, second):
        assert request(f"{gateway}/rare/x", headers=who).status == 403
    found = counter(house, "bo%2Fb")
    assert found is not None
    assert found["counterKey"] == "bo/b"
    assert found["periodKey"].endswith("_P7D")
    period = f"/quotas/bo%2Fb/periods/{found['periodKey']}"
    assert house.arm(period).json == found
    reply = house.arm(period, "PATCH", {"properties": {"callsCount": 3}})
    assert (reply.status, reply.json["value"]["callsCount"]) == (200, 3)
    wait_until(lambda: request(f"{first}/rare/x", headers=who).status == 200)
    wait_until(lambda: calls(house, "bo%2Fb") == 4)
    time.sleep(1)
    assert request(f"{second}/rare/x", headers=who).status == 403
    assert calls(house, "bo%2Fb") == 4


def test_quotas_outlive_sidecars_and_the_agent(house: House) -> None:
    first = house.gateways[0]
    who = {"who": "ann"}
    for _ in range(4):
        assert request(f"{first}/rare/x", headers=who).status == 200
    wait_until(lambda: calls(house, "ann") == 4)
    agent = house.kill("syncagent")
    sidecars = house.kill("proxy")
    house.again(agent)
    house.again(sidecars)
    wait_until(lambda: request(f"{first}/rare/x", headers=who).status == 403)
    assert calls(house, "ann") == 4
    assert calls(house, "nobody") == 0


def test_quotas_outlive_a_kill_of_everything_while_the_plane_is_away(house: House) -> None:
    first, second = house.gateways
    who = {"who": "eve"}
    for _ in range(3):
        assert request(f"{first}/rare/x", headers=who).status == 200
    journal = wait_until(lambda: next(house.data.rglob("quotas"), None), what="the journal")
    before = journal.stat().st_mtime_ns
    assert request(f"{second}/rare/x", headers=who).status == 200, "as many as are allowed, whoever counts them"
    assert request(f"{first}/rare/x", headers=who).status == 403
    wait_until(lambda: journal.stat().st_mtime_ns > before, what="the journal to be written")
    time.sleep(1)  # at most so much is lost
    plane, agent, sidecars = (house.kill(module) for module in ("management", "syncagent", "proxy"))
    house.again(agent)
    house.again(sidecars)
    wait_until(lambda: request(f"{first}/rare/x", headers=who).status == 403)
    assert request(f"{first}/rare/x", headers={"who": "adam"}).status == 200
    house.again(plane)
    wait_until(lambda: calls(house, "eve") == 4)
