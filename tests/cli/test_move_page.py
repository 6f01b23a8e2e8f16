"""Every command of docs/move-from-azure.md, for each way of moving: one plane plays Azure, another one is ours."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from string import Template

import pytest
from click.testing import CliRunner

from passerelle.main import main
from passerelle.plane import Plane
from tests.management.sdk import served

pytest.importorskip("azure.mgmt.apimanagement")

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "move-from-azure.md").read_text(encoding="utf-8")
TOKEN = "the-admin-token"
LIVE = "passerelle import azure"
# what this test does by itself
DONE = {"make run", "pip install 'passerelle[azure]'", "az login"}
OPENAPI = "openapi: 3.0.1\ninfo: {title: Shop, version: '1'}\npaths: {/x: {get: {operationId: x, responses: {}}}}\n"
POLICY = "<policies><inbound><base /><set-header name='a'><value>b</value></set-header></inbound></policies>"


WAYS = {
    "The live service": ("/apis/orders", "/apis/orders/operations/get/policies/policy"),
    "An APIOps folder": ("/apis/basic-api", "/policyFragments/policyFragment1"),
    "An ARM template": ("/apis/calc", "/apis/calc/policies/policy"),
}
COMMON = ("Before", "See that it is the same", "Give a gateway its token", "Cut over", "Roll back")


def commands(way: str) -> list[str]:
    """Those of one way and of what all have in common, in the order of the page."""
    found = []
    for section in PAGE.split("\n## ")[1:]:
        title = section.splitlines()[0]
        assert title in (*WAYS, *COMMON, "What moves and what does not"), title
        if title not in (way, *COMMON):
            continue
        for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL):
            lines = [line.split("  #")[0].strip() for line in block.splitlines() if line.strip()]
            found += [line for line in lines if way == "The live service" or not line.startswith(LIVE)]
    return found


@pytest.fixture
def azure(tmp_path: Path) -> Iterator[str]:
    directory = tmp_path / "azure"
    directory.mkdir()
    with served(directory, TOKEN) as url:
        plane = Plane(url, TOKEN, ca=directory / "ca.pem")
        plane.put("/products/starter", {"displayName": "Starter", "state": "published"})
        plane.put("/apis/orders", {"displayName": "Orders", "path": "orders", "serviceUrl": "https://o.example"})
        plane.put("/apis/orders/operations/get", {"displayName": "get", "method": "GET", "urlTemplate": "/{id}",
                  "templateParameters": [{"name": "id", "type": "string", "required": True}]})  # fmt: skip
        plane.put_policy("/apis/orders/operations/get", POLICY)
        plane.put("/products/starter/apis/orders")
        yield url


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a reader of the page has: the sample of APIOps, templates as the Resource Kit writes them, a document."""
    shared = Path(os.environ.get("PASSERELLE_SHARED") or Path(__file__).parents[3] / "shared")
    sample = shared / "data" / "apiops-sample" / "SampleArtifacts"
    if not sample.is_dir():
        pytest.skip(f"the sample is not at {sample}: set PASSERELLE_SHARED")
    home = tmp_path / "home"
    shutil.copytree(sample, home / "artifacts")
    (home / ".passerelle").mkdir()
    (home / ".passerelle" / "admin.token").write_text(TOKEN)
    (home / "shop.yaml").write_text(OPENAPI)
    templates = home / "templates"
    (templates / "policies").mkdir(parents=True)
    (templates / "policies" / "calc.xml").write_text(POLICY)
    named = {"ApimServiceName": {"type": "string"}}
    name = "[concat(parameters('ApimServiceName'), '/calc{0}')]"
    api = {"type": "Microsoft.ApiManagement/service/apis", "name": name.format(""), "apiVersion": "2021-08-01"}
    api["properties"] = {"displayName": "Calc", "path": "calc", "protocols": ["https"]}  # type: ignore[assignment]
    policy = {
        "type": "Microsoft.ApiManagement/service/apis/policies",
        "name": name.format("/policy"),
        "properties": {"value": "[concat(parameters('PolicyXMLBaseUrl'), '/calc.xml')]", "format": "rawxml-link"},
    }
    linked = {"parameters": {**named, "PolicyXMLBaseUrl": {"type": "string"}}, "resources": [api, policy]}
    deployment = {
        "type": "Microsoft.Resources/deployments",
        "name": "calc",
        "properties": {
            "mode": "Incremental",
            "templateLink": {"uri": "[concat(parameters('LinkedTemplatesBaseUrl'), '/calc-api.template.json')]"},
            "parameters": {
                each: {"value": f"[parameters('{each}')]"} for each in ("ApimServiceName", "PolicyXMLBaseUrl")
            },
        },
    }
    base = {each: {"type": "string"} for each in ("LinkedTemplatesBaseUrl", "PolicyXMLBaseUrl")}
    master = {"parameters": {**named, **base}, "resources": [deployment]}
    given = {"parameters": {"PolicyXMLBaseUrl": {"value": "https://store.example/files/policies"}}}
    for file, document in (("master.template", master), ("calc-api.template", linked), ("parameters", given)):
        (templates / f"{file}.json").write_text(json.dumps(document))
    monkeypatch.chdir(home)
    return home


@pytest.mark.parametrize("way", WAYS)
def test_the_page_from_top_to_bottom(azure: str, folder: Path, tmp_path: Path, way: str) -> None:
    here = tmp_path / "here"
    here.mkdir()
    said: list[str] = []
    environment = {"PASSERELLE_AZURE_TOKEN": TOKEN}
    with served(here, TOKEN) as url:
        plane = Plane(url, TOKEN, ca=here / "ca.pem")
        plane.put("/gateways/local", {"locationData": {"name": "here"}})  # as `make run` does
        for line in commands(way):
            if line in DONE:
                continue
            words = shlex.split(Template(line).substitute(environment))
            if words[0] == "export":
                environment |= dict(word.split("=", 1) for word in words[1:])
                environment |= {"PASSERELLE_MANAGEMENT": url, "PASSERELLE_CA": str(here / "ca.pem")}
                continue
            assert words.pop(0) == "passerelle", line
            if words[0] == "token":
                words += ["--management", url, "--ca", str(here / "ca.pem")]
            if line.startswith(LIVE):
                words += ["--endpoint", azure, "--azure-ca", str(tmp_path / "azure" / "ca.pem")]
            if words[0] == "rollback":
                assert all(plane.exists(id) for id in (*WAYS[way], f"/gateways/local{WAYS[way][0]}"))
            told = CliRunner().invoke(main, words, env=environment)
            assert told.exit_code == 0, f"{line}\n{told.output}"
            said.append(told.output)
        assert (folder / "gateway.token").read_text().startswith("GatewayKey here&")
        assert not any(plane.exists(id) for id in WAYS[way])
    dry, made = said[1:3]
    for id in WAYS[way]:
        line = re.compile(rf"^\+ {re.escape(id)}( \(with .+\))?$", re.MULTILINE)
        assert line.search(dry), f"{id}\n{dry}"
        assert line.search(made), f"{id}\n{made}"
    if way == "The live service":
        assert "0 are changed" in said[3]
        assert "0 would be changed" in said[4]
        assert (folder / "after" / "apis" / "orders" / "operations" / "get" / "policy.xml").is_file()


def test_the_options_of_the_page_exist() -> None:
    for option in set(re.findall(r"`(--[a-z-]+)", PAGE)):
        names = [["import", "azure"], ["import", "arm-template"], ["apply"]]
        assert any(option in CliRunner().invoke(main, [*name, "--help"]).output for name in names), option
