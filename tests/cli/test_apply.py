"""`passerelle apply` and `export`, against a plane in this process."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from passerelle.main import main

POLICY = "<policies><inbound><base /></inbound></policies>\n"
SPECIFICATION = """openapi: 3.0.1
info: {title: Shop, version: '1'}
paths:
  /orders/{id}:
    get:
      operationId: get-order
      summary: Get an order
      parameters: [{name: id, in: path, required: true, schema: {type: string}}]
      responses: {'200': {description: ok}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(
        tmp_path / "artifacts",
        {
            "policy.xml": POLICY,
            "named values/colour/namedValueInformation.json": {"displayName": "colour", "value": "{#colour#}"},
            "apis/shop/apiInformation.json": {
                "displayName": "Shop",
                "path": "shop",
                "serviceUrl": "https://example.com",
            },
            "apis/shop/specification.yaml": SPECIFICATION,
            "apis/shop/operations/get-order/policy.xml": POLICY,
            "products/starter/productInformation.json": {"displayName": "Starter", "state": "published"},
            "products/starter/apis/shop/productApiInformation.json": None,
            "tags/red/tagInformation.json": {"displayName": "red"},
            "tags/red/apis/shop/tagApiInformation.json": None,
            "subscriptions/s/subscriptionInformation.json": {"displayName": "s", "scope": "/products/starter"},
        },
    )


def write(folder: Path, files: dict[str, Any]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps({"properties": content} if content else {})
        path.write_text(text)
    return folder


def run(*arguments: str | Path, env: dict[str, str]) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments], env=env)


def snapshot(folder: Path) -> dict[str, Any]:
    """Path -> content; JSON without what a plane adds on its own."""
    return {
        str(path.relative_to(folder)): json.loads(path.read_text()) if path.suffix == ".json" else path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_apply_tells_what_it_did(plane: dict[str, str], folder: Path) -> None:
    dry = run("apply", folder, "--dry-run", env=plane)
    assert dry.exit_code == 0, dry.output
    assert "+ /apis/shop (with 1 operation)\n" in dry.output
    assert "/operations/get-order\n" not in dry.output
    assert "10 would be changed" in dry.output
    first = run("apply", folder, "--set", "colour=blue", env=plane)
    assert first.exit_code == 0, first.output
    assert "+ /apis/shop/operations/get-order/policies/policy" in first.output
    again = run("apply", folder, "--set", "colour=green", env=plane)
    assert "~ /namedValues/colour (value)" in again.output
    assert again.output.count("~") + again.output.count("+") == 1, again.output


def test_what_is_exported_applies_without_a_change(plane: dict[str, str], folder: Path, tmp_path: Path) -> None:
    run("apply", folder, env=plane)
    exported = run("export", tmp_path / "out", env=plane)
    assert exported.exit_code == 0, exported.output
    again = run("apply", tmp_path / "out", env=plane)
    assert "0 are changed" in again.output, again.output
    run("export", tmp_path / "twice", env=plane)
    assert snapshot(tmp_path / "twice") == snapshot(tmp_path / "out")
    for name, content in snapshot(folder).items():  # all that was applied is in the export
        held = snapshot(tmp_path / "out")[name]
        if name.endswith(".json"):
            wanted = content.get("properties", {})
            assert {key: held.get("properties", {}).get(key) for key in wanted} == wanted, name
        elif name.endswith("policy.xml"):
            assert held == content, name


def test_prune(plane: dict[str, str], folder: Path) -> None:
    run("apply", folder, env=plane)
    (folder / "tags/red/tagInformation.json").unlink()
    (folder / "tags/red/apis/shop/tagApiInformation.json").unlink()
    told = run("apply", folder, "--prune", env=plane)
    assert "- /tags/red" in told.output


def test_apis_are_assigned_to_a_gateway(plane: dict[str, str], folder: Path) -> None:
    assert "Gateway not found" in run("apply", folder, "--gateway", "north", env=plane).output
    write(folder, {"gateways/north/gatewayInformation.json": {"locationData": {"name": "north"}}})
    assert "+ /gateways/north/apis/shop" in run("apply", folder, "--gateway", "north", env=plane).output


def test_overrides(plane: dict[str, str], folder: Path, tmp_path: Path) -> None:
    overrides = tmp_path / "configuration.prod.yaml"
    overrides.write_text("namedValues:\n- name: colour\n  properties: {value: red}\napis:\n- name: shop\n  "
                         "properties: {serviceUrl: 'https://prod.example.com'}\n")  # fmt: skip
    run("apply", folder, env=plane)
    told = run("apply", folder, "--overrides", overrides, env=plane)
    assert "~ /apis/shop (serviceUrl)" in told.output
    assert "~ /namedValues/colour (value)" in told.output
    overrides.write_text("apis:\n- name: none\n  properties: {path: x}\n")
    assert "there is no /apis/none" in run("apply", folder, "--overrides", overrides, env=plane).output


def test_wrong_things_name_their_file(plane: dict[str, str], folder: Path) -> None:
    (folder / "apis/shop/operations/get-order/policy.xml").write_text(
        "<policies><inbound><sett-header /></inbound></policies>"
    )
    told = run("apply", folder, env=plane)
    assert told.exit_code == 1
    assert "nothing was changed" in told.output
    assert "operations/get-order/policy.xml:1:21: " in told.output
    assert "sett-header" in told.output
    (folder / "apis/shop/operations/get-order/policy.xml").unlink()
    (folder / "apis/shop/apiInformation.json").write_text('{"properties": {')
    assert "apis/shop/apiInformation.json:1:17: " in run("apply", folder, env=plane).output
    (folder / "apis/shop/apiInformation.json").write_text('{\n  "properties": {\n    "path": 7\n  }\n}')
    assert "apis/shop/apiInformation.json:3:5: path must be of type string" in run("apply", folder, env=plane).output
    (folder / "apis/shop/polcy.xml").write_text(POLICY)
    assert "apis/shop/polcy.xml: it is no artifact" in run("apply", folder, env=plane).output
    (folder / "apis/shop/polcy.xml").rename(folder / "apis/shop.xml")
    assert "apis/shop.xml: it belongs to no resource" in run("apply", folder, env=plane).output
    (folder / "apis/shop.xml").rename(folder / "apis/README.md")
    assert "apis/README.md is no artifact" in run("apply", folder, env=plane).output
    assert run("apply", folder / "none", env=plane).exit_code != 0
    assert "PASSERELLE_TOKEN" in run("apply", folder, env={**plane, "PASSERELLE_TOKEN": ""}).output


def test_the_sample(plane: dict[str, str], tmp_path: Path) -> None:
    """The public sample of APIOps comes back, file by file."""
    shared = Path(os.environ.get("PASSERELLE_SHARED") or Path(__file__).parents[3] / "shared")
    sample = shared / "data" / "apiops-sample" / "SampleArtifacts"
    if not sample.is_dir():
        pytest.skip(f"the sample is not at {sample}: set PASSERELLE_SHARED")
    told = run("apply", sample, env=plane)
    assert told.exit_code == 0, told.output
    run("export", tmp_path / "out", env=plane)
    again = run("apply", tmp_path / "out", env=plane)
    assert "0 are changed" in again.output, again.output
    mine, theirs = snapshot(tmp_path / "out"), snapshot(sample)
    assert not set(theirs) - set(mine)
    for name, content in theirs.items():
        if name.endswith("Information.json"):
            wanted, held = content.get("properties", {}), mine[name].get("properties", {})
            assert {key: held.get(key) for key in wanted} == wanted, name
        else:  # policies and specifications, of whatever kind
            assert mine[name] == content, name
    assert {name for name in mine if "/specification." in name} == {
        name for name in theirs if "/specification." in name
    }
