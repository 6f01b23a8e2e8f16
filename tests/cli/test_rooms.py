"""Each process is told everything by documented settings, without a secret, and is found from any directory."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from passerelle import rooms
from passerelle.home import Home
from passerelle.plan import Options, Plan, make_plan

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return make_plan(Options(tmp_path, management_port=0, gateway_port=0, portal_port=0, sidecars=3), Home(tmp_path))


def all_rooms(plan: Plan) -> list[rooms.Room]:
    sidecars = [rooms.sidecar(plan, number) for number in (1, 2, 3)]
    return [rooms.management(plan), rooms.agent(plan), *sidecars, rooms.portal(plan), rooms.backend(plan)]


def test_every_setting_is_documented(plan: Plan) -> None:
    documented = set(re.findall(r"`([a-z][\w.]+)`", (ROOT / "docs" / "settings.md").read_text()))
    used = {name for room in all_rooms(plan) for name in room.settings}
    assert len(used) > 25
    assert used <= documented, used - documented


def test_sidecars_differ_in_name_and_ports_only(plan: Plan) -> None:
    first, second = rooms.sidecar(plan, 1), rooms.sidecar(plan, 2)
    differing = {name for name in first.settings if first.settings[name] != second.settings[name]}
    assert differing == {"instance.id", "net.server.http.port", "telemetry.metrics.local.prometheus.endpoint"}


def test_tls_ports_are_asked_for(tmp_path: Path, plan: Plan) -> None:
    assert not [name for name in rooms.sidecar(plan, 1).settings if name.startswith("net.server.https.")]
    secure = make_plan(Options(tmp_path, 0, 0, 0, sidecars=2, gateway_tls_port=0), Home(tmp_path))
    assert len(set(secure.gateway_tls_ports) | set(secure.gateway_ports)) == 4
    settings = rooms.sidecar(secure, 2).settings
    assert settings["net.server.https.port"] == str(secure.gateway_tls_ports[1])
    documented = set(re.findall(r"`([a-z][\w.]+)`", (ROOT / "docs" / "settings.md").read_text()))
    assert {name for name in settings if "https" in name} <= documented


def test_gateway_ports_follow_the_first(tmp_path: Path) -> None:
    free = make_plan(Options(tmp_path, 0, 0, 0, sidecars=1), Home(tmp_path)).gateway_ports[0]
    plan = make_plan(Options(tmp_path, 0, free, 0, sidecars=3), Home(tmp_path))
    assert plan.gateway_ports == (free, free + 1, free + 2)


def test_paths_are_absolute_and_nothing_is_in_the_command_line(plan: Plan) -> None:
    for room in all_rooms(plan):
        assert room.argv()[1:3] == ["-m", room.module]
        for name, value in room.settings.items():
            if name.endswith((".file", ".path", ".ca", ".data")):
                assert Path(value).is_absolute(), name
    assert all(len(room.argv()) == 3 for room in all_rooms(plan) if room.name != "backend")


def test_the_callers_environment_is_kept_below_ours(plan: Plan) -> None:
    inherited = {"observability.opentelemetry.enabled": "true", "net.server.http.port": "1", "HOME": "/h"}
    found = rooms.sidecar(plan, 1).environment(inherited)
    assert found["observability.opentelemetry.enabled"] == "true"
    assert found["HOME"] == "/h"
    assert found["net.server.http.port"] == str(plan.gateway_ports[0])


def test_a_room_starts_from_any_directory_with_its_environment_alone(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "passerelle.py").write_text("raise SystemExit('the wrong code')")
    room = rooms.Room("backend", "passerelle.demo.backend", {}, ("--help",))
    ran = subprocess.run(
        room.argv(), env=room.environment({}), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert "demo shop" in ran.stdout
