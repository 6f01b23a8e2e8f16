"""The compose file: valid by the Compose Specification, and everything it refers to exists.

The schema is read out of the wheel that requirements/compose-schema.txt pins (fetched once, never installed); `NEWER`
are the keys that came after it.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "compose"
FILES: dict[str, dict[str, Any]] = {
    name: yaml.safe_load((FOLDER / name).read_text(encoding="utf-8")) for name in ("compose.yaml", "directory.yaml")
}
OURS = {
    f"{file}: {name}": each
    for file, document in FILES.items()
    for name, each in document["services"].items()
    if each["image"].startswith("passerelle:")
}
NEWER = {"name"}
# A service uses these keys and no others, so that a misspelt one is found by any reader.
SERVICE_KEYS = {
    "build", "cap_drop", "command", "depends_on", "environment", "healthcheck", "hostname", "image",
    "ports", "profiles", "read_only", "restart", "security_opt", "stop_grace_period", "tmpfs", "user", "volumes",
}  # fmt: skip
HEALTH_KEYS = {"test", "interval", "timeout", "retries", "start_period"}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}


@functools.cache
def schema() -> dict[str, Any]:
    """The Compose Specification's JSON schema."""
    wheels = ROOT / "build" / "compose-schema"
    if not list(wheels.glob("*.whl")):
        pins = ROOT / "requirements" / "compose-schema.txt"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        fetched = subprocess.run(
            [*command, "-r", str(pins), "-d", str(wheels)], capture_output=True, text=True, timeout=100, check=False
        )
        if fetched.returncode:
            pytest.skip(f"docker-compose's wheel, which has the schema, could not be had: {fetched.stderr[-300:]}")
    with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
        found: dict[str, Any] = json.loads(wheel.read("compose/config/compose_spec.json"))
    return found


def problems(document: dict[str, Any]) -> list[str]:
    old = {key: value for key, value in document.items() if key not in NEWER}
    return [f"{list(each.path)}: {each.message}" for each in jsonschema.Draft7Validator(schema()).iter_errors(old)]


@pytest.fixture(params=FILES)
def compose(request: pytest.FixtureRequest) -> dict[str, Any]:
    return FILES[request.param]


def test_the_specification_accepts_the_file(compose: dict[str, Any]) -> None:
    assert problems(compose) == []


def test_the_specification_refuses_a_misspelt_key(compose: dict[str, Any]) -> None:
    assert problems({**compose, "services": {"a": {"image": "b", "dependz_on": []}}})


def test_only_known_keys_are_used(compose: dict[str, Any]) -> None:
    assert {key for key in compose if not key.startswith("x-")} == {"name", "services", "volumes"}
    for name, service in compose["services"].items():
        assert set(service) <= SERVICE_KEYS, f"{name}: {set(service) - SERVICE_KEYS}"
        assert set(service.get("healthcheck", {})) <= HEALTH_KEYS


def test_services_wait_for_services_that_exist_and_can_be_waited_for(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            assert other in services, f"{name} waits for {other}"
            assert how["condition"] in CONDITIONS
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[other]
        for address in re.findall(r"https?://([a-z][a-z0-9-]*):", yaml.safe_dump(service)):
            assert address in services, f"{name} speaks to {address}"


def test_every_volume_is_declared_and_used_and_every_file_exists(compose: dict[str, Any]) -> None:
    used = set()
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            if volume.startswith("${"):
                continue  # the user's
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (FOLDER / source).is_file(), source
            else:
                used.add(source)
    assert used == set(compose["volumes"])


def test_ports_are_published_on_loopback_once(compose: dict[str, Any]) -> None:
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in published)
    assert len({port.split(":")[1] for port in published}) == len(published)


@pytest.mark.parametrize("name", OURS)
def test_our_containers_are_locked_down(name: str) -> None:
    service = OURS[name]
    assert service["user"] == "1001:1001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert any(mount.startswith("/tmp") for mount in service["tmpfs"])
    assert "healthcheck" in service or service["restart"] == "no"


@pytest.mark.parametrize("name", OURS)
def test_our_commands_are_modules_or_commands_of_ours(name: str) -> None:
    commands = [OURS[name]["command"], OURS[name].get("healthcheck", {}).get("test", [])[1:]]
    for command in filter(None, commands):
        if command[0] == "python":
            assert command[1] == "-m"
            assert importlib.util.find_spec(command[2]) is not None
        else:
            assert command[:2] == ["sh", "-c"]
            assert command[2].startswith("passerelle ")


def test_every_setting_is_documented() -> None:
    documented = set(re.findall(r"`([a-z][\w.]+)`", (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")))
    used = {name for service in OURS.values() for name in service.get("environment", {})}
    assert len(used) > 20
    assert used <= documented, used - documented


def test_the_image_copies_every_package_and_ends_as_nobody() -> None:
    text = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    stages = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert len(stages) == 2
    for package in ("proto", "telemetry", "syncagent", "proxy", "management", "portal", "passerelle"):
        assert f"COPY {package} {package}" in text
        assert f"!{package}\n" in (FOLDER / "Dockerfile.dockerignore").read_text(encoding="utf-8")
    assert re.findall(r"^USER (\S+)", text, re.MULTILINE) == ["1001:1001"]
    assert "--require-hashes" in text
