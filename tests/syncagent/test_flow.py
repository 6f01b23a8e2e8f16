"""Plane to agent to sidecar on real processes: snapshots, changes, deletions, acknowledgements."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from proxy.config.resources import ResourceIssue
from tests.syncagent.house import Agent, FakeSidecar, eventually
from tests.syncagent.plane import TOKEN, FakePlane

pytestmark = pytest.mark.e2e
NewAgent = Callable[..., Agent]
NewSidecar = Callable[[], FakeSidecar]


def matches(sidecar: FakeSidecar, plane: FakePlane) -> bool:
    return sidecar.bodies() == {id: json.loads(body) for id, body in plane.resources.items()}


async def test_edits_and_deletions_reach_two_sidecars(
    plane: FakePlane, new_agent: NewAgent, sidecars: NewSidecar
) -> None:
    agent = new_agent().start()
    one = sidecars().connect(agent.listen, "one")
    two = sidecars().connect(agent.listen, "two")
    await eventually(lambda: matches(one, plane) and matches(two, plane), what=agent.text())
    assert one.applied == [("d1", 7, True, 7, 0)]
    plane.put("/apis/orders", {"path": "commandes"})
    plane.delete("/apis/stock/policies/policy")
    await eventually(lambda: matches(one, plane) and matches(two, plane), what="the change")
    assert [entry[2:] for entry in two.applied] == [(True, 7, 0), (False, 1, 1)]
    assert one.version == two.version == plane.cursor
    facts = await agent.until_ready()
    assert (facts["dataset"], facts["cursor"], facts["source"], facts["sidecars"]) == ("d1", 9, "plane", 2)
    assert agent.terminate() == 0
    assert "canary" not in agent.text()
    assert "Traceback" not in agent.text()


async def test_sidecars_and_their_issues_are_in_the_heartbeat(
    plane: FakePlane, new_agent: NewAgent, sidecars: NewSidecar
) -> None:
    agent = new_agent().start()
    sidecar = sidecars()
    issue = ResourceIssue("/apis/orders/policies/policy", 4, 7, "set-header", "The attribute 'name' is missing.")
    sidecar.complain = lambda upserts: [issue]
    sidecar.connect(agent.listen, "one")
    await eventually(lambda: any(beat["sidecars"] and beat["sidecars"][0]["issues"] for beat in plane.heartbeats))
    beat = plane.heartbeats[-1]
    assert beat["dataset"] == "d1"
    assert beat["cursor"] == plane.cursor
    assert beat["source"] == "plane"
    assert beat["sidecars"] == [
        {
            "id": "one",
            "version": "0.1.0",
            "dataset": "d1",
            "cursor": plane.cursor,
            "connected": True,
            "requests": 7,
            "failures": 2,
            "issues": [
                {
                    "resourceId": issue.resource_id,
                    "line": 4,
                    "column": 7,
                    "element": "set-header",
                    "message": issue.message,
                }
            ],
        }
    ]


async def test_a_sidecar_that_fails_to_apply_gets_the_whole_once_and_then_waits(
    plane: FakePlane, new_agent: NewAgent, sidecars: NewSidecar
) -> None:
    agent = new_agent().start()
    sidecar = sidecars()
    attempts = []

    def fail(upserts: list[object]) -> list[ResourceIssue]:
        attempts.append(len(upserts))
        raise RuntimeError("a bug")

    sidecar.complain = fail  # type: ignore[assignment]
    sidecar.connect(agent.listen)
    await eventually(lambda: any("a bug" in json.dumps(beat["sidecars"]) for beat in plane.heartbeats))
    assert attempts == [7]
    sidecar.complain = lambda upserts: []
    plane.put("/apis/orders", {"path": "commandes"})
    await eventually(lambda: sidecar.version == plane.cursor and matches(sidecar, plane))


async def test_reconnecting_with_the_same_version_sends_nothing(
    plane: FakePlane, new_agent: NewAgent, sidecars: NewSidecar
) -> None:
    agent = new_agent().start()
    sidecar = sidecars().connect(agent.listen)
    await eventually(lambda: matches(sidecar, plane))
    agent.kill()
    agent.start()
    await eventually(lambda: agent.text().count("[SidecarConnected]") == 2)
    plane.put("/apis/late", {"path": "late"})
    await eventually(lambda: matches(sidecar, plane))
    assert [entry[2:] for entry in sidecar.applied] == [(True, 7, 0), (False, 1, 0)]


async def test_a_new_dataset_replaces_everything(plane: FakePlane, new_agent: NewAgent, sidecars: NewSidecar) -> None:
    agent = new_agent().start()
    sidecar = sidecars().connect(agent.listen)
    await eventually(lambda: matches(sidecar, plane))
    plane.dataset, plane.cursor, plane.log, plane.resources = "d2", 0, [], {}
    plane.put("/", {"id": "s", "name": "again"})
    await eventually(lambda: matches(sidecar, plane))
    assert sidecar.applied[-1] == ("d2", 1, True, 1, 0)


async def test_a_new_token_in_the_file_is_used(plane: FakePlane, new_agent: NewAgent, sidecars: NewSidecar) -> None:
    agent = new_agent(config_service_auth="key")
    file = agent.directory / "token"
    file.write_text(TOKEN)
    agent.settings["config.service.auth.key.file"] = str(file)
    agent.settings["config.service.poll.interval"] = "10"
    agent.start()
    await agent.until_ready()
    plane.token = TOKEN.replace("canary", "rotated")
    agent.terminate()
    agent.start()
    facts = await agent.until_ready()
    assert facts["source"] == "backup"
    await eventually(lambda: "refuses the gateway token" in agent.text())
    plane.put("/apis/late", {"path": "late"})
    file.write_text(f"GatewayKey {plane.token}\n")
    sidecar = sidecars().connect(agent.listen)
    await eventually(lambda: matches(sidecar, plane), seconds=10)


async def test_tcp_asks_for_the_shared_token(plane: FakePlane, new_agent: NewAgent, sidecars: NewSidecar) -> None:
    from tests.ports import free_port

    agent = new_agent()
    shared = agent.directory / "shared"
    shared.write_text("correct horse")
    agent.settings |= {"config.sync.listen": f"127.0.0.1:{free_port()}", "config.sync.token.file": str(shared)}
    agent.start()
    await agent.until_ready()
    wrong = sidecars().connect(agent.listen, "wrong", token="correct mouse")
    right = sidecars().connect(agent.listen, "right", token="correct horse")
    await eventually(lambda: matches(right, plane))
    assert wrong.applied == []
    assert "sidecar wrong" not in agent.text()
