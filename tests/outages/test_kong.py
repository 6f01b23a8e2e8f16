"""What went wrong with Kong, its operator and its ingress controller, tried here."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from proto.config_sync_pb2 import Nack
from proxy.config.resources import ResourceIssue
from tests.outages.conftest import NewAgent, NewCar, NewSidecar, add_api, says
from tests.proxy_sync.agent import ScriptedAgent, resource
from tests.syncagent.house import Agent, FakeSidecar, eventually
from tests.syncagent.plane import FakePlane

pytestmark = pytest.mark.e2e


def equal(sidecar: FakeSidecar, plane: FakePlane) -> bool:
    return sidecar.bodies() == {id: json.loads(body) for id, body in plane.resources.items()}


async def saved(agent: Agent, version: int) -> None:
    await eventually(lambda: f"version {version} is on disk" in agent.text(), what="the backup")


def codes(plane: FakePlane) -> set[str]:
    return {issue["code"] for issue in plane.heartbeats[-1]["issues"]} if plane.heartbeats else set()


async def test_kong_4433_and_13076_a_damaged_cache_keeps_nobody_from_starting(
    plane: FakePlane, new_agent: NewAgent, sidecars: NewSidecar
) -> None:
    """docs.konghq.com 4433, kong 13076: MDB_CORRUPTED, and no start until somebody deleted the file."""
    agent = new_agent().start()
    await saved(agent, plane.cursor)
    before = plane.cursor
    plane.put("/apis/orders/policies/policy", says("newer"))
    await saved(agent, plane.cursor)
    agent.kill()
    await plane.stop()
    current = agent.backup / "current"
    current.write_bytes(current.read_bytes()[:100] + b"MDB_CORRUPTED")
    sidecar = sidecars().connect(agent.listen)
    agent.start()
    assert (await agent.until_ready())["cursor"] == before
    assert (agent.backup / "current.bad").exists()
    await eventually(lambda: "/apis/orders" in sidecar.resources)
    await plane.start()
    await eventually(lambda: equal(sidecar, plane))
    await eventually(lambda: "BackupUnusable" in codes(plane), what="the alarm")


async def test_kong_7619_a_restart_never_loads_less_than_was_acknowledged(
    plane: FakePlane, new_agent: NewAgent, sidecars: NewSidecar
) -> None:
    """kong 7619: a worker died, and the one that followed took an older configuration than was in force."""
    agent = new_agent().start()
    sidecar = sidecars().connect(agent.listen)
    await eventually(lambda: equal(sidecar, plane))
    for number in range(2):
        plane.put("/apis/orders/policies/policy", says(f"edit {number}"))
        wanted = plane.cursor
        await eventually(lambda wanted=wanted: sidecar.version == wanted)
        agent.kill()  # the moment after a sidecar put it in force
        await plane.stop()
        agent.start()
        assert (await agent.until_ready())["cursor"] >= wanted
        await plane.start()


async def test_kong_6935_a_new_sidecar_is_fed_while_the_plane_is_broken(
    plane: FakePlane, new_agent: NewAgent, sidecars: NewSidecar
) -> None:
    """kong 6935: a control plane without its database could feed no new data plane."""
    agent = new_agent().start()
    await agent.until_ready()
    plane.fault = "500"
    await eventually(lambda: "answers 500" in agent.text())
    sidecar = sidecars().connect(agent.listen)
    await eventually(lambda: equal(sidecar, plane))


async def test_kong_operator_3610_an_empty_configuration_is_refused_until_it_is_meant(
    plane: FakePlane, new_agent: NewAgent, new_car: NewCar
) -> None:
    """kong-operator 3610: its restart pushed an empty configuration, and for seconds everything was 404."""
    agent = new_agent().start()
    car = new_car(agent)
    await asyncio.to_thread(car.until, "/orders/x", 200)
    whole = dict(plane.resources)
    plane.resources, plane.log, plane.dataset, plane.complete = {"/": whole["/"]}, [], "after-restart", False
    await eventually(lambda: "ConfigurationShrunk" in codes(plane), what="the alarm")
    message = next(each["message"] for each in plane.heartbeats[-1]["issues"] if each["code"] == "ConfigurationShrunk")
    assert f"1 resources where {len(whole)} are held" in message
    assert "acceptConfiguration" in message
    assert (await asyncio.to_thread(car.get, "/orders/x"))[0] == 200
    facts = await agent.until_ready()
    assert "ConfigurationShrunk" in facts["issues"]
    assert "[ConfigurationShrunk]" in agent.text()
    plane.complete = True
    await asyncio.to_thread(car.until, "/orders/x", 404)
    await eventually(lambda: codes(plane) == set(), what="the end of the alarm")


async def test_kong_operator_3610_an_agent_that_sends_nothing_takes_nothing(
    plane: FakePlane, new_car: NewCar, tmp_path: Path
) -> None:
    """The same one step on: an agent in trouble sends a sidecar an empty whole, or deletes everything."""
    agent = ScriptedAgent(str(tmp_path / "agent.sock"))
    agent.start()
    try:
        car = new_car(agent.endpoint)
        heard = (await asyncio.to_thread(agent.heard.get, timeout=30)).hello
        assert heard.held_dataset == ""
        whole = [resource(id, body) for id, body in plane.resources.items()]
        agent.say(nonce="n1", dataset="d", version=5, full=True, last=True, upserts=whole, complete=True)
        await asyncio.to_thread(car.until, "/orders/x", 200)
        agent.say(nonce="n2", dataset="d", version=6, full=True, last=True)
        agent.say(nonce="n3", dataset="d", base_version=5, version=6, last=True, removals=[each.id for each in whole])
        agent.say(nonce="n4", dataset="d", version=4, full=True, last=True, upserts=whole, complete=True)
        answers = [await asyncio.to_thread(agent.hear) for _ in range(4)]
        assert answers[0].ack.version == 5
        assert [each.nack.reason for each in answers[1:]] == [Nack.SHRUNK, Nack.SHRUNK, Nack.GOES_BACK]
        assert (await asyncio.to_thread(car.get, "/orders/x"))[0] == 200
    finally:
        agent.stop()


async def test_kic_5854_and_6071_one_bad_object_blocks_no_other(
    plane: FakePlane, new_agent: NewAgent, new_car: NewCar
) -> None:
    """kubernetes-ingress-controller 5854, 6071: one broken object kept every other change from being applied."""
    agent = new_agent().start()
    car = new_car(agent)
    await asyncio.to_thread(car.until, "/stock/x", 200)
    broken = "<policies>\n <inbound><no-such /></inbound></policies>"
    plane.put("/apis/orders/policies/policy", {"format": "rawxml", "value": broken})
    add_api(plane, "late", "late here")
    await asyncio.to_thread(car.until, "/late/x", 200, "late here")
    plane.put("/apis/stock/policies/policy", says("stock again"))
    await asyncio.to_thread(car.until, "/stock/x", 200, "stock again")
    assert (await asyncio.to_thread(car.get, "/orders/x"))[0] == 200  # its last good policy
    issues = await eventually(
        lambda: [issue for beat in plane.heartbeats for each in beat["sidecars"] for issue in each["issues"]]
    )
    assert {(each["resourceId"], each["line"], each["column"], each["element"]) for each in issues} == {
        ("/apis/orders/policies/policy", 2, 12, "no-such")
    }
    plane.put("/apis/orders/policies/policy", says("mended"))
    await asyncio.to_thread(car.until, "/orders/x", 200, "mended")


async def test_kic_6218_a_plane_that_is_away_has_refused_nothing(
    plane: FakePlane, new_agent: NewAgent, sidecars: NewSidecar
) -> None:
    """kubernetes-ingress-controller 6218: a refused connection was taken for a rejection, and a fallback began."""
    agent = new_agent().start()
    sidecar = sidecars().connect(agent.listen)
    sidecar.complain = lambda upserts: [ResourceIssue("/apis/stock", 1, 1, "", "odd")] if upserts else []
    await eventually(lambda: equal(sidecar, plane))
    await plane.stop()
    await eventually(lambda: "cannot be reached" in agent.text())
    facts = await agent.until_ready()
    assert facts["issues"] == {}
    applied = len(sidecar.applied)
    plane.put("/apis/orders/policies/policy", says("later"))
    await plane.start()
    await eventually(lambda: equal(sidecar, plane))
    assert [each[2] for each in sidecar.applied[applied:]] == [False]
    assert all("dataset" in query for query in plane.requests[1:]), "the whole was asked for again"
