"""Containers run as nobody and may do nothing: every one of ours and of those beside them, however a file is merged."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = sorted(path for path in (ROOT / "compose").glob("*.yaml") if "services" in path.read_text("utf-8"))
SERVICES = {
    f"{path.name}: {name}": service
    for path in COMPOSE
    for name, service in (yaml.safe_load(path.read_text("utf-8")).get("services") or {}).items()
    if isinstance(service, dict) and "image" in service
}
DOCUMENTS: list[dict[str, Any]] = list(yaml.safe_load_all((ROOT / "kubernetes" / "passerelle.yaml").read_text("utf-8")))
FORBIDDEN = ("privileged", "cap_add", "devices", "pid", "ipc", "network_mode", "userns_mode", "cgroup", "sysctls")


def test_there_are_services() -> None:
    assert len(SERVICES) >= 8


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_may_do_nothing(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    # no seccomp profile is named, so that the engine's own is in force
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not [key for key in FORBIDDEN if key in service]
    assert service["image"].rpartition(":")[2] not in ("", "latest")
    for volume in service.get("volumes", ()):
        assert "docker.sock" not in str(volume)
        assert not str(volume).startswith(("/etc", "/proc", "/sys", "/var", "/:"))
    if service["image"].startswith("passerelle"):
        assert service["user"] == "1001:1001"


def test_no_secret_stands_in_a_file() -> None:
    name = re.compile(r"(password|secret|token|key|connection)$", re.IGNORECASE)
    for service in SERVICES.values():
        for setting, value in (service.get("environment") or {}).items():
            assert not name.search(setting) or str(value).startswith("${") or value in ("", "key"), setting


@pytest.mark.parametrize(
    "pod", [each for each in DOCUMENTS if "template" in each.get("spec", {})], ids=lambda p: p["kind"]
)
def test_a_pod_may_do_nothing(pod: dict[str, Any]) -> None:
    spec = pod["spec"]["template"]["spec"]
    context = spec["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] > 0
    assert context["runAsGroup"] > 0
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert not any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"))
    for container in [*spec.get("initContainers", ()), *spec["containers"]]:
        own = container["securityContext"]
        assert own["allowPrivilegeEscalation"] is False
        assert own["readOnlyRootFilesystem"] is True
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert not own.get("privileged")
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
        assert "memory" in container["resources"]["limits"]
        assert not any("hostPort" in port for port in container.get("ports", ()))
        for variable in container.get("env", ()):
            assert "value" not in variable or not re.search(r"(auth|secret|token|key)$", variable["name"])
    for volume in spec.get("volumes", ()):
        assert "hostPath" not in volume


def test_the_image_ends_as_nobody_and_adds_nothing_from_afar() -> None:
    text = (ROOT / "compose" / "Dockerfile").read_text("utf-8")
    last = text[text.rindex("\nFROM ") :]
    assert re.findall(r"^USER (\S+)", last, re.MULTILINE)[-1] == "1001:1001"
    assert last.rindex("USER ") > max(last.rfind("RUN "), last.rfind("COPY "))
    assert not re.search(r"^ADD |curl|wget|--trusted-host|chmod [0-7]*777", text, re.MULTILINE)
    assert "--require-hashes" in (ROOT / "compose" / "environment.sh").read_text("utf-8")
