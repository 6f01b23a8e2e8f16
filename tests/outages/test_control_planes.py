"""What went wrong with Envoy and its control planes, tried here."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.outages.conftest import NewAgent, NewSidecar, add_api, says
from tests.outages.test_kong import codes, equal
from tests.syncagent.house import eventually
from tests.syncagent.plane import FakePlane

pytestmark = pytest.mark.e2e


async def test_go_control_plane_46_and_istio_21111_what_was_refused_is_not_sent_again(
    plane: FakePlane, new_agent: NewAgent, sidecars: NewSidecar, caplog: pytest.LogCaptureFixture
) -> None:
    """go-control-plane 46 and 962, istio 21111 and 8471: a refusal was answered with the same again, without an end."""
    agent = new_agent(config_service_poll_interval="0.05").start()
    sidecar = sidecars()
    tried: list[int] = []

    def refuse(upserts: Any) -> Any:
        tried.append(1)
        if any(each.id == "/apis/bad" for each in upserts):
            raise RuntimeError("cannot be applied")
        return []

    sidecar.complain = refuse
    sidecar.connect(agent.listen)
    await eventually(lambda: equal(sidecar, plane))
    good, before = plane.cursor, len(tried)
    plane.put("/apis/bad", {"path": "bad"})
    await eventually(lambda: len(tried) == before + 2, what="the diff, and the whole")
    asked = len(plane.requests)
    await eventually(lambda: len(plane.requests) > asked + 10, what="ten polls")
    assert len(tried) == before + 2
    [told] = (await eventually(lambda: [b for b in plane.heartbeats if b["sidecars"] and b["sidecars"][0]["issues"]]))[
        -1
    ]["sidecars"]
    assert told["cursor"] == good
    assert (
        f"Version {plane.cursor} was refused: FAILED: RuntimeError: cannot be applied" in told["issues"][0]["message"]
    )
    plane.delete("/apis/bad")
    await eventually(lambda: not any(each["issues"] for each in plane.heartbeats[-1]["sidecars"]), what="other content")


async def test_envoy_gateway_9198_a_refusal_is_seen(
    plane: FakePlane, new_agent: NewAgent, sidecars: NewSidecar
) -> None:
    """envoy-gateway 9198: what was refused was seen nowhere, and pods that started later broke.

    The heartbeat tells the version in force, the refused one, and why.
    """
    agent = new_agent().start()
    first, second = sidecars().connect(agent.listen), sidecars()
    await eventually(lambda: equal(first, plane))
    second.complain = lambda upserts: 1 / 0  # type: ignore[assignment,return-value]
    second.connect(agent.listen, "late")
    await eventually(lambda: any(each["issues"] for beat in plane.heartbeats[-1:] for each in beat["sidecars"]))
    cars = {each["id"]: each for each in plane.heartbeats[-1]["sidecars"]}
    assert (cars["sidecar-1"]["cursor"], cars["sidecar-1"]["issues"]) == (plane.cursor, [])
    assert cars["late"]["cursor"] == 0
    assert "FAILED: ZeroDivisionError" in cars["late"]["issues"][0]["message"]


async def test_istio_41494_and_49922_and_envoy_33607_deletions_while_cut_arrive(
    plane: FakePlane, new_agent: NewAgent, sidecars: NewSidecar
) -> None:
    """istio 41494 and 49922, envoy 33607 and 36951: what was deleted while nobody listened stayed for ever."""
    for number in range(6):
        add_api(plane, f"more-{number}", "x")
    agent = new_agent().start()
    await agent.until_ready()
    sidecar = sidecars().connect(agent.listen)
    await eventually(lambda: equal(sidecar, plane))
    # the sidecar is cut off from the agent, and the agent from the plane, each for other deletions
    agent.kill()
    for id in [id for id in plane.resources if id.startswith("/apis/more-0")]:
        plane.delete(id)
    agent.start()
    await eventually(lambda: equal(sidecar, plane))
    await plane.stop()
    for id in [id for id in plane.resources if id.startswith(("/apis/more-1", "/apis/stock"))]:
        plane.delete(id)
    add_api(plane, "stock", "made again")
    await plane.start()
    await eventually(lambda: equal(sidecar, plane))
    assert not [each for each in sidecar.applied[1:] if each[2]], "the whole was sent, and not what changed"


async def test_envoy_8718_of_two_planes_the_stale_one_changes_nothing(
    plane: FakePlane, new_agent: NewAgent, sidecars: NewSidecar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """envoy 8718: two control planes, one of them behind, and the configuration went back and forth for ever."""
    stale = plane.feed(None, -1)
    plane.put("/apis/orders/policies/policy", says("newer"))
    agent = new_agent(config_service_poll_interval="0.05").start()
    sidecar = sidecars().connect(agent.listen)
    await eventually(lambda: equal(sidecar, plane))
    answer, turn = plane.feed, iter(range(1_000_000))
    monkeypatch.setattr(plane, "feed", lambda *query: stale if next(turn) % 2 else answer(*query))
    asked = len(plane.requests)
    await eventually(lambda: len(plane.requests) > asked + 10)
    plane.put("/apis/orders/policies/policy", says("newest"))
    await eventually(lambda: equal(sidecar, plane))
    versions = [each[1] for each in sidecar.applied]
    assert versions == sorted(set(versions))
    await eventually(lambda: any("FeedRefused" in json.dumps(beat["issues"]) for beat in plane.heartbeats))


async def test_istio_59109_what_is_lost_without_a_newer_version_is_not_taken(
    plane: FakePlane, new_agent: NewAgent, sidecars: NewSidecar
) -> None:
    """istio 59109: a part of the configuration was gone for minutes, though nobody had changed it."""
    agent = new_agent().start()
    sidecar = sidecars().connect(agent.listen)
    await eventually(lambda: equal(sidecar, plane))
    before = sidecar.bodies()
    lost = {id: plane.resources.pop(id) for id in list(plane.resources) if id.startswith("/apis/stock")}
    await eventually(lambda: "FeedRefused" in codes(plane), what="the alarm")
    message = plane.heartbeats[-1]["issues"][0]["message"]
    assert f"with {len(plane.resources)} resources, where {len(before)} are held of the same version" in message
    assert sidecar.bodies() == before
    plane.resources |= lost
    await eventually(lambda: codes(plane) == set(), what="the end of the alarm")
    assert sidecar.bodies() == before
