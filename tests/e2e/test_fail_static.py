"""Fail static: planes and agents come and go, requests do not notice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from house import PLAIN_POLICY, House, Load, request, wait_until

pytestmark = pytest.mark.e2e

STATUS = "/status-0123456789abcdef"


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory, backend: str) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("standing"))
    try:
        house.start()
        house.api("shop", backend)
        house.api("doomed", backend)
        house.everywhere("/shop/x", lambda r: r.status == 200)
        house.everywhere("/doomed/x", lambda r: r.status == 200)
        yield house
    finally:
        house.stop()


def test_the_plane_dies_and_comes_back_with_edits_and_deletions(standing: House) -> None:
    house = standing
    with Load([f"{gateway}/shop/x" for gateway in house.gateways]) as load:
        dead = house.kill("management")
        time.sleep(2)  # eight polls: by now the agent asks less often
        house.again(dead)
        wait_until(lambda: house.arm("").status == 200, what="the plane to return")
        house.policy(
            "/apis/shop",
            PLAIN_POLICY.replace("<outbound>", '<outbound><set-header name="X-Back"><value>yes</value></set-header>'),
        )
        house.delete("/apis/doomed")
        # while it was away the agent backed off; the first poll that gets through brings everything
        house.everywhere("/shop/x", lambda r: r.headers.get("x-back") == "yes")
        house.everywhere("/doomed/x", lambda r: r.status == 404)
    print(f"\nplane killed for 2 s: {load.total} requests, {len(load.failures)} failed")
    assert load.failures == []
    assert load.total > 100


def test_the_agent_dies_too(standing: House) -> None:
    house = standing
    with Load([f"{gateway}/shop/x" for gateway in house.gateways]) as load:
        plane, agent = house.kill("management"), house.kill("syncagent")
        time.sleep(1)
        house.again(agent)
        time.sleep(2)  # it serves its backup and asks in vain
        house.again(plane)
        wait_until(lambda: house.arm("").status == 200, what="the plane to return")
        house.policy(
            "/apis/shop",
            PLAIN_POLICY.replace("<outbound>", '<outbound><set-header name="X-Back"><value>again</value></set-header>'),
        )
        house.everywhere("/shop/x", lambda r: r.headers.get("x-back") == "again")
    print(f"\nplane and agent killed: {load.total} requests, {len(load.failures)} failed")
    assert load.failures == []


def test_everything_dies_and_starts_from_the_backup_without_a_plane(standing: House) -> None:
    house = standing
    plane = house.kill("management")
    agent, sidecars = house.kill("syncagent"), house.kill("proxy")
    for gateway in house.gateways:
        with pytest.raises(OSError):
            request(f"{gateway}/shop/x")
    started = time.monotonic()
    house.again(agent)
    house.again(sidecars)
    house.everywhere("/shop/x", lambda r: r.status == 200)
    print(f"\nagent and sidecars served from the backup {time.monotonic() - started:.2f} s after their start")
    house.everywhere(STATUS, lambda r: r.status == 200)
    assert "x-back" in request(f"{house.gateways[0]}/shop/x").headers
    house.again(plane)
    wait_until(lambda: house.arm("").status == 200, what="the plane to return")
    house.policy(
        "/apis/shop",
        PLAIN_POLICY.replace("<outbound>", '<outbound><set-header name="X-Back"><value>third</value></set-header>'),
    )
    house.everywhere("/shop/x", lambda r: r.headers.get("x-back") == "third")


def test_a_changed_subscription_key_arrives_after_an_outage(standing: House, backend: str) -> None:
    house = standing
    house.api("locked", backend, key=True)
    house.put("/subscriptions/bob", {"displayName": "bob", "scope": "/apis/locked", "state": "active"})
    key = house.arm("/subscriptions/bob/listSecrets", "POST").json["primaryKey"]
    house.everywhere("/locked/x", lambda r: r.status == 200, **{"Ocp-Apim-Subscription-Key": key})
    agent = house.kill("syncagent")
    house.arm("/subscriptions/bob/regeneratePrimaryKey", "POST")
    fresh = house.arm("/subscriptions/bob/listSecrets", "POST").json["primaryKey"]
    assert fresh != key
    house.again(agent)
    house.everywhere("/locked/x", lambda r: r.status == 200, **{"Ocp-Apim-Subscription-Key": fresh})
    assert request(f"{house.gateways[0]}/locked/x", headers={"Ocp-Apim-Subscription-Key": key}).status == 401


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[House]:
    it = House(tmp_path)
    try:
        yield it.start()
    finally:
        it.stop()


def test_without_a_backup_it_says_503_and_recovers_by_itself(bare: House, backend: str) -> None:
    house = bare
    house.api("shop", backend)
    house.everywhere("/shop/x", lambda r: r.status == 200)
    plane = house.kill("management")
    agent, sidecars = house.kill("syncagent"), house.kill("proxy")
    backup = Path(agent[0].environment["config.backup.path"])
    for file in backup.iterdir():
        file.unlink()
    house.again(agent)
    house.again(sidecars)
    for gateway in house.gateways:
        wait_until(lambda gateway=gateway: request(gateway + STATUS).status == 503, what="503 while not ready")
        reply = request(f"{gateway}/shop/x")
        assert reply.status == 503
        assert reply.json["statusCode"] == 503
    log = house.data / "logs" / "agent.log"
    texts = [path.read_text(errors="replace") for path in (log, house.data / "again-syncagent.log") if path.exists()]
    assert any("backup" in text.lower() for text in texts)
    house.again(plane)
    house.everywhere("/shop/x", lambda r: r.status == 200, timeout=20)
    house.everywhere(STATUS, lambda r: r.status == 200)


def test_the_backup_holds_no_secret_in_clear_and_is_private(standing: House) -> None:
    house = standing
    house.put("/namedValues/canary", {"displayName": "canary", "value": "CANARY-7f3a", "secret": True})
    house.policy(
        "/apis/shop",
        PLAIN_POLICY.replace(
            "<outbound>", '<outbound><set-header name="X-Canary"><value>{{canary}}</value></set-header>'
        ),
    )
    house.everywhere("/shop/x", lambda r: r.headers.get("x-canary") == "CANARY-7f3a")
    backup = Path(house.processes("syncagent")[0].environment["config.backup.path"])
    files = [path for path in backup.rglob("*") if path.is_file()]
    assert any("current" in path.name for path in files)
    for path in files:
        assert path.stat().st_mode & 0o077 == 0, path
        assert b"CANARY-7f3a" not in path.read_bytes(), path
    for path in house.data.rglob("*"):
        if path.is_file() and path.name != "up.stderr":
            assert b"CANARY-7f3a" not in path.read_bytes(), path
