"""Who may speak on the channel between agent and sidecars: TCP with certificates or a token, sockets of ours alone."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from proto import config_sync_pb2, config_sync_pb2_grpc, counter_sync_pb2, counter_sync_pb2_grpc
from proxy.settings import SettingError
from proxy.settings import Settings as SidecarSettings
from proxy.sync import SyncThread
from syncagent.settings import Settings, SettingsError
from tests.ports import free_port
from tests.syncagent.house import Agent, FakeSidecar, eventually
from tests.syncagent.plane import TOKEN, FakePlane
from tests.telemetry.authority import Authority

NewAgent = Callable[..., Agent]
NewSidecar = Callable[[], FakeSidecar]


def connect(sidecar: FakeSidecar, endpoint: str, token: str = "", **tls: str) -> None:
    """As the process would: from its settings."""
    given = {f"config.sync.tls.{name}": path for name, path in tls.items()}
    settings = SidecarSettings.read({"config.sync.endpoint": endpoint, **given})
    sidecar.thread = SyncThread(
        endpoint, "s", "0.1.0", token, sidecar.apply, lambda: (0, 0, 0.0), stand=sidecar.stand, tls=settings.sync_tls
    )
    sidecar.thread.start()


@pytest.mark.e2e
async def test_g2_over_tcp_both_sides_show_certificates(
    plane: FakePlane, new_agent: NewAgent, sidecars: NewSidecar, tmp_path: Path
) -> None:
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    certificate, key = ours.sign("agent")
    shown, shown_key = ours.sign("sidecar")
    other, other_key = theirs.sign("other")
    endpoint = f"127.0.0.1:{free_port()}"
    agent = new_agent(
        **{
            "config.sync.listen": endpoint,
            "config.sync.tls.ca": ours.certificate,
            "config.sync.tls.certificate": certificate,
            "config.sync.tls.key": key,
        }
    ).start()
    await agent.until_ready()
    stranger, bare, known, doubting = (sidecars() for _ in range(4))
    connect(stranger, endpoint, ca=ours.certificate, certificate=other, key=other_key)
    bare.connect(endpoint)  # without TLS
    connect(doubting, endpoint, ca=theirs.certificate, certificate=shown, key=shown_key)
    connect(known, endpoint, ca=ours.certificate, certificate=shown, key=shown_key)
    await eventually(lambda: known.version == plane.cursor, what=agent.text())
    assert [each.applied for each in (stranger, bare, doubting)] == [[], [], []]
    assert agent.text().count("SidecarConnected") == 1


@pytest.mark.e2e
async def test_g4_strangers_and_giant_frames(
    plane: FakePlane, new_agent: NewAgent, sidecars: NewSidecar, tmp_path: Path
) -> None:
    """A wrong token, a hello that is none, and messages beyond all bounds end their own stream and nobody else's."""
    shared = tmp_path / "shared.token"
    shared.write_text("the shared token\n")
    endpoint = f"127.0.0.1:{free_port()}"
    agent = new_agent(**{"config.sync.listen": endpoint, "config.sync.token.file": str(shared)}).start()
    await agent.until_ready()
    good = sidecars()
    connect(good, endpoint, token="the shared token")
    await eventually(lambda: good.version == plane.cursor, what=agent.text())
    hello, huge = config_sync_pb2.Hello, "x" * 5 * 1024 * 1024

    async def answer(*messages: Any, counters: bool = False) -> grpc.StatusCode | None:
        async with grpc.aio.insecure_channel(endpoint) as channel:
            stub: Any = (counter_sync_pb2_grpc.CounterSyncStub if counters else config_sync_pb2_grpc.ConfigSyncStub)(
                channel  # type: ignore[no-untyped-call]
            )
            stream = stub.Stream(iter(messages))
            try:
                async with asyncio.timeout(5):
                    async for _ in stream:
                        pass
            except grpc.aio.AioRpcError as error:
                return error.code()
            except TimeoutError:
                return None
        return grpc.StatusCode.OK

    def says(**fields: str) -> config_sync_pb2.FromSidecar:
        return config_sync_pb2.FromSidecar(hello=hello(**fields))

    refused, exhausted = grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.RESOURCE_EXHAUSTED
    for token in ("", "the shared toke", "the shared token\n", "THE SHARED TOKEN", "\x00", "\u00e9" * 1_000):
        assert await answer(says(sidecar_id="evil", token=token)) == refused
        assert await answer(counter_sync_pb2.Counts(sidecar_id="evil", token=token), counters=True) == refused
    assert await answer(config_sync_pb2.FromSidecar()) == refused
    assert await answer(says(token="the shared token")) == grpc.StatusCode.INVALID_ARGUMENT
    assert await answer(says(token="the shared token", sidecar_id="x" * 257)) == grpc.StatusCode.INVALID_ARGUMENT
    assert await answer(says(token="the shared token", sidecar_id=huge)) == exhausted
    assert await answer(says(token=huge)) == exhausted
    assert await answer(counter_sync_pb2.Counts(token=huge), counters=True) == exhausted
    plane.put("/apis/after", {"path": "after"})
    await eventually(lambda: good.version == plane.cursor, what=agent.text())
    told = agent.text()
    assert "the shared toke" not in told
    assert "evil" not in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"config.sync.listen": "0.0.0.0:1234"}, "config.sync.listen"),
        ({"config.sync.listen": "127.0.0.1:1234"}, "config.sync.tls.certificate"),
        ({"config.sync.tls.ca": "/x", "config.sync.tls.certificate": "/x"}, "is for TCP"),
        ({"config.sync.listen": "127.0.0.1:1", "config.sync.tls.ca": "/x"}, "belong together"),
        ({"config.sync.listen": "10.0.0.1:1", "config.sync.tls.certificate": "/x"}, "belong together"),
        (
            {"config.sync.listen": "10.0.0.1:1", "config.sync.tls.certificate": "/x", "config.sync.tls.ca": "/x"},
            "cannot be read",
        ),
    ],
)
def test_settings_of_an_agent_that_would_let_anybody_in(given: dict[str, str], part: str) -> None:
    base = {"config.service.endpoint": "https://plane", "config.service.auth": f"GatewayKey {TOKEN}"}
    with pytest.raises(SettingsError, match=part.replace(".", r"\.")):
        Settings.read({**base, **given})


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"config.sync.endpoint": "10.0.0.1:1234"}, "config.sync.tls.certificate"),
        ({"config.sync.endpoint": "agent.example:1234"}, "config.sync.tls.certificate"),
        ({"config.sync.tls.ca": "/x", "config.sync.tls.certificate": "/x"}, "is for TCP"),
        ({"config.sync.endpoint": "127.0.0.1:1", "config.sync.tls.ca": "/x"}, "belong together"),
        (
            {"config.sync.endpoint": "a:1", "config.sync.tls.ca": "/x", "config.sync.tls.certificate": "/x"},
            "cannot be read",
        ),
    ],
)
def test_settings_of_a_sidecar_that_would_trust_anybody(given: dict[str, str], part: str) -> None:
    with pytest.raises(SettingError, match=part.replace(".", r"\.")):
        SidecarSettings.read(given)


@pytest.mark.e2e
@pytest.mark.parametrize("planted", ["a directory that others may write", "a link to a socket", "a file"])
async def test_g3_a_sidecar_does_not_speak_to_a_socket_that_others_may_have_made(
    planted: str, sidecars: NewSidecar, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = tmp_path / "d"
    directory.mkdir(mode=0o700)
    path = directory / "agent.sock"
    with socket.socket(socket.AF_UNIX) as server:
        if planted == "a file":
            path.write_text("")
        else:
            real = tmp_path / "real.sock" if planted == "a link to a socket" else path
            server.bind(str(real))
            server.listen()
            server.settimeout(0.4)
            if real == path:
                directory.chmod(0o777)
            else:
                path.symlink_to(real)
        sidecars().connect(f"unix:{path}")
        if planted == "a file":
            server.close()
        else:
            with pytest.raises(TimeoutError):
                server.accept()
    await eventually(lambda: "ours" in caplog.text)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of another user")
async def test_g3_nor_to_a_socket_of_another_user(
    sidecars: NewSidecar, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = tmp_path / "d"
    directory.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(directory / "agent.sock"))
        server.listen()
        server.settimeout(0.4)
        os.chown(directory / "agent.sock", 12345, 12345)
        sidecars().connect(f"unix:{directory}/agent.sock")
        with pytest.raises(TimeoutError):
            server.accept()
    await eventually(lambda: "run agent and sidecar as one user" in caplog.text)


@pytest.mark.e2e
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
async def test_g1_another_user_of_the_host_does_not_get_in(new_agent: NewAgent) -> None:
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        path = f"{place}/sync/agent.sock"
        agent = new_agent(**{"config.sync.listen": f"unix:{path}"}).start()
        await agent.until_ready()
        ran = await asyncio.to_thread(
            subprocess.run, ["/bin/ls", path], user=12345, group=12345, extra_groups=[], cwd="/", env={"LC_ALL": "C"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "Permission denied" in ran.stderr
        agent.terminate()
