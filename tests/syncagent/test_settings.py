"""Settings, the token and the address: read as documented, refused by name."""

from __future__ import annotations

import datetime
import os
import socket
from pathlib import Path

import pytest

from syncagent.address import AddressError, prepare
from syncagent.credential import Credential
from syncagent.settings import Settings, SettingsError, is_loopback

REQUIRED = {"config.service.endpoint": "plane.example/configuration/s", "config.service.auth": "GatewayKey gw1&20&c2ln"}


def test_an_existing_environment_works() -> None:
    settings = Settings.read(REQUIRED)
    assert settings.endpoint == "https://plane.example/configuration/s"
    assert (settings.poll_interval, settings.heartbeat_interval, settings.timeout) == (10.0, 60.0, 100.0)
    assert str(settings.backup_path) == "/apim/config"
    assert str(settings.backup_key_file) == "/apim/config/backup.key"
    assert "c2ln" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value", "seconds"),
    [("00:01:40", "timeout", 100.0), ("01:00:00", "timeout", 3600.0), ("2.5", "timeout", 2.5)],
)
def test_durations(name: str, value: str, seconds: float) -> None:
    settings = Settings.read({**REQUIRED, "config.service.integration.timeout": name})
    assert getattr(settings, value) == seconds


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"config.service.endpoint": ""}, "config.service.endpoint is required"),
        ({"config.service.endpoint": "http://plane.example"}, "loopback only"),
        ({"config.service.endpoint": "ftp://plane.example"}, "https address"),
        ({"config.service.auth": ""}, "config.service.auth is required"),
        ({"config.service.auth": "azureAdApp"}, "config.service.auth must be"),
        ({"config.service.poll.interval": "0"}, "config.service.poll.interval"),
        ({"config.service.poll.interval": "soon"}, "config.service.poll.interval"),
        ({"config.sync.listen": "0.0.0.0:1234"}, "config.sync.listen"),
        ({"config.sync.listen": "127.0.0.1:1234"}, "config.sync.token.file"),
        ({"config.sync.listen": "unix:/" + "x" * 120}, "107 bytes"),
        ({"health.http.port": "http"}, "health.http.port"),
        ({"telemetry.logs.std": "xml"}, "telemetry.logs.std"),
        ({"config.service.endpoint.disableCertificateValidation": "yes"}, "true or false"),
    ],
)
def test_a_wrong_setting_is_named(changes: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.read({**REQUIRED, **changes})
    assert any(named in problem for problem in refused.value.problems)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.read({"config.service.poll.interval": "x"})
    assert len(refused.value.problems) == 3


def test_loopback_is_judged_by_name() -> None:
    assert all(map(is_loopback, ("127.0.0.1:80", "localhost", "[::1]:443", "127.8.9.1")))
    assert not any(map(is_loopback, ("127.0.0.1.evil.example", "10.0.0.1", "localhost.evil", "[::2]:1", "")))


def test_the_token_with_and_without_prefix_and_from_a_file(tmp_path: Path) -> None:
    assert Credential(" GatewayKey gw1&209901021504&c2ln\n", None).token == "gw1&209901021504&c2ln"
    file = tmp_path / "token"
    file.write_text("GatewayKey gw7&209901021504&one\n")
    credential = Credential("", file)
    assert (credential.gateway_id, credential.token) == ("gw7", "gw7&209901021504&one")
    assert credential.expires == datetime.datetime(2099, 1, 2, 15, 4, tzinfo=datetime.UTC)
    assert not credential.refresh()
    replacement = tmp_path / "new"
    replacement.write_text("gw7&209901021504&two")
    replacement.replace(file)
    assert credential.refresh()
    assert credential.token.endswith("&two")
    file.write_text("")
    os.utime(file, (1, 1))
    assert not credential.reload()
    file.unlink()
    assert not credential.refresh()
    assert credential.token.endswith("&two")
    assert Credential("opaque", None).expires is None


def test_only_an_own_socket_that_nobody_serves_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "d" / "agent.sock"
    prepare(f"unix:{path}")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        with pytest.raises(AddressError, match="another agent"):
            prepare(f"unix:{path}")
    prepare(f"unix:{path}")
    assert not path.exists()
    path.write_text("a file")
    with pytest.raises(AddressError, match="not a socket"):
        prepare(f"unix:{path}")
    assert path.exists()


def test_a_linked_or_foreign_directory_is_refused(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(real)
    with pytest.raises(AddressError, match="not a directory"):
        prepare(f"unix:{tmp_path}/link/agent.sock")
    if os.geteuid() == 0:
        os.chown(real, 12345, 12345)
        with pytest.raises(AddressError, match="another user"):
            prepare(f"unix:{real}/agent.sock")
