"""The compose files: valid by the Compose Specification and for Docker Compose itself, everything they refer to exists,
and collector, metrics store and Grafana are wired to each other.

The schema is read out of the wheel that requirements/compose-schema.txt pins (fetched once, never installed); `NEWER`
are the keys that came after it. Docker Compose comes from Debian (tests/dashboards/install.py) and needs no engine.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import json
import re
import ssl
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from management.authority import server_context
from passerelle.main import COMMANDS, main
from tests.dashboards import install
from tests.dashboards.conftest import FLAGS

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "compose"
FILES: dict[str, dict[str, Any]] = {
    name: yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
    for name in ("compose.yaml", "minimal.yaml", "directory.yaml")
}
COMPOSE, MINIMAL = FILES["compose.yaml"], FILES["minimal.yaml"]
OURS = {
    f"{file}: {name}": each
    for file, document in FILES.items()
    for name, each in document["services"].items()
    if each["image"].startswith("passerelle:")
}
NEWER = {"name", "include"}
# A service uses these keys and no others, so that a misspelt one is found by any reader.
SERVICE_KEYS = {
    "build", "cap_drop", "command", "depends_on", "environment", "healthcheck", "hostname", "image",
    "ports", "profiles", "read_only", "restart", "security_opt", "stop_grace_period", "tmpfs", "user", "volumes",
}  # fmt: skip
HEALTH_KEYS = {"test", "interval", "timeout", "retries", "start_period"}
ANYWHERE = "${PASSERELLE_LISTEN:-127.0.0.1}:"
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
    assert {key for key in compose if not key.startswith("x-")} - {"include"} == {"name", "services", "volumes"}
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
            # the collector is spoken to only with the settings of the file that brings it
            assert address in {**services, **COMPOSE["services"]}, f"{name} speaks to {address}"


def test_every_volume_is_declared_and_used_and_every_file_exists(compose: dict[str, Any]) -> None:
    used = set()
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            if volume.startswith("${"):
                continue  # the user's
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (FOLDER / source).exists(), source
            else:
                used.add(source)
    assert used == set(compose["volumes"])


@pytest.mark.parametrize("name", ["minimal.yaml", "directory.yaml"])
def test_the_sidecars_count_in_memory_that_they_and_nobody_else_have(name: str) -> None:
    services = FILES[name]["services"]
    paths = set()
    for service in services.values():
        settings = service.get("environment", {})
        shared = [volume for volume in service.get("volumes", []) if volume.startswith("limits:")]
        assert bool(shared) == ("policy.limits.memory.path" in settings) == ("proxy" in service["command"])
        if shared:
            paths |= {settings["policy.limits.memory.path"], shared[0].split(":", 1)[1]}
    assert len(paths) == 1
    options = FILES[name]["volumes"]["limits"]["driver_opts"]
    assert options["type"] == "tmpfs"
    assert {"mode=0700", "uid=1001", "gid=1001"} < set(options["o"].split(","))


@pytest.mark.parametrize("files", [[COMPOSE, MINIMAL], [FILES["directory.yaml"]]], ids=["compose", "directory"])
def test_ports_are_published_on_loopback_once(files: list[dict[str, Any]]) -> None:
    services = [service for file in files for service in file["services"].values()]
    published = [port for service in services for port in service.get("ports", [])]
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) or port.startswith(ANYWHERE) for port in published)
    assert len({port.rsplit(":", 2)[1] for port in published}) == len(published)
    # what may leave the machine is TLS
    assert {port.rsplit(":", 1)[1] for port in published if port.startswith(ANYWHERE)} <= {"8443"}


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
            assert command[0] == "passerelle"
            assert command[1] in COMMANDS


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
    assert "--require-hashes" in (FOLDER / "environment.sh").read_text(encoding="utf-8")
    for script in ("environment.sh", "rootfs.sh"):
        assert f"!compose/{script}\n" in (FOLDER / "Dockerfile.dockerignore").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def docker_compose() -> Callable[[str], dict[str, Any]]:
    """What Docker Compose makes of a file, whole."""
    try:
        install.install()
    except install.NotHere as reason:
        pytest.skip(str(reason))

    def config(path: str) -> dict[str, Any]:
        command = [str(install.COMPOSE), "-f", path, "config", "--format", "json"]
        ran = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode == 0, ran.stderr
        found: dict[str, Any] = json.loads(ran.stdout)
        return found

    return config


@pytest.mark.parametrize(("name", "sends"), [("compose.yaml", "true"), ("minimal.yaml", "false")])
def test_docker_compose_takes_it_and_sidecars_send_where_somebody_listens(
    docker_compose: Callable[[str], dict[str, Any]], name: str, sends: str
) -> None:
    services = docker_compose(name)["services"]
    assert ("collector" in services) == (sends == "true")
    for sidecar in ("sidecar-1", "sidecar-2"):
        assert services[sidecar]["environment"]["observability.opentelemetry.enabled"] == sends
    assert set(MINIMAL["services"]) <= set(services)


def test_docker_compose_takes_the_folder_too(docker_compose: Callable[[str], dict[str, Any]]) -> None:
    assert docker_compose("directory.yaml")["services"]


def test_docker_compose_refuses_a_misspelt_key(docker_compose: Callable[[str], dict[str, Any]], tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("services: {a: {image: b, dependz_on: []}}")
    with pytest.raises(AssertionError, match="dependz_on"):
        docker_compose(str(wrong))


def part(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
    return found


def test_guests_are_pinned_and_locked_down() -> None:
    for name, service in COMPOSE["services"].items():
        assert re.fullmatch(r"[\w/.-]+:v?\d+\.\d+\.\d+", service["image"]), name
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]


def test_what_sidecars_send_reaches_the_store_as_the_tests_of_dashboards_have_it() -> None:
    collector = part("collector.yaml")
    wired = MINIMAL["x-sidecar"]["observability.opentelemetry.collector.uri"]
    port = collector["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"].rsplit(":", 1)[1]
    assert wired == f"http://collector:{port}"
    for pipeline in collector["service"]["pipelines"].values():
        for kind in ("receivers", "processors", "exporters"):
            assert set(pipeline[kind]) <= set(collector[kind])
    target = collector["exporters"]["otlphttp/metrics"]["metrics_endpoint"]
    assert target == "http://metrics:8428/opentelemetry/v1/metrics"
    assert set(FLAGS) <= set(COMPOSE["services"]["metrics"]["command"])
    assert COMPOSE["include"] == [{"path": "minimal.yaml", "env_file": "metrics.env"}]


def test_grafana_finds_the_store_and_the_dashboards() -> None:
    mounts = dict(reversed(volume.split(":")[:2]) for volume in COMPOSE["services"]["grafana"]["volumes"])
    (source,) = part("grafana/datasource.yaml")["datasources"]
    assert (source["type"], source["url"], source["isDefault"]) == ("prometheus", "http://metrics:8428", True)
    (provider,) = part("grafana/dashboards.yaml")["providers"]
    folder = FOLDER / mounts[provider["options"]["path"]]
    assert {path.name for path in folder.glob("*.json")} == {"gateways.json", "azure.json"}
    home = COMPOSE["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (folder / Path(home).name).is_file()
    for kind, name in (("datasources", "datasource"), ("dashboards", "dashboards")):
        assert mounts[f"/etc/grafana/provisioning/{kind}/passerelle.yaml"] == f"./grafana/{name}.yaml"


def test_the_rules_are_read_where_they_lie(docker_compose: Callable[[str], dict[str, Any]]) -> None:
    service = COMPOSE["services"]["alerts"]
    (mount,) = service["volumes"]
    source, target, _ = mount.split(":")
    assert f"-rule={target}" in service["command"]
    command = [str(install.VMALERT), "-dryRun", f"-rule={FOLDER / source}"]
    assert subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0


def test_sidecars_serve_tls_with_what_the_certificate_service_made(tmp_path: Path) -> None:
    """Its command, and TLS from the files that sidecars are told of, as a client that trusts ca.pem sees it."""
    plane, folder = tmp_path / "plane", tmp_path / "tls"
    plane.mkdir()
    server_context(plane, "management")
    command = MINIMAL["services"]["certificate"]["command"]
    assert command[:2] == ["passerelle", "certificate"]
    here = {"/data": str(plane), "/run/gateway-tls": str(folder), "${PASSERELLE_HOST:-localhost}": "gateway.example"}
    told = CliRunner().invoke(main, [here.get(word, word) for word in command[1:]])
    assert told.exit_code == 0, told.output
    settings = MINIMAL["x-sidecar"]
    files = [folder / Path(settings[f"net.server.https.{each}.file"]).name for each in ("certificate", "key")]
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(*files)
    for name in ("127.0.0.1", "localhost", "gateway.example"):
        assert _handshake(served, ssl.create_default_context(cafile=plane / "ca.pem"), name)
    for sidecar in ("sidecar-1", "sidecar-2"):
        service = MINIMAL["services"][sidecar]
        assert "${PASSERELLE_TLS:-gateway-tls}:/run/gateway-tls:ro" in service["volumes"]
        assert any(port.endswith(f":{settings['net.server.https.port']}") for port in service["ports"])


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> bool:
    """In memory; raises ssl.SSLError when the client does not trust what it is shown."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = client.wrap_bio(back, there, server_hostname=name), server.wrap_bio(there, back, server_side=True)
    for _ in range(4):
        for side in sides:
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    return sides[0].getpeercert() != {}


def test_a_folder_of_ones_own_takes_the_place_of_the_certificate(
    docker_compose: Callable[[str], dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PASSERELLE_TLS", str(tmp_path))
    monkeypatch.setenv("PASSERELLE_LISTEN", "0.0.0.0")
    services = docker_compose("compose.yaml")["services"]
    for sidecar in ("sidecar-1", "sidecar-2"):
        (mount,) = [each for each in services[sidecar]["volumes"] if each["target"] == "/run/gateway-tls"]
        assert (mount["type"], mount["source"]) == ("bind", str(tmp_path))
        published = {port["target"]: port["host_ip"] for port in services[sidecar]["ports"]}
        assert published == {8080: "127.0.0.1", 8443: "0.0.0.0"}
