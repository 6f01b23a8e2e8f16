"""Backend resources as the plane writes them: pools and circuit breakers."""

from __future__ import annotations

from typing import Any

import pytest

from passerelle.cases.tokens import opened
from proxy.config.backends import backend as read
from proxy.config.backends import duration
from proxy.config.certificates import identity_of, with_identity
from proxy.config.gateway import Gateway, build
from proxy.config.resources import Backend, BreakerRule, Cluster, Resource
from proxy.ports import HttpProxy


def resources(**bodies: dict[str, Any]) -> dict[str, Resource]:
    made = [Resource(f"/backends/{name}", name, body) for name, body in bodies.items()]
    return {each.id: each for each in made}


def backend(gateway: Gateway, name: str) -> Backend:
    backends = gateway.environment.backends
    assert isinstance(backends, dict)
    found = backends[name]
    assert isinstance(found, Backend)
    return found


POOL = {
    "type": "Pool",
    "pool": {
        "services": [
            {"id": "/subscriptions/s/providers/Microsoft.ApiManagement/service/x/backends/A", "priority": 2},
            {"id": "/backends/b", "priority": 1, "weight": 3},
        ],
        "sessionAffinity": {"sessionId": {"source": "Cookie", "name": "SessionId"}},
    },
}  # fmt: skip


def test_a_pool_knows_its_members() -> None:
    gateway, issues = build(resources(pool=POOL, a={"url": "https://a.example"}, b={"url": "https://b.example"}))
    assert not issues
    pool = backend(gateway, "pool")
    assert [(each.backend.url, each.priority, each.weight) for each in pool.pool] == [
        ("https://a.example", 2, 1),
        ("https://b.example", 1, 3),
    ]
    assert pool.affinity == "SessionId"


def test_a_pool_without_a_member_is_read_once_that_is_there() -> None:
    first = resources(pool=POOL, a={"url": "https://a.example"})
    gateway, issues = build(first)
    assert [issue.resource_id for issue in issues] == ["/backends/pool"]
    assert "'b' is not a backend" in issues[0].message
    gateway, issues = build({**first, **resources(b={"url": "https://b.example"})}, gateway)
    assert not issues
    assert len(backend(gateway, "pool").pool) == 2


def test_a_changed_member_changes_its_pool() -> None:
    first = resources(pool=POOL, a={"url": "https://a.example"}, b={"url": "https://b.example"})
    gateway, _ = build(first)
    gateway, _ = build({**first, **resources(b={"url": "https://c.example"})}, gateway)
    assert backend(gateway, "pool").pool[1].backend.url == "https://c.example"


def test_a_breaker_is_read() -> None:
    rule = {
        "name": "r",
        "failureCondition": {
            "count": 3,
            "interval": "PT5M",
            "statusCodeRanges": [{"min": 429, "max": 429}, {"min": 500, "max": 599}],
            "errorReasons": ["Timeout"],
        },
        "tripDuration": "PT1H",
        "acceptRetryAfter": True,
    }
    gateway, issues = build(resources(a={"url": "https://a.example", "circuitBreaker": {"rules": [rule]}}))
    assert not issues
    assert backend(gateway, "a").breaker == (
        BreakerRule("r", 3, 0, 300.0, ((429, 429), (500, 599)), ("timeout",), 3600.0, True),
    )


@pytest.mark.parametrize(
    ("text", "seconds"), [("PT1M30S", 90), ("P1DT2H", 93600), ("PT0.5S", 0.5), ("00:01:30", 90), ("1.00:00:00", 86400)]
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "P", "PT", "1m", "PT1X", "-PT1M"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        duration(text)


def test_the_identity_and_the_proxy_that_an_entity_names() -> None:
    body = {
        "url": "https://a",
        "credentials": {"managedIdentity": {"resource": "https://r", "clientId": "me"}},
        "proxy": {"url": "http://p:81", "username": "u", "password": "p"},
    }
    made = read("b", body)
    assert made.managed_identity == ("https://r", "me")
    assert made.proxy == HttpProxy("http", "p", 81, "Basic dTpw")
    assert read("b", {"url": "https://a"}).managed_identity == ("", "")


def test_a_cluster_and_what_is_shown_to_it() -> None:
    cluster = {
        "managementEndpoints": ["https://sf.example:19080/"],
        "clientCertificateId": "/certificates/rsa",
        "serverCertificateThumbprints": ["ab"],
        "maxPartitionResolutionRetries": 5,
    }
    made = read("b", {"url": "fabric:/app/web", "properties": {"serviceFabricCluster": cluster}})
    certificate = opened("rsa")
    found = with_identity(made, {"rsa": certificate}).cluster
    assert found == Cluster(("https://sf.example:19080",), 5, frozenset({"AB"}), ("rsa",), identity_of(certificate))
    with pytest.raises(ValueError, match="rsa"):
        with_identity(made, {})
