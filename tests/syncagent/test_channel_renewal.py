"""Certificates between agent and sidecars that are renewed in place: taken without a restart, and only when they are
good."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from passerelle.doctor import files as doctor
from proto.certificates import ChannelFiles
from proxy.settings import Settings as SidecarSettings
from proxy.sync import SyncThread
from tests.ports import free_port
from tests.syncagent.house import Agent, FakeSidecar, eventually
from tests.syncagent.plane import FakePlane
from tests.syncagent.test_channel import NewAgent, NewSidecar
from tests.telemetry.authority import Authority

NAMES = ("ca", "certificate", "key")


class Folder:
    """What one side shows and believes, in files that are written in place."""

    def __init__(self, directory: Path, name: str) -> None:
        self.path = directory / name
        self.path.mkdir()

    def write(self, believed: Authority, signed: tuple[str, str]) -> None:
        for name, file in zip(NAMES, (believed.certificate, *signed), strict=True):
            shutil.copyfile(file, self.path / f"{name}.pem")

    @property
    def settings(self) -> dict[str, str]:
        return {f"config.sync.tls.{name}": str(self.path / f"{name}.pem") for name in NAMES}

    @property
    def files(self) -> ChannelFiles:
        return ChannelFiles(*(self.path / f"{name}.pem" for name in ("certificate", "key", "ca")))


def connect(sidecar: FakeSidecar, endpoint: str, folder: Folder, id: str = "s") -> FakeSidecar:
    settings = SidecarSettings.read({"config.sync.endpoint": endpoint, **folder.settings})
    sidecar.thread = SyncThread(
        endpoint, id, "0.1.0", "", sidecar.apply, lambda: (0, 0, 0.0), stand=sidecar.stand, tls=settings.sync_tls
    )
    sidecar.thread.start()
    return sidecar


@pytest.mark.e2e
async def test_both_sides_take_renewed_files_without_a_restart(
    plane: FakePlane, new_agent: NewAgent, sidecars: NewSidecar, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = Authority(tmp_path, "first"), Authority(tmp_path, "second")
    agents, ours = Folder(tmp_path, "agent"), Folder(tmp_path, "sidecar")
    agents.write(first, first.sign("agent"))
    ours.write(first, first.sign("sidecar"))
    endpoint = f"127.0.0.1:{free_port()}"

    agent: Agent = new_agent(**{"config.sync.listen": endpoint, **agents.settings}).start()
    await agent.until_ready()
    old = connect(sidecars(), endpoint, ours)
    await eventually(lambda: old.version == plane.cursor, what=agent.text())

    # the agent is in the middle of it: the key is another's, and the last good pair goes on
    stray = second.sign("stray")
    shutil.copyfile(stray[1], agents.path / "key.pem")
    await eventually(lambda: "is not the key of" in agent.text(), what=agent.text())
    assert "is not the key of" in (await agent.health())[1]["issues"]["SyncCertificate"]
    late = connect(sidecars(), endpoint, ours, "late")
    await eventually(lambda: late.version == plane.cursor, what=agent.text())

    # another authority on both sides: who connects from now on needs the new one
    agents.write(second, second.sign("agent2"))
    ours.write(second, second.sign("sidecar2"))
    new = connect(sidecars(), endpoint, ours, "new")
    await eventually(lambda: new.version == plane.cursor, what=agent.text())

    # those that began with the first authority connect again with the second, when their agent comes back
    agent.terminate()
    again: Agent = new_agent(**{"config.sync.listen": endpoint, **agents.settings}).start()
    await again.until_ready()
    await eventually(lambda: again.text().count("SidecarConnected") == 6, 15, again.text())

    # a half-written file of the sidecar's: the last good ones go on, and it says so
    (ours.path / "certificate.pem").write_text("-----BEGIN CERT")
    again.kill()
    third: Agent = new_agent(**{"config.sync.listen": endpoint, **agents.settings}).start()
    await third.until_ready()
    await eventually(lambda: third.text().count("SidecarConnected") == 9, 15, third.text())  # one log for all three
    assert "holds no certificate in PEM form; those that were read last go on" in caplog.text


def test_files_are_taken_whole(tmp_path: Path) -> None:
    first, second = Authority(tmp_path, "first"), Authority(tmp_path, "second")
    folder = Folder(tmp_path, "folder")
    files = folder.files
    assert files.look() is None
    assert "No such file" in files.problem
    folder.write(first, first.sign("a"))
    held = files.look()
    assert held is not None
    assert "ends at" in files.problem, "a day is soon"
    good = {each: each.read_bytes() for each in folder.path.iterdir()}
    certificate, key, ca = (folder.path / f"{name}.pem" for name in ("certificate", "key", "ca"))
    for file, content, told in (
        (certificate, b"", "certificate.pem holds no certificate"),
        (certificate, good[certificate][:200], "certificate.pem holds no certificate"),
        (certificate, Path(second.sign("b")[0]).read_bytes(), "is not the key of"),
        (key, good[key][:60], "holds no private key"),
        (key, good[certificate], "holds no private key"),
        (ca, b"\0" * 2_000_000, "is larger than"),
        (ca, b"none", "ca.pem holds no certificate"),
    ):
        file.write_bytes(content)
        assert files.look() == held, told
        assert told in files.problem
        assert "go on" in files.problem
        file.write_bytes(good[file])
        assert files.look() == held
        assert not files.wrong
    folder.write(second, second.sign("c"))
    renewed = files.look()
    assert renewed not in (None, held)


def test_a_certificate_that_is_over_is_none(tmp_path: Path) -> None:
    folder, authority = Folder(tmp_path, "folder"), Authority(tmp_path, "ours")
    folder.write(authority, authority.sign("over", days=-0.5))
    files = folder.files
    assert files.look() is None
    assert "certificate.pem ended at" in files.problem


def test_a_certificate_of_the_future_waits(tmp_path: Path) -> None:
    folder, authority = Folder(tmp_path, "folder"), Authority(tmp_path, "ours")
    files = folder.files
    folder.write(authority, authority.sign("early", days=2, begins=1))
    early = files.look()
    assert early is not None, "there is no better one"
    folder.write(authority, authority.sign("now"))
    held = files.look()
    assert held not in (None, early)
    folder.write(authority, authority.sign("later", days=2, begins=1))
    assert files.look() == held
    assert "is good from" in files.problem


def test_the_doctor_looks_at_them(tmp_path: Path) -> None:
    folder, authority = Folder(tmp_path, "folder"), Authority(tmp_path, "ours")
    folder.write(authority, authority.sign("a"))
    paths = [folder.path / f"{name}.pem" for name in ("certificate", "key", "ca")]
    paths[1].chmod(0o600)
    told = " ".join(each.text for each in doctor.channel(*paths))
    assert told.count("expires on") == 2
    shutil.copyfile(authority.sign("b")[1], paths[1])
    assert "is not the key of" in " ".join(each.text for each in doctor.channel(*paths))
