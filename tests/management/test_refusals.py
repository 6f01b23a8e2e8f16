"""What a type refuses because it could not work, or because APIM refuses it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.management.conftest import Plane
from tests.management.test_resources import refused


async def test_a_product_limits_the_subscriptions_of_a_user(plane: Plane) -> None:
    for user in ("u", "v"):
        await plane.put(f"/users/{user}", {"email": f"{user}@example.com", "firstName": "U", "lastName": "V"})
    await plane.put("/products/p", {"displayName": "P", "subscriptionsLimit": 1})
    first = {"displayName": "s", "scope": "/products/p", "ownerId": f"{plane.service}/users/u"}
    await plane.put("/subscriptions/s", first)
    await plane.put("/subscriptions/s", {**first, "displayName": "again"})
    second = {**first, "ownerId": "/users/U"}
    assert await refused(plane, "/subscriptions/t", second) == "scope"
    await plane.put("/subscriptions/other", {**second, "ownerId": "/users/v"})
    await plane.put("/subscriptions/nobody", {"displayName": "s", "scope": "/products/p"})
    # a service that is moved here comes as it is
    moved = {"resources": [{"id": "/subscriptions/moved", "properties": first}]}
    assert (await plane.call("POST", "/apply", body=moved)).status == 200
    await plane.delete("/subscriptions/moved")
    await plane.call("PATCH", "/subscriptions/s", {"state": "cancelled"})
    await plane.put("/subscriptions/t", second)


async def test_a_pool_is_made_of_single_backends(plane: Plane) -> None:
    await plane.put("/backends/b", {"url": "https://b", "protocol": "http"})
    await plane.put("/backends/p", {"type": "Pool", "pool": {"services": [{"id": "/backends/b"}]}})
    for member in ("p", "q"):  # a pool, and itself
        nested = {"type": "Pool", "pool": {"services": [{"id": "/backends/b"}, {"id": f"/backends/{member}"}]}}
        assert await refused(plane, "/backends/q", nested) == "pool.services"
    await plane.put("/backends/c", {"url": "https://c", "protocol": "http"})
    made_a_pool = {"type": "Pool", "pool": {"services": [{"id": "/backends/c"}]}}
    assert await refused(plane, "/backends/b", made_a_pool) == "type"


@pytest.mark.parametrize(
    ("condition", "more", "target"),
    [
        ({"count": 0, "interval": "PT1M"}, {}, "failureCondition.count"),
        ({"percentage": 101}, {}, "failureCondition.percentage"),
        ({"interval": "PT1M"}, {}, "failureCondition"),
        ("often", {}, "failureCondition"),
        ({"count": 1, "interval": "1 minute"}, {}, "failureCondition.interval"),
        ({"count": 1}, {"tripDuration": "PT0S"}, "tripDuration"),
        ({"count": 1, "errorReasons": "timeout"}, {}, "failureCondition.errorReasons"),
        ({"count": 1, "statusCodeRanges": [{"min": 500}]}, {}, "failureCondition.statusCodeRanges[0]"),
        ({"count": 1, "statusCodeRanges": [{"min": 599, "max": 500}]}, {}, "failureCondition.statusCodeRanges[0]"),
        ({"count": 1, "statusCodeRanges": [{"min": 5, "max": 500}]}, {}, "failureCondition.statusCodeRanges[0].min"),
    ],
)
async def test_a_circuit_breaker_that_cannot_work(plane: Plane, condition: Any, more: Any, target: str) -> None:
    good = {"count": 3, "interval": "PT1M", "statusCodeRanges": [{"min": 500, "max": 599}], "errorReasons": ["Timeout"]}
    backend = {"url": "https://b", "protocol": "http", "circuitBreaker": {"rules": [{"failureCondition": good}]}}
    await plane.put("/backends/b", backend)
    backend["circuitBreaker"] = {"rules": [{"failureCondition": good}, {"failureCondition": condition, **more}]}
    assert await refused(plane, "/backends/b", backend) == f"circuitBreaker.rules[1].{target}"


async def test_nobody_makes_system_groups(plane: Plane) -> None:
    assert await refused(plane, "/groups/g", {"displayName": "G", "type": "system"}) == "type"
    await plane.put("/groups/g", {"displayName": "G", "type": "external", "externalId": "aad://x"})
