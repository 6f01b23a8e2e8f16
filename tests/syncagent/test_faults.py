"""Fail static, on real processes: whatever the plane, the disk or the process does, what is held is served."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.syncagent.house import ROOT, Agent, FakeSidecar, eventually
from tests.syncagent.plane import FakePlane

pytestmark = pytest.mark.e2e
NewAgent = Callable[..., Agent]
NewSidecar = Callable[[], FakeSidecar]
FAULTS = ["500", "401", "redirect", "html", "empty", "half", "half-gzip", "bad-digest", "bad-count"]
FAULTS += ["bad-fingerprint", "bomb"]
KILLS = int(os.environ.get("PASSERELLE_KILLS", "4"))


def matches(sidecar: FakeSidecar, plane: FakePlane) -> bool:
    return sidecar.bodies() == {id: json.loads(body) for id, body in plane.resources.items()}


async def meets(plane: FakePlane, fault: str) -> None:
    plane.fault, asked = fault, len(plane.requests)
    await eventually(lambda: len(plane.requests) > asked + 1, what=fault)


async def saved(agent: Agent, version: int) -> None:
    await eventually(lambda: f"version {version} is on disk" in agent.text(), what="the backup")


async def test_no_wrong_answer_changes_what_is_served(
    plane: FakePlane, new_agent: NewAgent, sidecars: NewSidecar
) -> None:
    agent = new_agent(config_service_poll_interval="0.1").start()
    sidecar = sidecars().connect(agent.listen)
    await eventually(lambda: matches(sidecar, plane))
    before = sidecar.bodies()
    plane.put("/apis/late", {"path": "late"})
    for fault in FAULTS:
        await meets(plane, fault)
        assert sidecar.bodies() == before, fault
        assert (await agent.health())[0] == 200
    plane.fault = ""
    await eventually(lambda: matches(sidecar, plane))
    assert agent.text().count("[ConfigSyncFailed]") >= len(FAULTS)


async def test_a_cold_start_with_a_bad_plane_is_not_ready_and_recovers(
    plane: FakePlane, new_agent: NewAgent, sidecars: NewSidecar
) -> None:
    plane.fault = "401"
    agent = new_agent().start()
    sidecar = sidecars().connect(agent.listen)
    facts = await agent.until_waiting()
    assert facts["ready"] is False
    await eventually(lambda: "[ConfigInitialSyncFailed]" in agent.text())
    for fault in ("html", "empty", "bomb"):
        await meets(plane, fault)
    assert sidecar.applied == []
    assert (await agent.health())[0] == 503
    assert (await agent.health("/live"))[0] == 200
    plane.fault = ""
    await agent.until_ready()
    await eventually(lambda: matches(sidecar, plane))


async def test_a_plane_that_hangs_costs_one_deadline(plane: FakePlane, new_agent: NewAgent) -> None:
    agent = new_agent(config_service_integration_timeout="0.5").start()
    await agent.until_ready()
    plane.fault = "hang"
    await eventually(lambda: "did not answer in time" in agent.text())
    plane.fault = ""
    plane.put("/apis/late", {"path": "late"})
    await eventually(lambda: f"cursor: {plane.cursor}" in agent.text())


async def test_retry_after_is_honoured(plane: FakePlane, new_agent: NewAgent) -> None:
    agent = new_agent(config_service_poll_interval="0.1").start()
    await agent.until_ready()
    plane.fault, asked = "503", len(plane.requests)
    await eventually(lambda: "answers 503" in agent.text())
    await asyncio.sleep(1.5)
    assert len(plane.requests) <= asked + 2


async def test_killed_and_started_without_the_plane_it_serves_from_the_backup(
    plane: FakePlane, new_agent: NewAgent, sidecars: NewSidecar
) -> None:
    agent = new_agent().start()
    await saved(agent, plane.cursor)
    agent.kill()
    await plane.stop()
    agent.start()
    sidecar = sidecars().connect(agent.listen)
    facts = await agent.until_ready()
    assert facts["source"] == "backup"
    await eventually(lambda: matches(sidecar, plane))
    # While it was away something was added and something deleted; both arrive once the plane is back.
    plane.put("/apis/late", {"path": "late"})
    plane.delete("/apis/stock")
    await plane.start()
    await eventually(lambda: matches(sidecar, plane))
    assert plane.requests[-1]["dataset"] == "d1"
    assert sidecar.applied[-1][2:] == (False, 1, 1)


async def test_a_corrupt_newest_generation_gives_way_to_the_previous(
    plane: FakePlane, new_agent: NewAgent, sidecars: NewSidecar
) -> None:
    agent = new_agent().start()
    await saved(agent, 7)
    plane.put("/apis/late", {"path": "late"})
    await saved(agent, 8)
    agent.kill()
    current = agent.backup / "current"
    current.write_bytes(current.read_bytes()[:-40])
    await plane.stop()
    agent.start()
    facts = await agent.until_ready()
    assert facts["cursor"] == 7
    assert (agent.backup / "current.bad").exists()
    await plane.start()
    await eventually(lambda: any(i["code"] == "BackupUnusable" for beat in plane.heartbeats for i in beat["issues"]))
    await eventually(lambda: (agent.backup / "current").exists(), what="a new generation")


@pytest.mark.parametrize("case", ["wrong-key", "other-gateway", "all-corrupt"])
async def test_a_backup_that_cannot_be_used_is_not_served(case: str, plane: FakePlane, new_agent: NewAgent) -> None:
    agent = new_agent().start()
    await saved(agent, plane.cursor)
    agent.kill()
    await plane.stop()
    if case == "wrong-key":
        agent.settings["config.backup.key"] = "another"
    elif case == "other-gateway":
        agent.settings["gateway.name"] = "gw2"
    else:
        (agent.backup / "current").write_bytes(b"PSRLBKUP")
    agent.start()
    facts = await agent.until_waiting()
    assert facts["ready"] is False
    said = {"wrong-key": "another key", "other-gateway": "another gateway", "all-corrupt": "current.bad"}
    assert said[case] in agent.text()


async def test_without_a_volume_it_serves_and_says_so(plane: FakePlane, new_agent: NewAgent) -> None:
    agent = new_agent()
    (agent.directory / "file").write_text("not a directory")
    agent.settings |= {"config.backup.path": str(agent.directory / "file" / "backup"), "config.backup.key": "k"}
    agent.start()
    await agent.until_ready()
    await eventually(lambda: any(i["code"] == "BackupFailed" for beat in plane.heartbeats for i in beat["issues"]))
    (agent.directory / "file").unlink()
    await eventually(lambda: (agent.backup / "current").exists(), what="the next save works")
    await eventually(lambda: not plane.heartbeats[-1]["issues"])


async def test_a_second_agent_on_the_volume_reads_only(
    plane: FakePlane, new_agent: NewAgent, sidecars: NewSidecar
) -> None:
    first = new_agent().start()
    await saved(first, plane.cursor)
    second = new_agent("second")
    second.settings["config.backup.path"] = str(first.backup)
    second.start()
    await second.until_ready()
    plane.put("/apis/late", {"path": "late"})
    sidecar = sidecars().connect(second.listen)
    await eventually(lambda: matches(sidecar, plane))
    assert (await second.until_ready())["issues"].keys() == {"BackupReadOnly"}
    await saved(first, plane.cursor)


async def test_the_socket_directory_is_private_and_a_stale_socket_is_taken_over(
    plane: FakePlane, new_agent: NewAgent
) -> None:
    agent = new_agent().start()
    await agent.until_ready()
    path = agent.listen.removeprefix("unix:")
    assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    rival = new_agent().start()
    assert rival.process is not None
    assert await asyncio.to_thread(rival.process.wait, 10) == 2
    assert "another agent serves" in rival.text()
    agent.kill()
    assert stat.S_ISSOCK(os.stat(path).st_mode)
    agent.start()
    await agent.until_ready()


async def test_a_socket_directory_that_others_may_enter_is_refused(plane: FakePlane, new_agent: NewAgent) -> None:
    agent = new_agent()
    directory = Path(agent.listen.removeprefix("unix:")).parent
    directory.mkdir(mode=0o755)
    agent.start()
    assert agent.process is not None
    assert await asyncio.to_thread(agent.process.wait, 10) == 2
    assert "open to other users" in agent.text()


async def test_killed_at_any_moment_of_a_save_a_generation_can_be_loaded(plane: FakePlane, new_agent: NewAgent) -> None:
    """Storms of edits, each making a save; the agent is killed at a random instant and must come back."""
    random.seed(20260102)
    agent = new_agent(config_service_poll_interval="0.02").start()
    await saved(agent, plane.cursor)
    seen = 0
    for kill in range(KILLS):
        until = asyncio.get_running_loop().time() + 0.05 + random.random() * 0.1
        while asyncio.get_running_loop().time() < until:
            plane.put(f"/apis/storm-{kill}", {"value": random.random()})
            await asyncio.sleep(0.01)
        agent.kill()
        agent.start()
        await agent.until_ready()
        restored = agent.text().rpartition("[LocalBackupRestored]")[2]
        assert restored, "nothing could be restored"
        cursor = int(restored.partition("cursor: ")[2].partition(",")[0])
        assert cursor >= seen, "an older generation than the one before"
        seen = cursor
    assert not list(agent.backup.glob("*.bad"))
    assert seen > 7


async def test_a_storm_is_merged_and_ends_equal(plane: FakePlane, new_agent: NewAgent, sidecars: NewSidecar) -> None:
    agent = new_agent(config_service_poll_interval="0.02").start()
    sidecar = sidecars().connect(agent.listen)
    await eventually(lambda: matches(sidecar, plane))
    loop = asyncio.get_running_loop()
    began, applied = loop.time(), len(sidecar.applied)
    while loop.time() < began + 2.5:
        plane.put("/apis/orders", {"value": loop.time()})
        await asyncio.sleep(0.01)
    await eventually(lambda: matches(sidecar, plane))
    seconds = loop.time() - began
    assert len(sidecar.applied) - applied <= seconds + 1
    assert agent.text().count("[LocalBackupSaved]") <= seconds + 3


@pytest.mark.slow
@pytest.mark.skipif("PASSERELLE_SLOW" not in os.environ, reason="takes 20 s; set PASSERELLE_SLOW to run it")
async def test_a_stalled_agent_is_noticed_within_fifteen_seconds(
    plane: FakePlane, new_agent: NewAgent, sidecars: NewSidecar, caplog: pytest.LogCaptureFixture
) -> None:
    agent = new_agent().start()
    sidecar = sidecars().connect(agent.listen)
    await eventually(lambda: matches(sidecar, plane))
    caplog.clear()
    assert agent.process is not None
    agent.process.send_signal(signal.SIGSTOP)
    await eventually(lambda: "no stream to the agent" in caplog.text, seconds=16)
    agent.process.send_signal(signal.SIGCONT)
    plane.put("/apis/late", {"path": "late"})
    await eventually(lambda: matches(sidecar, plane))


SIDECAR = """
import sys, time
from proxy.sync import SyncThread
SyncThread(sys.argv[1], "other", "0", "", lambda *diff: [], lambda: (0, 0, 0.0)).start()
time.sleep(60)
"""


def start_sidecar(endpoint: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", SIDECAR, endpoint], cwd=ROOT)


@pytest.mark.slow
@pytest.mark.skipif("PASSERELLE_SLOW" not in os.environ, reason="takes 20 s; set PASSERELLE_SLOW to run it")
async def test_a_stalled_sidecar_is_noticed_within_fifteen_seconds(plane: FakePlane, new_agent: NewAgent) -> None:
    agent = new_agent().start()
    await agent.until_ready()
    other = start_sidecar(agent.listen)
    try:
        await eventually(lambda: "sidecar other holds" in agent.text())
        other.send_signal(signal.SIGSTOP)
        await eventually(lambda: "sidecar other is gone" in agent.text(), seconds=16)
    finally:
        other.kill()
        other.wait()


async def test_a_backup_directory_that_cannot_be_had_is_told(
    plane: FakePlane, new_agent: NewAgent, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    agent = new_agent(config_backup_path=str(tmp_path / "file" / "backup")).start()
    facts = await agent.until_ready()
    assert "cannot be used" in facts["issues"]["BackupLocationNotFound"]
    await eventually(lambda: any("BackupLocationNotFound" in json.dumps(beat) for beat in plane.heartbeats))


async def test_a_key_is_rotated_without_the_plane(plane: FakePlane, new_agent: NewAgent) -> None:
    """Served with the former key at once, written with the new one within a poll, and then the former is not needed."""
    agent = new_agent(config_backup_key="old").start()
    await saved(agent, plane.cursor)
    agent.kill()
    await plane.stop()
    agent.settings |= {"config.backup.key": "new", "config.backup.key.former": "old"}
    before = (agent.backup / "current").read_bytes()
    agent.start()
    assert (await agent.until_ready())["source"] == "backup"
    await eventually(lambda: (agent.backup / "current").read_bytes() != before, what="the backup under the new key")
    agent.kill()
    del agent.settings["config.backup.key.former"]
    agent.start()
    assert (await agent.until_ready())["source"] == "backup"
    assert "[LocalBackupKeyRotated]" in agent.text()


async def test_a_disk_that_takes_five_seconds_delays_no_change_by_more_than_two(
    plane: FakePlane, new_agent: NewAgent, sidecars: NewSidecar
) -> None:
    agent = new_agent()
    agent.program = (
        "import os, sys, time; fsync = os.fsync; os.fsync = lambda d: (time.sleep(5), fsync(d)); "
        "from syncagent.__main__ import main; sys.exit(main())"
    )
    agent.settings["config.backup.key"] = "k"
    agent.start()
    sidecar = sidecars().connect(agent.listen)
    await eventually(lambda: matches(sidecar, plane), seconds=8)
    for number in range(2):
        plane.put(f"/apis/late-{number}", {"path": "late"})
        await eventually(lambda: matches(sidecar, plane), seconds=4)
    assert "takes longer than" in (await agent.until_ready())["issues"]["BackupFailed"]
    agent.kill()


async def test_a_volume_that_comes_late_is_used(plane: FakePlane, new_agent: NewAgent) -> None:
    agent = new_agent()
    place = agent.directory / "volume"
    place.touch()
    agent.settings["config.backup.path"] = str(place / "backup")
    agent.start()
    assert "BackupLocationNotFound" in (await agent.until_ready())["issues"]
    place.unlink()
    await eventually(lambda: (agent.backup / "current").exists(), what="a backup")
    await eventually(lambda: plane.heartbeats and not plane.heartbeats[-1]["issues"], what="the issue is gone")


async def test_an_older_backup_takes_no_newer_version_from_a_sidecar(
    plane: FakePlane, new_agent: NewAgent, sidecars: NewSidecar
) -> None:
    agent = new_agent().start()
    sidecar = sidecars().connect(agent.listen)
    await saved(agent, plane.cursor)
    older = (agent.backup / "current").read_bytes()
    plane.put("/apis/late", {"path": "late"})
    await eventually(lambda: matches(sidecar, plane))
    await saved(agent, plane.cursor)
    agent.kill()
    await plane.stop()
    (agent.backup / "current").write_bytes(older)
    agent.start()
    assert (await agent.until_ready())["cursor"] == plane.cursor - 1
    assert ", age: " in agent.text()
    await eventually(lambda: agent.text().count("sidecar sidecar-1 holds") >= 2, what="the sidecar is back")
    assert matches(sidecar, plane)
    await plane.start()
    await eventually(lambda: f"version {plane.cursor} (changes)" in agent.text())
    assert matches(sidecar, plane)
