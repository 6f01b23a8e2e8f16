"""What `doctor` finds: each trouble is made, and found, with its remedy; a good set-up has none."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from passerelle.commands.doctor import examinations
from passerelle.doctor import machine, network
from passerelle.doctor.finding import WRONG, Finding
from passerelle.doctor.names import names_of
from passerelle.doctor.setup import Process, of_environment
from passerelle.main import main
from passerelle.plane import Plane
from tests.management.sdk import served
from tests.moment import zone

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "the-admin-token"


def found(module: str, settings: dict[str, str]) -> list[Finding]:
    return [each for _, findings in list(examinations([Process(module, module, settings)]))[1:] for each in findings]


def troubles(module: str, settings: dict[str, str]) -> str:
    return "\n".join(f"{each.text} -> {each.remedy}" for each in found(module, settings) if each.state == WRONG)


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    data = tmp_path / "plane"
    data.mkdir()
    with served(data, TOKEN) as url:
        yield url, data


@pytest.fixture
def agent(tmp_path: Path, plane: tuple[str, Path]) -> dict[str, str]:
    """The settings of an agent whose plane is there, and that has not been started."""
    url, data = plane
    token = Plane(url, TOKEN, ca=data / "ca.pem").gateway_token("edge")
    (tmp_path / "token").write_text(token)
    (tmp_path / "token").chmod(0o600)
    (tmp_path / "backup").mkdir(mode=0o700)
    return {
        "config.service.endpoint": f"{url}/configuration/passerelle",
        "config.service.endpoint.ca": str(data / "ca.pem"),
        "config.service.auth": "key",
        "config.service.auth.key.file": str(tmp_path / "token"),
        "config.backup.path": str(tmp_path / "backup"),
        "config.sync.listen": f"unix:{tmp_path}/run/agent.sock",
        "health.http.port": str(free_port()),
    }


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_an_agent_that_is_not_started(agent: dict[str, str]) -> None:
    told = [each.text for each in found("syncagent", agent)]
    assert any("takes the token of gateway edge" in each for each in told)
    assert "python -m syncagent" in troubles("syncagent", agent)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"config.service.endpoint": "https://127.0.0.1:1/configuration/passerelle"}, "nothing listens there"),
        ({"config.service.endpoint.ca": "/nowhere.pem"}, "/nowhere.pem cannot be read"),
        ({"config.service.auth.key.file": "/nowhere"}, "no gateway token"),
        ({"gateway.name": "other"}, "the token is of gateway edge, and gateway.name is other"),
        ({"config.backup.path": "/nowhere"}, "/nowhere is no directory"),
        ({"config.service.poll.interval": "soon"}, "config.service.poll.interval"),
        ({"config.sync.listen": "127.0.0.1:4000"}, "config.sync.token.file, or config.sync.tls.certificate"),
    ],
)
def test_troubles_of_an_agent(agent: dict[str, str], change: dict[str, str], said: str) -> None:
    assert said in troubles("syncagent", {**agent, **change})


def test_a_token_that_the_plane_refuses(agent: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "token").write_text("edge&209901010000&bm90aGluZw==")
    assert "refuses the token of gateway edge" in troubles("syncagent", agent)
    (tmp_path / "token").write_text("edge&202001010000&bm90aGluZw==")
    assert "expired on 2020-01-01" in troubles("syncagent", agent)


def test_an_authority_that_did_not_sign(agent: dict[str, str]) -> None:
    without = {name: value for name, value in agent.items() if name != "config.service.endpoint.ca"}
    assert "certificate is not trusted" in troubles("syncagent", without)


def test_a_secret_that_others_may_read(agent: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "token").chmod(0o644)
    assert any("may be read by others" in each.text for each in found("syncagent", agent))


def test_a_sidecar_without_anything() -> None:
    settings = {"config.sync.endpoint": "unix:/nowhere.sock", "net.server.http.port": str(free_port())}
    told = troubles("proxy", settings)
    assert "its agent at unix:/nowhere.sock does not answer: there is no such socket" in told
    assert "python -m proxy" in told


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"proxy.workers": "many"}, "proxy.workers is 'many'"),
        ({"net.server.https.certificate.file": "/nowhere.pem"}, "/nowhere.pem cannot be read"),
        (
            {"observability.opentelemetry.enabled": "true", "observability.opentelemetry.collector.uri": "x"},
            "collector.uri",
        ),
    ],
)
def test_troubles_of_a_sidecar(change: dict[str, str], said: str) -> None:
    assert said in troubles("proxy", {"config.sync.endpoint": "unix:/nowhere.sock", **change})


def test_what_can_wait_is_no_trouble(tmp_path: Path) -> None:
    port = free_port()
    settings = {
        "observability.opentelemetry.enabled": "true",
        "observability.opentelemetry.collector.uri": f"http://127.0.0.1:{port}",
        "policy.cache.external.connection": f"127.0.0.1:{port},password=hunter2,ssl=False",
    }
    told = found("proxy", settings)
    assert sum("cannot be reached: nothing listens there" in each.text for each in told) == 2
    assert "hunter2" not in str(told)
    assert not any(str(port) in each.text for each in told if each.state == WRONG)


def test_a_plane_and_its_gateways(plane: tuple[str, Path], agent: dict[str, str], tmp_path: Path) -> None:
    del agent  # it has made the gateway `edge`
    told = found("management", {"management.data": str(tmp_path / "elsewhere"), "management.http.port": "1"})
    assert any("is no directory" in each.text for each in told)
    assert any("does not answer" in each.text and "python -m management" in each.remedy for each in told)
    assert found("management", {"management.http.port": "x"})[0].state == WRONG


def test_a_portal_whose_plane_is_away(tmp_path: Path) -> None:
    told = troubles("portal", {"portal.management.url": "http://127.0.0.1:1", "portal.http.port": str(free_port())})
    assert "portal.management.token.file is not set" in told
    assert "http://127.0.0.1:1 does not answer" in told


def test_a_misspelt_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    told = list(machine.examine([{"net.server.http.prot": "8080", "OTHER.name": "1", "config.backup.path": "/x"}]))
    named = [each for each in told if "net.server.http.prot" in each.text]
    assert len(named) == 1
    assert named[0].remedy == "did you mean net.server.http.port?"
    assert not any("OTHER" in each.text or "config.backup.path" in each.text for each in told)


def test_the_known_settings_are_those_of_the_page() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert sorted(machine.known_settings()) == names_of(page), "run make docs"


def test_which_process_an_environment_is_for() -> None:
    assert [each.module for each in of_environment({"config.sync.endpoint": "unix:/x"})] == ["proxy"]
    assert of_environment({"HOME": "/x"}) == []


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in os.environ if "." in each]:
        monkeypatch.delenv(name)
    nothing = CliRunner().invoke(main, ["doctor", "--data", str(tmp_path)])
    assert nothing.exit_code == 2
    assert "nothing to look at" in " ".join(nothing.output.split())
    environment = {"config.sync.endpoint": "unix:/nowhere.sock", "net.server.http.port": str(free_port())}
    began = time.monotonic()
    told = CliRunner().invoke(main, ["doctor", "--data", str(tmp_path), "--json"], env=environment)
    assert told.exit_code == 3
    assert time.monotonic() - began < 10
    listed: list[dict[str, Any]] = json.loads(told.output)
    assert {each["of"] for each in listed} == {"machine", "proxy"}
    text = CliRunner().invoke(main, ["doctor", "--data", str(tmp_path)], env=environment)
    assert "✗ its agent at unix:/nowhere.sock does not answer" in text.output
    assert "→ start the agent" in text.output


def test_a_date_without_a_zone_is_no_skew() -> None:
    text = time.strftime("%a %b %d %H:%M:%S %Y", time.gmtime())
    with zone("America/New_York"):
        assert abs(network._skew(text)) < 60
