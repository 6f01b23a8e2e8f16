"""The agent's loops beside a plane that fails in chosen ways: how long it waits, and what survives."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from syncagent import agent as agents
from syncagent import saving
from syncagent.agent import Agent
from syncagent.backup import Backup
from syncagent.credential import Credential
from syncagent.errors import CallFailed
from syncagent.feed import Feed, FeedParser
from syncagent.hub import Hub, Issue
from syncagent.log import Log
from syncagent.report import heartbeat
from syncagent.settings import Settings
from syncagent.snapshot import Snapshot
from tests.syncagent.house import eventually
from tests.syncagent.plane import TOKEN, FakePlane


class Calls:
    """The plane as two functions; `trouble` is raised instead of an answer."""

    def __init__(self) -> None:
        self.plane = FakePlane()
        self.plane.put("/", {"name": "s"})
        self.trouble: Exception | None = None
        self.polls = 0
        self.reports: list[dict[str, Any]] = []

    async def events(self, held: Snapshot | None) -> Feed:
        self.polls += 1
        if self.trouble is not None:
            raise self.trouble
        parser = FeedParser()
        parser.write(self.plane.feed(held.dataset if held else None, held.cursor if held else -1))
        return parser.close()

    async def heartbeat(self, report: dict[str, Any]) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.reports.append(report)


class Life:
    """An agent that runs, with what it writes."""

    def __init__(self, calls: Calls, backup: Backup | None = None, hub: Hub | None = None, **settings: str) -> None:
        named = {key.replace("_", "."): value for key, value in settings.items()}
        values = {
            "config.service.endpoint": "http://127.0.0.1:1/configuration/s",
            "config.service.auth": TOKEN,
            "config.service.poll.interval": "0.05",
            "config.service.heartbeat.interval": "0.2",
            **named,
        }
        self.stream = io.StringIO()
        self.log = Log("text", "all", False, "SyncAgent", self.stream)
        self.hub = hub or Hub()
        self.wakes = 0
        self.agent = Agent(Settings.read(values), Credential(TOKEN, None), backup, self.hub, self.log, lambda: "0.1.0")
        self.agent.restore()
        self.task = asyncio.create_task(self.agent.run(calls, self.wake))

    def wake(self) -> None:
        self.wakes += 1

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.agent.close()
        self.log.close()


@pytest.fixture
async def lives() -> AsyncIterator[list[Life]]:
    lives: list[Life] = []
    yield lives
    for life in lives:
        await life.end()


async def test_a_bug_ends_neither_the_agent_nor_what_it_serves(
    lives: list[Life], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents, "BUG_PAUSE", 0.05)
    calls = Calls()
    lives.append(life := Life(calls))
    await eventually(lambda: life.hub.current is not None and calls.reports)
    calls.trouble = RuntimeError(f"holds {TOKEN}")
    await eventually(lambda: life.stream.getvalue().count("[AgentBug]") >= 3)
    assert life.agent.facts()["ready"] is True
    assert "RuntimeError" in life.agent.facts()["lastError"]
    calls.trouble, before = None, len(calls.reports)
    calls.plane.put("/apis/a", {"path": "a"})
    await eventually(lambda: life.hub.current is not None and life.hub.current.cursor == calls.plane.cursor)
    await eventually(lambda: len(calls.reports) > before)
    assert "canary" not in life.stream.getvalue()


async def test_a_plane_in_trouble_is_given_time_and_one_that_is_away_is_met_at_its_return(lives: list[Life]) -> None:
    troubled, away = Calls(), Calls()
    troubled.trouble = CallFailed("the plane answers 500")
    away.trouble = CallFailed("the plane cannot be reached", answered=False)
    lives += [Life(troubled), Life(away)]
    await eventually(lambda: away.polls >= 20)
    # Full jitter: twice as long each time on average, against an interval of 0.05 s all along.
    assert troubled.polls <= 12


async def test_a_failure_that_goes_on_fills_no_log(lives: list[Life], monkeypatch: pytest.MonkeyPatch) -> None:
    def errors() -> int:
        lines = life.stream.getvalue().splitlines()
        return sum(line.startswith("[Error]") and "SyncFailed" in line for line in lines)

    calls = Calls()
    calls.trouble = CallFailed("the plane cannot be reached", answered=False)
    lives.append(life := Life(calls))
    await eventually(lambda: calls.polls >= 8)
    assert errors() == 1
    calls.trouble = CallFailed("another reason", answered=False)
    await eventually(lambda: errors() == 2)
    monkeypatch.setattr(agents, "COMPLAINT_SPACING", 0.0)
    before = calls.polls
    await eventually(lambda: calls.polls >= before + 4)
    assert errors() >= 5


async def test_what_the_plane_asks_for_is_waited(lives: list[Life]) -> None:
    calls = Calls()
    calls.trouble = CallFailed("the plane answers 429", retry_after=30)
    lives.append(Life(calls))
    await asyncio.sleep(0.5)
    assert calls.polls == 1


async def test_a_version_is_persisted_before_it_is_published(lives: list[Life], tmp_path: Path) -> None:
    order: list[str] = []

    class WatchedHub(Hub):
        def publish(self, snapshot: Snapshot) -> None:
            order.append(f"published {snapshot.cursor}")
            super().publish(snapshot)

    class Watched(Backup):
        def save(self, snapshot: Snapshot) -> bool:
            wrote = super().save(snapshot)
            if wrote:
                order.append(f"saved {snapshot.cursor}")
            return wrote

    calls = Calls()
    lives.append(Life(calls, Watched(tmp_path, "gw1", ["k"]), hub=WatchedHub()))
    await eventually(lambda: "published 1" in order)
    calls.plane.put("/apis/a", {"path": "a"})
    await eventually(lambda: "published 2" in order)
    assert order.index("saved 1") < order.index("published 1")
    assert order.index("saved 2") < order.index("published 2")


async def test_a_disk_that_hangs_delays_a_version_and_no_more(
    lives: list[Life], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    released = threading.Event()

    class Hanging(Backup):
        def save(self, snapshot: Snapshot) -> bool:
            released.wait(10)
            return super().save(snapshot)

    monkeypatch.setattr(saving, "PATIENCE", 0.1)
    calls = Calls()
    lives.append(life := Life(calls, Hanging(tmp_path, "gw1", ["k"])))
    await eventually(lambda: life.hub.current is not None)
    await eventually(lambda: any(issue["code"] == "BackupFailed" for each in calls.reports for issue in each["issues"]))
    calls.plane.put("/apis/a", {"path": "a"})
    await eventually(lambda: life.hub.current is not None and life.hub.current.cursor == 2)
    released.set()
    await eventually(lambda: not calls.reports[-1]["issues"])
    assert (tmp_path / "current").stat().st_size


async def test_revisions_that_change_nothing_are_neither_saved_nor_sent(lives: list[Life], tmp_path: Path) -> None:
    calls = Calls()
    lives.append(life := Life(calls, Backup(tmp_path, "gw1", ["k"])))
    await eventually(lambda: life.hub.current is not None and calls.reports)
    sidecar = life.hub.connect("one", "0", None)
    offer = life.hub.next(sidecar)
    assert offer is not None
    life.hub.acknowledge(sidecar, offer.nonce, ())
    calls.plane.cursor = 9
    # The plane moved on by revisions of no concern here: the log has nothing after 1.
    await eventually(lambda: calls.reports[-1]["cursor"] == 9)
    assert calls.reports[-1]["sidecars"][0]["cursor"] == 9
    assert life.hub.current is not None
    assert life.hub.current.cursor == 1
    assert life.hub.next(sidecar) is None
    assert life.stream.getvalue().count("[LocalBackupSaved]") == 1


async def test_a_token_near_its_end_is_told(lives: list[Life]) -> None:
    calls = Calls()
    lives.append(life := Life(calls))
    life.agent._credential = Credential("gw1&202001010000&x", None)
    await eventually(
        lambda: "GatewayTokenNearExpiry" in [issue["code"] for report in calls.reports for issue in report["issues"]]
    )


def test_a_heartbeat_stays_small_however_broken_a_configuration_is() -> None:
    hub = Hub()
    sidecar = hub.connect("one", "0", None)
    sidecar.issues = tuple(Issue(f"/apis/{number}", 1, 1, "e", "m") for number in range(180))
    report = heartbeat(
        instance_id="i", software_version="0", started=0.0, source="plane", held=None, hub=hub, problems={}
    )
    issues = report["sidecars"][0]["issues"]
    assert len(issues) == 51
    assert "130 more" in issues[-1]["message"]
    assert report["startedAt"] == "1970-01-01T00:00:00Z"
