"""Keys of every scope, open products, states and dates; as a table over one small configuration."""

from __future__ import annotations

import asyncio
import datetime
import uuid
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sidecar_harness import Harness, api, operation, policy, resource

from proxy.admission import admit, digest
from proxy.config.gateway import Gateway, build
from proxy.errors import SubscriptionKeyInvalid, SubscriptionKeyMissing
from proxy.exchange import Exchange
from proxy.messages import Body, Headers, Request, Url
from proxy.ports import Ports

NAMES = {"header": "X-Key", "query": "k"}
NOW = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)


def subscription(name: str, scope: str, state: str = "active", **extra: str) -> Any:
    body = {"scope": scope, "state": state, "primaryKey": f"{name}-1", "secondaryKey": f"{name}-2", **extra}
    return resource(f"/subscriptions/{name}", body)


def configuration() -> Gateway:
    listed = [
        api("closed", "http://b", subscriptionRequired=True),
        api("other", "http://b", subscriptionRequired=True),
        api("open", "http://b"),
        api("inopen", "http://b", subscriptionRequired=True),
        api("named", "http://b", subscriptionRequired=True, subscriptionKeyParameterNames=NAMES),
        resource("/products/Paid", {"displayName": "Paid", "state": "published"}),
        resource("/products/Paid/apis/closed", {}),
        resource("/products/hidden", {"displayName": "Hidden", "state": "notPublished"}),
        resource("/products/hidden/apiLinks/l", {"apiId": "/apis/other"}),
        resource("/products/free", {"displayName": "Free", "state": "published", "subscriptionRequired": False}),
        resource("/products/free/apis/inopen", {}),
        resource("/products/unready", {"displayName": "U", "state": "notPublished", "subscriptionRequired": False}),
        resource("/products/unready/apis/other", {}),
        subscription("product", "/products/paid", ownerId="/users/Ann"),
        subscription("hidden", "/products/hidden"),
        subscription("api", "/apis/closed"),
        subscription("all", "/apis"),
        subscription("service", "/"),
        subscription("suspended", "/apis", "suspended"),
        subscription("late", "/apis", endDate="2026-01-01T00:00:00Z"),
        subscription("early", "/apis", startDate="2026-02-01T00:00:00.1234567Z"),
        resource("/users/ann", {"firstName": "Ann", "email": "a@b"}),
        resource("/groups/dev", {"displayName": "Dev"}),
        resource("/groups/dev/users/ann", {}),
    ]  # fmt: skip
    built, issues = build({each.id: each for each in listed})
    assert not issues
    return built


def exchange(gateway: Gateway, name: str, query: str = "", **headers: str) -> Exchange:
    request = Request("GET", Url("http", "gw", 80, "/", query), "/", query, Headers(headers), Body())
    made = Exchange(request, cast(Ports, SimpleNamespace()), gateway.deployment, 0.0, NOW, request_id=uuid.UUID(int=1))
    made.api = gateway.entries[name].api
    return made


@pytest.mark.parametrize(
    ("name", "key", "product"),
    [
        ("closed", "product-1", "Paid"),
        ("closed", "product-2", "Paid"),
        ("other", "hidden-1", "hidden"),
        ("closed", "api-1", None),
        ("closed", "all-2", None),
        ("closed", "late-1", None),
        ("closed", "early-1", None),
        ("other", "service-1", None),
        ("open", None, None),
        ("open", "all-1", None),
        ("inopen", None, "free"),
    ],
)
def test_admitted(name: str, key: str | None, product: str | None) -> None:
    gateway = configuration()
    made = exchange(gateway, name, **({"Ocp-Apim-Subscription-Key": key} if key else {}))
    admit(gateway.access, made)
    assert (made.product.id if made.product else None) == product
    assert (made.subscription.id if made.subscription else None) == (key.split("-")[0] if key else None)


@pytest.mark.parametrize(
    ("name", "key", "why"),
    [
        ("other", "product-1", "does not hold"),
        ("other", "api-1", "for API 'closed' only"),
        ("inopen", "product-1", "does not hold"),
        ("open", "nonsense", "no such key"),
        ("closed", "suspended-1", "is suspended"),
        ("closed", "\udce9", "no such key"),
    ],
)
def test_refused_with_a_key(name: str, key: str, why: str) -> None:
    gateway = configuration()
    made = exchange(gateway, name, **{"Ocp-Apim-Subscription-Key": key})
    with pytest.raises(SubscriptionKeyInvalid) as refused:
        admit(gateway.access, made)
    assert why in refused.value.detail
    assert key not in refused.value.detail
    assert (made.product, made.subscription) == (None, None)


@pytest.mark.parametrize("name", ["closed", "other"])
def test_refused_without_a_key(name: str) -> None:
    gateway = configuration()
    with pytest.raises(SubscriptionKeyMissing):
        admit(gateway.access, exchange(gateway, name))


def test_the_header_wins_over_the_query_which_is_removed_either_way() -> None:
    gateway = configuration()
    made = exchange(gateway, "closed", "a=1&subscription-key=nonsense&b=%2F", **{"Ocp-Apim-Subscription-Key": "all-1"})
    admit(gateway.access, made)
    assert made.request.query == "a=1&b=%2F"
    made = exchange(gateway, "closed", "subscription%2Dkey=all-1")
    admit(gateway.access, made)
    assert made.request.query == ""


def test_custom_names_and_the_user_with_groups() -> None:
    gateway = configuration()
    admit(gateway.access, exchange(gateway, "named", **{"X-Key": "all-1"}))
    admit(gateway.access, exchange(gateway, "named", "k=all-1"))
    with pytest.raises(SubscriptionKeyMissing) as refused:
        admit(gateway.access, exchange(gateway, "named", **{"Ocp-Apim-Subscription-Key": "all-1"}))
    assert refused.value.headers[0][1].endswith('name="X-Key",type="header"')
    made = exchange(gateway, "closed", **{"Ocp-Apim-Subscription-Key": "product-1"})
    admit(gateway.access, made)
    assert made.user is not None
    assert (made.user.first_name, [group.name for group in made.user.groups]) == ("Ann", ["Dev"])


def test_a_regenerated_key_and_a_deleted_subscription_stop_working() -> None:
    before = configuration()
    changed = subscription("all", "/apis", primaryKey="fresh")
    resources = {**before.resources, changed.id: changed}
    del resources["/subscriptions/service"]
    after, _ = build(resources, before)
    assert digest("fresh") in after.access.keys
    for old in ("all-1", "service-1", "service-2"):
        assert digest(old) not in after.access.keys
        assert digest(old) in before.access.keys


async def test_no_key_reaches_a_log_line(harness: Harness, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    harness.configure(
        api("closed", "http://127.0.0.1:1", subscriptionRequired=True),
        operation("closed", "GET", "/*"),
        policy("", "<policies><inbound/><backend><forward-request/></backend><outbound/></policies>"),
        subscription("canary", "/apis"),
    )
    for key in ("canary-1", "canary-wrong"):
        await harness.request("GET", "/closed/x", {"Ocp-Apim-Subscription-Key": key})
        await harness.request("GET", f"/closed/x?subscription-key={key}")
    await asyncio.sleep(0)
    assert "canary-" not in caplog.text
    assert "canary-" not in repr(await harness.recorded(4))
