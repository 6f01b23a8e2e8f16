"""Folders as the tools of others write them, all versions of the layout: applied, exported, applied again."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from passerelle.apiops.layout import collection_path
from passerelle.apiops.read import read
from passerelle.apiops.tokens import Tokens
from passerelle.apiops.tokens import replace as replace_tokens
from passerelle.plane import Plane
from tests.cli.conftest import TOKEN
from tests.cli.test_apply import POLICY, SPECIFICATION, run, snapshot, write

# ids in extracted folders are those of the service that they come from
ELSEWHERE = (
    "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/theirs"
    "/providers/Microsoft.ApiManagement/service/theirs"
)
API = {"displayName": "Shop", "path": "shop", "protocols": ["https"], "serviceUrl": "https://example.com"}
TEXT = {"displayName": "Text", "path": "text", "protocols": ["https"], "apiRevision": "1"}
COMMON: dict[str, Any] = {
    "policy.xml": POLICY,
    "apis/shop/apiInformation.json": {**API, "apiRevision": "2", "isCurrent": True, "authenticationSettings": {}},
    "apis/shop/specification.yaml": SPECIFICATION,
    "apis/shop/policy.xml": POLICY,
    "apis/shop/operations/get-order/policy.xml": POLICY,
    "apis/shop/diagnostics/applicationinsights/diagnosticInformation.json": {
        "loggerId": f"{ELSEWHERE}/loggers/insights",
        "sampling": {"percentage": 100, "samplingType": "fixed"},
        "verbosity": "information",
    },
    "apis/shop;rev=1/apiInformation.json": {**API, "apiRevision": "1", "apiRevisionDescription": "the first"},
    "apis/shop;rev=1/specification.yaml": SPECIFICATION,
    "apis/shop-v2/apiInformation.json": {
        **API, "apiVersion": "v2", "apiVersionSetId": f"{ELSEWHERE}/apiVersionSets/shops", "path": "versioned",
    },
    "apis/shop-v2/specification.json": json.dumps(
        {"openapi": "3.0.1", "info": {"title": "Shop", "version": "2"}, "paths": {}}
    ),
    "backends/one/backendInformation.json": {
        "url": "https://one.example.com", "protocol": "http", "credentials": {"header": {"x-key": ["{{colour}}"]}},
        "resourceId": "https://management.azure.com/subscriptions/x/resourceGroups/y/providers/Microsoft.Web/sites/z",
    },
    "backends/pool/backendInformation.json": {
        "type": "Pool", "pool": {"services": [{"id": f"{ELSEWHERE}/backends/one"}]},
    },
    "diagnostics/azuremonitor/diagnosticInformation.json": {
        "loggerId": f"{ELSEWHERE}/loggers/azuremonitor", "alwaysLog": "allErrors",
    },
    "groups/partners/groupInformation.json": {"displayName": "Partners", "type": "custom"},
    "groups/developers/groupInformation.json": {"displayName": "Developers", "type": "system", "builtIn": True},
    "loggers/insights/loggerInformation.json": {
        "loggerType": "applicationInsights",
        "credentials": {"connectionString": "{{Logger-Credentials--682d8a3b217d2019ac23fd97}}"},
        "resourceId": "/subscriptions/x/resourceGroups/y/providers/Microsoft.Insights/components/z",
    },
    "products/starter/productInformation.json": {"displayName": "Starter", "state": "published"},
    "products/starter/policy.xml": POLICY,
    "subscriptions/s/subscriptionInformation.json": {
        "displayName": "s", "scope": f"{ELSEWHERE}/products/starter", "ownerId": f"{ELSEWHERE}/users/somebody",
        "state": "active", "allowTracing": False,
    },
    "subscriptions/all/subscriptionInformation.json": {"displayName": "all", "scope": f"{ELSEWHERE}/apis"},
    "tags/red/tagInformation.json": {"displayName": "red"},
    "gateways/north/gatewayInformation.json": {"locationData": {"name": "strides"}},
}  # fmt: skip
NAMED_VALUES = {
    "colour": {"displayName": "colour", "secret": False, "value": "red"},
    "682d8a3b217d2019ac23fd97": {"displayName": "Logger-Credentials--682d8a3b217d2019ac23fd97", "secret": True},
    "vault": {"displayName": "vault", "secret": True, "keyVault": {}},
}
FRAGMENT = "<fragment><set-header name='x'><value>{{colour}}</value></set-header></fragment>"


def spaced() -> dict[str, Any]:
    """Azure/apiops 5 to 7: an association is a folder, collections have blanks."""
    return COMMON | {
        **{f"named values/{name}/namedValueInformation.json": value for name, value in NAMED_VALUES.items()},
        "version sets/shops/versionSetInformation.json": {"displayName": "Shops", "versioningScheme": "Segment"},
        "policy fragments/mark/policy.xml": FRAGMENT,
        "policy fragments/mark/policyFragmentInformation.json": {"description": "marks"},
        "products/starter/apis/shop/productApiInformation.json": {},
        "products/starter/groups/developers/productGroupInformation.json": {},
        "tags/red/apis/shop/tagApiInformation.json": {},
        "tags/red/products/starter/tagProductInformation.json": {},
        "gateways/north/apis/shop/gatewayApiInformation.json": {},
        "apis/shop/releases/first/apiReleaseInformation.json": {
            "apiId": f"{ELSEWHERE}/apis/shop;rev=2",
            "notes": "n",
        },
    }


def listed() -> dict[str, Any]:
    """Azure/apiops 3 and 4: associations are lists; the tag of an API stands below the API."""
    return COMMON | {
        **{f"named values/{name}/namedValueInformation.json": value for name, value in NAMED_VALUES.items()},
        "version sets/shops/apiVersionSetInformation.json": {"displayName": "Shops", "versioningScheme": "Segment"},
        "policy fragments/mark/policy.xml": FRAGMENT,
        "products/starter/apis.json": json.dumps([{"name": "shop"}]),
        "products/starter/groups.json": json.dumps([{"name": "developers"}]),
        "apis/shop/tags/red/apiTagInformation.json": {},
        "products/starter/tags/red/productTagInformation.json": {},
        "gateways/north/apis.json": json.dumps([{"name": "shop"}]),
        "README.md": "# ours",
        "apis/.gitkeep": "",
        "configuration.prod.yaml": "namedValues: []",
    }


def whole(id: str, properties: dict[str, Any]) -> str:
    """As Azure/apiops-cli writes it: the answer of a GET, with what is null."""
    return json.dumps({"id": ELSEWHERE + id, "type": "Microsoft.ApiManagement/service/x", "name": id.rsplit("/", 1)[1],
                       "properties": properties})  # fmt: skip


def unspaced() -> dict[str, Any]:
    """Azure/apiops-cli: whole documents, operations one by one, collections as in ids."""
    files = dict(COMMON)
    del files["apis/shop/specification.yaml"], files["apis/shop;rev=1/specification.yaml"]
    operation = {
        "displayName": "Get an order", "method": "GET", "urlTemplate": "/orders/{id}", "description": None,
        "templateParameters": [{"name": "id", "type": "string", "required": True}], "responses": [],
        "policies": None, "effectivePath": None,
    }  # fmt: skip
    api = {**API, "apiRevision": "2", "isCurrent": True, "backendId": None, "mcpProperties": None, "description": None}
    return files | {
        **{f"namedValues/{name}/namedValueInformation.json": value for name, value in NAMED_VALUES.items()},
        "apis/shop/apiInformation.json": whole("/apis/shop", api),
        "apis/shop/operations/get-order/operationInformation.json": whole("/apis/shop/operations/get-order", operation),
        "apis/shop/releases/first/releaseInformation.json": whole(
            "/apis/shop/releases/first", {"apiId": f"{ELSEWHERE}/apis/shop;rev=2", "notes": None}
        ),
        "apis/shop/tags/red/tagInformation.json": whole("/tags/red", {"displayName": "red"}),
        "apis/shop/tagDescriptions/red/tagDescriptionInformation.json": {"description": "reds"},
        "versionSets/shops/versionSetInformation.json": {"displayName": "Shops", "versioningScheme": "Segment"},
        "policyFragments/mark/policyFragmentInformation.json": {"value": FRAGMENT, "format": "rawxml"},
        "products/starter/apis.json": json.dumps([{"name": "shop"}]),
        "products/starter/tags.json": json.dumps(["red"]),
        "gateways/north/apis.json": json.dumps([{"name": "shop"}]),
        "schemas/order/schemaInformation.json": {"schemaType": "json", "document": {"type": "object"}},
        "workspaces/team/workspaceInformation.json": {"displayName": "Team"},
        "workspaces/team/namedValues/size/namedValueInformation.json": {"displayName": "size", "value": "9"},
        "workspaces/team/apis/inner/apiInformation.json": {**API, "path": "inner"},
        "workspaces/team/apis/inner/specification.yaml": SPECIFICATION,
        "workspaces/team/apis/inner/policy.xml": POLICY,
        "workspaces/team/tags/blue/tagInformation.json": {"displayName": "blue"},
        "workspaces/team/tags/blue/apis/inner/tagApiInformation.json": {},
    }


def first() -> dict[str, Any]:
    """The toolkit of 2022: folders are called as people see things."""

    def named(name: str, properties: dict[str, Any]) -> str:
        return json.dumps({"name": name, "properties": properties})

    return {
        "policy.xml": POLICY,
        "apis/Shop/Original/2/apiInformation.json": named("shop", {**API, "apiRevision": "2"}),
        "apis/Shop/Original/2/specification.yaml": SPECIFICATION,
        "apis/Shop/Original/2/operations/get-order/policy.xml": POLICY,
        "apis/Shop/Original/1/apiInformation.json": named("shop;rev=1", {**API, "apiRevision": "1"}),
        "named values/colour/namedValueInformation.json": named("61011e", {"displayName": "colour", "value": "red"}),
        "products/Full Access/productInformation.json": named("full", {"displayName": "Full Access"}),
        "products/Full Access/apis.json": json.dumps([{"name": "shop"}]),
    }


def kinds() -> dict[str, Any]:
    """What else extracted folders hold."""
    https = {"protocols": ["https"]}
    return {
        "apis/oauth/apiInformation.json": {
            **https, "displayName": "o", "path": "o", "contact": {"email": "a@b.c"}, "license": {"name": "MIT"},
            "authenticationSettings": {"oAuth2": {"authorizationServerId": "not-extracted", "scope": "x"}},
        },
        "apis/socket/apiInformation.json": {
            "displayName": "ws", "path": "ws", "type": "websocket", "protocols": ["wss"], "serviceUrl": "wss://x.example",
        },
        "apis/socket/operations/onHandshake/policy.xml": POLICY,
        "apis/v1/apiInformation.json": {
            **https, "displayName": "v", "path": "v", "apiVersion": "1",
            "apiVersionSetId": f"{ELSEWHERE}/apiVersionSets/v",
            "apiVersionSet": {"id": f"{ELSEWHERE}/apiVersionSets/v", "name": "V", "versioningScheme": "Header"},
        },
        "version sets/v/versionSetInformation.json": {
            "displayName": "V", "versioningScheme": "Header", "versionHeaderName": "api-version",
        },
        "apis/mit Blanks und Ümläut/apiInformation.json": {**https, "displayName": "sp", "path": ""},
        "products/p/productInformation.json": {
            "displayName": "P", "terms": "t", "subscriptionsLimit": 3, "approvalRequired": True,
        },
        "backends/breaker/backendInformation.json": {
            "url": "https://x.example", "protocol": "http", "tls": {"validateCertificateChain": False},
            "circuitBreaker": {"rules": [{
                "name": "r", "tripDuration": "PT1H", "acceptRetryAfter": True,
                "failureCondition": {"count": 3, "interval": "PT1H", "statusCodeRanges": [{"min": 429, "max": 429}]},
            }]},
            "credentials": {"authorization": {"scheme": "Basic", "parameter": "{{x}}"}},
        },
        "backends/fabric/backendInformation.json": {
            "url": "fabric:/app/service", "protocol": "http",
            "properties": {"serviceFabricCluster": {"managementEndpoints": ["https://x"], "clientCertificateId": "c"}},
        },
        "backends/weighted/backendInformation.json": {
            "type": "Pool",
            "pool": {"services": [{"id": f"{ELSEWHERE}/backends/breaker", "priority": 1, "weight": 3}]},
        },
        "diagnostics/azuremonitor/diagnosticInformation.json": {
            "loggerId": f"{ELSEWHERE}/loggers/azuremonitor", "largeLanguageModel": {"logs": "enabled"},
        },
        "loggers/hub/loggerInformation.json": {
            "loggerType": "azureEventHub", "isBuffered": True,
            "credentials": {"name": "hub", "connectionString": "{{Logger-Credentials--1}}"},
        },
        "groups/external/groupInformation.json": {"displayName": "E", "type": "external", "externalId": "aad://x/y"},
        "named values/tagged/namedValueInformation.json": {"displayName": "tagged", "value": "@(1)", "tags": ["a"]},
        "subscriptions/suspended/subscriptionInformation.json": {
            "displayName": "a", "scope": f"{ELSEWHERE}/apis/oauth", "state": "suspended",
        },
        "subscriptions/whole/subscriptionInformation.json": {"displayName": "w", "scope": f"{ELSEWHERE}/"},
    }  # fmt: skip


@pytest.mark.parametrize("layout", [spaced, listed, unspaced, first, kinds])
def test_a_folder_comes_back_as_it_was(layout: Any, plane: dict[str, str], tmp_path: Path) -> None:
    folder = write(tmp_path / "theirs", layout())
    checked = run("check", folder, env={})
    assert checked.exit_code == 0, checked.output
    told = run("apply", folder, env=plane)
    assert told.exit_code == 0, told.output
    assert "0 are changed" in run("apply", folder, env=plane).output
    exported = run("export", tmp_path / "ours", env=plane)
    assert exported.exit_code == 0, exported.output
    assert "would not be the same" not in exported.output
    assert "0 would be changed" in run("apply", tmp_path / "ours", "--dry-run", "--prune", env=plane).output
    mine = {each.id.lower(): each.properties for each in read(tmp_path / "ours").resources}
    given = {each.id.lower(): each.properties for each in read(folder).resources}
    lost = sorted(id for id in given if id not in mine and id not in NOT_KEPT)
    assert not lost
    for id, properties in given.items():
        shown = mine.get(id, {})
        if id in NOT_KEPT or ("/" in collection_path(id) and not shown):
            continue  # an association has no properties
        for name, value in properties.items():
            if (id, name) not in CHANGED and name not in ("format", "value", "keyVault", "document"):
                assert shown.get(name) == value or value in ({}, []), (id, name, value, shown.get(name))


NOT_KEPT = {"/namedvalues/682d8a3b217d2019ac23fd97", "/namedvalues/vault"}  # secrets without values
CHANGED = {
    ("/subscriptions/s", "ownerId"),  # whom the plane does not have
    ("/apis/v1", "apiVersionSet"),  # which apiVersionSetId says
    ("/apis/oauth", "authenticationSettings"),  # ARM shows it in the older and in the newer shape
}


def test_what_is_left_out_is_told(plane: dict[str, str], tmp_path: Path) -> None:
    folder = write(tmp_path / "theirs", listed())
    told = run("apply", folder, env=plane).output
    assert "README.md is no artifact" in told
    assert "vault/namedValueInformation.json: left out, it has no value" in told
    assert "there is no /users/somebody, so the subscription has no owner" in told
    assert ".gitkeep" not in told
    assert "configuration.prod" not in told
    overrides = tmp_path / "configuration.prod.yaml"
    overrides.write_text(
        "apimServiceName: prod\nnamedValues:\n- name: VAULT\n  properties: {VALUE: '{#[SECRET]#}', secret: true}\n"
        "- name: nobody\n  properties: {value: x}\n"
        "apis:\n- name: shop\n  diagnostics:\n  - name: applicationinsights\n    properties: {verbosity: Error}\n"
    )
    refused = run("apply", folder, "--overrides", overrides, env=plane)
    assert refused.exit_code == 1
    assert f"{overrides}:4:24: {{#[SECRET]#}} has no value" in refused.output
    (tmp_path / "tokens").mkdir()
    (tmp_path / "tokens/SECRET").write_text('a "quoted" \\ one\n')
    told = run("apply", folder, "--overrides", overrides, "--tokens", tmp_path / "tokens", env=plane)
    assert told.exit_code == 0, told.output
    assert "there is no /namedValues/nobody in" in told.output
    assert "+ /namedValues/vault" in told.output
    assert "~ /apis/shop/diagnostics/applicationinsights (verbosity)" in told.output
    client = Plane(plane["PASSERELLE_MANAGEMENT"], TOKEN, ca=Path(plane["PASSERELLE_CA"]))
    assert client.call("POST", "/namedValues/vault/listValue")["value"] == 'a "quoted" \\ one'
    # applied without it, the secret stays
    assert "0 are changed" in run("apply", folder, "--set", "SECRET=x", env=plane).output.replace("1 are", "0 are")
    assert client.call("POST", "/namedValues/vault/listValue")["value"] == 'a "quoted" \\ one'


def test_prune_knows_all_levels(plane: dict[str, str], tmp_path: Path) -> None:
    folder = write(tmp_path / "theirs", unspaced())
    run("apply", folder, env=plane)
    for name in (
        "apis/shop/policy.xml",
        "apis/shop/diagnostics",
        "apis/shop/operations/get-order/policy.xml",
        "apis/shop-v2",
        "products/starter/apis.json",
        "gateways/north/apis.json",
        "subscriptions/s",
        "workspaces/team/apis/inner/policy.xml",
    ):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    told = run("apply", folder, "--prune", "--dry-run", env=plane)
    assert told.exit_code == 0, told.output
    assert {line for line in told.output.splitlines() if line[:2] in ("- ", "+ ", "~ ")} == {
        "- /apis/shop-v2",
        "- /apis/shop/diagnostics/applicationinsights",
        "- /apis/shop/operations/get-order/policies/policy",
        "- /apis/shop/policies/policy",
        "- /gateways/north/apis/shop",
        "- /products/starter/apis/shop",
        "- /workspaces/team/apis/inner/policies/policy",
    }
    assert run("apply", folder, "--prune", env=plane).exit_code == 0
    assert "0 are changed" in run("apply", folder, "--prune", env=plane).output


def test_another_revision_becomes_the_current_one(plane: dict[str, str], tmp_path: Path) -> None:
    folder = write(tmp_path / "theirs", spaced())
    run("apply", folder, env=plane)
    shutil.rmtree(folder / "apis/shop/releases")
    write(folder, {"apis/shop/apiInformation.json": {**API, "apiRevision": "1", "isCurrent": True}})
    (folder / "apis/shop;rev=1").rename(folder / "apis/shop;rev=2")
    write(folder, {"apis/shop;rev=2/apiInformation.json": {**API, "apiRevision": "2"}})
    told = run("apply", folder, env=plane)
    assert told.exit_code == 0, told.output
    client = Plane(plane["PASSERELLE_MANAGEMENT"], TOKEN, ca=Path(plane["PASSERELLE_CA"]))
    assert client.get("/apis/shop")["properties"]["apiRevision"] == "1"
    assert client.get("/apis/shop;rev=2")["properties"]["isCurrent"] is False
    assert "0 are changed" in run("apply", folder, env=plane).output


def test_filters(plane: dict[str, str], tmp_path: Path) -> None:
    run("apply", write(tmp_path / "theirs", unspaced()), env=plane)
    wanted = tmp_path / "configuration.extractor.yaml"
    wanted.write_text(
        "apis: [{'SHOP': {diagnostics: []}}]\nproductNames: []\nworkspaces: []\nnamedValueNames: ['col*']\n"
    )
    told = run("export", tmp_path / "ours", "--filter", wanted, env=plane)
    assert told.exit_code == 0, told.output
    files = set(snapshot(tmp_path / "ours"))
    assert "apis/shop/apiInformation.json" in files
    assert "apis/shop;rev=1/apiInformation.json" in files
    assert "named values/colour/namedValueInformation.json" in files
    assert not any(
        name.startswith(("products", "workspaces", "apis/shop-v2", "apis/shop/diagnostics")) for name in files
    )
    wanted.write_text("apiNamez: []\n")
    assert "'apiNamez' is no section" in run("export", tmp_path / "ours", "--filter", wanted, env=plane).output


def test_an_export_replaces_artifacts_and_nothing_else(plane: dict[str, str], tmp_path: Path) -> None:
    folder = write(tmp_path / "ours", listed() | {".git/config": "[core]"})
    told = run("export", folder, env=plane)
    assert told.exit_code == 0, told.output
    assert {path.name for path in folder.iterdir()} == {
        ".git", "README.md", "configuration.prod.yaml", "loggers", "policy.xml",
    }  # fmt: skip
    write(folder, {"package.json": "{}", "src/main/app.yaml": "a: 1"})
    before = snapshot_of(folder)
    told = run("export", folder, env=plane)
    assert told.exit_code == 1
    assert "package.json is no artifact" in told.output
    assert snapshot_of(folder) == before


def snapshot_of(folder: Path) -> dict[str, str]:
    return {str(path): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_links_are_followed_and_circles_are_not(tmp_path: Path) -> None:
    """A mounted ConfigMap: what one sees are links into a folder that is swapped."""
    write(tmp_path / "mount" / "..2026_01_01", spaced())
    (tmp_path / "mount" / "..data").symlink_to("..2026_01_01")
    for name in os.listdir(tmp_path / "mount" / "..data"):
        (tmp_path / "mount" / name).symlink_to(f"..data/{name}")
    assert run("check", tmp_path / "mount", env={}).exit_code == 0
    (tmp_path / "mount" / "..2026_01_01" / "apis" / "again").symlink_to("../apis")
    told = run("check", tmp_path / "mount", env={})
    assert told.exit_code == 3
    assert "is a link to a folder that is" in told.output


def test_check_tells_every_finding(tmp_path: Path) -> None:
    files = spaced() | {
        "apis/shop/policy.xml": "<policies>\n  <inbound><sett-header /></inbound>\n</policies>",
        "apis/shop/specification.yaml": "openapi: 3.0.1\ninfo: {title: x\n",
        "backends/pool/backendInformation.json": {"type": "Pool", "url": "https://pool"},
        "products/starter/apis/none/productApiInformation.json": {},
    }
    folder = write(tmp_path / "theirs", files)
    told = run("check", folder, env={})
    assert told.exit_code == 3
    lines = told.output.replace(str(folder) + "/", "").splitlines()
    assert any(line.startswith("apis/shop/specification.yaml:") and ":3:" in line for line in lines), lines
    assert "backends/pool/backendInformation.json:1:2: A pool must name its backends." in lines
    missing = "Api not found. There is no /apis/none: add it, or correct the name."
    assert f"products/starter/apis/none/productApiInformation.json: {missing}" in lines
    write(folder, {"apis/shop/specification.yaml": SPECIFICATION})
    assert "apis/shop/policy.xml:2:13: " in run("check", folder, env={}).output


def test_a_policy_that_needs_a_secret_which_is_not_there(tmp_path: Path) -> None:
    needs = POLICY.replace("<base />", "<base /><set-header name='x'><value>{{vault}}</value></set-header>")
    folder = write(tmp_path / "theirs", spaced() | {"apis/shop/policy.xml": needs})
    told = run("check", folder, env={}).output.replace(f"{folder}/", "")
    assert "apis/shop/policy.xml:1:" in told
    assert "vault" in told.split("apis/shop/policy.xml:1:")[1].splitlines()[0]
    assert "named values/vault/namedValueInformation.json: left out, it has no value: give one in the overrides" in told
    overrides = tmp_path / "configuration.x.yaml"
    overrides.write_text("namedValues: [{name: vault, properties: {value: v}}]")
    assert run("check", folder, "--overrides", overrides, env={}).exit_code == 0


def test_the_feed_of_a_folder_is_the_same_every_time(tmp_path: Path) -> None:
    folder = write(tmp_path / "theirs", spaced())
    one, two = (run("check", folder, "--feed", env={}).stdout for _ in range(2))
    assert one == two
    assert "/apis/shop-v2\t" in one
    assert '"managed"' not in one
    assert "/gateways/managed\t" in one
    north = run("check", folder, "--feed", "--gateway", "north", env={}).stdout
    assert "/apis/shop/operations/get-order\t" in north
    assert "/apis/shop-v2\t" not in north
    assert "has no gateways/south" in run("check", folder, "--gateway", "south", env={}).output
    overrides = tmp_path / "configuration.x.yaml"
    overrides.write_text("subscriptions:\n- name: s\n  properties: {primaryKey: abc}\n- name: master\n"
                         "  properties: {primaryKey: '{#MASTER#}'}\n")  # fmt: skip
    keyed = run("check", folder, "--feed", "--overrides", overrides, env={"MASTER": "def"}).stdout
    assert '"primaryKey":"abc"' in keyed
    assert '"primaryKey":"def"' in keyed
    assert "secondaryKey" not in keyed
    assert "primaryKey" not in one


def test_a_token_is_never_what_the_program_itself_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PASSERELLE_TOKEN", "config.service.auth", "OTHER"):
        monkeypatch.setenv(name, "hush")
    unknown: set[str] = set()
    text = replace_tokens(
        "{#PASSERELLE_TOKEN#} {#passerelle_token#} {#config.service.auth#} {#OTHER#}", Tokens(), unknown
    )
    assert text == "{#PASSERELLE_TOKEN#} {#passerelle_token#} {#config.service.auth#} hush"
    assert len(unknown) == 3
    assert Tokens({"PASSERELLE_TOKEN": "given"})["PASSERELLE_TOKEN"] == "given"
