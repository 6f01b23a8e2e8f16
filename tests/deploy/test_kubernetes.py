"""The Kubernetes manifest: valid against the API's own schemas, hardened, and true to our settings and modules."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = ROOT / "kubernetes" / "passerelle.yaml"
VERSION = "1.32"
DOCUMENTS: list[dict[str, Any]] = list(yaml.safe_load_all(MANIFEST.read_text(encoding="utf-8")))


def kind(name: str) -> list[dict[str, Any]]:
    return [document for document in DOCUMENTS if document["kind"] == name]


POD = kind("StatefulSet")[0]["spec"]["template"]["spec"]
CONTAINERS = [*POD["initContainers"], *POD["containers"]]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: f"{each['kind']}-{each['metadata']['name']}")
def test_each_document_is_valid(document: dict[str, Any]) -> None:
    kubernetes_validate.validate(document, VERSION, strict=True)


def test_the_validator_finds_a_misspelt_key() -> None:
    broken = {**kind("Secret")[0], "stringdata": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSION, strict=True)


def test_agent_and_gateway_are_native_sidecars_that_start_first() -> None:
    assert [(each["name"], each.get("restartPolicy")) for each in POD["initContainers"]] == [
        ("agent", "Always"),
        ("gateway", "Always"),
    ]


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda each: each["name"])
def test_each_container_is_locked_down(container: dict[str, Any]) -> None:
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "memory" in container["resources"]["limits"]
    assert "livenessProbe" in container
    assert not container["image"].endswith(":latest")


def test_the_pod_is_not_root() -> None:
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["runAsUser"] == POD["securityContext"]["fsGroup"] == 1001
    assert POD["automountServiceAccountToken"] is False


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda each: each["name"])
def test_each_command_is_a_module_of_ours(container: dict[str, Any]) -> None:
    assert container["command"][:2] == ["python", "-m"]
    assert importlib.util.find_spec(container["command"][2]) is not None


def test_every_setting_is_documented() -> None:
    documented = set(re.findall(r"`([a-z][\w.]+)`", (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")))
    used = {name for each in kind("ConfigMap") for name in each["data"] if name != "ca.pem"}
    used |= {variable["name"] for container in CONTAINERS for variable in container.get("env", [])}
    assert len(used) > 15
    assert used <= documented, used - documented


def test_what_is_referred_to_exists() -> None:
    names = {(each["kind"], each["metadata"]["name"]) for each in DOCUMENTS}
    for container in CONTAINERS:
        for source in container.get("envFrom", []):
            assert ("ConfigMap", source["configMapRef"]["name"]) in names
        claims = {each["metadata"]["name"] for each in kind("StatefulSet")[0]["spec"]["volumeClaimTemplates"]}
        volumes = {each["name"] for each in POD["volumes"]} | claims
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
        ports = {port["name"] for port in container.get("ports", [])}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = container.get(probe, {})
            assert {(asked.get("httpGet") or asked.get("tcpSocket") or {}).get("port")} <= ports | {None}
    assert ("Secret", "passerelle-token") in names
    labels = kind("StatefulSet")[0]["spec"]["template"]["metadata"]["labels"]
    for each in kind("Service"):
        assert each["spec"]["selector"].items() <= labels.items()


def test_paths_in_settings_lie_on_a_mounted_volume() -> None:
    for container, config in zip(POD["initContainers"], ("passerelle-agent", "passerelle-gateway"), strict=True):
        data = next(each["data"] for each in kind("ConfigMap") if each["metadata"]["name"] == config)
        mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
        for name, value in data.items():
            path = value.removeprefix("unix:")
            if path.startswith("/"):
                assert any(path.startswith(f"{mount}/") for mount in mounts), f"{name}: {value}"
