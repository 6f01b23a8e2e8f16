"""`passerelle import arm-template`, against a plane in this process."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from passerelle.connection import Plane
from passerelle.main import main
from tests.management.sdk import served

TOKEN = "the-admin-token"
SERVICE = "Microsoft.ApiManagement/service"
POLICY = "<policies><inbound><base /><set-header name='x'><value>{{key}}</value></set-header></inbound></policies>"


def resource(kind: str, name: str, **properties: Any) -> dict[str, Any]:
    full = f"[concat(parameters('service_shop_name'), '/{name}')]"
    return {"type": f"{SERVICE}/{kind}", "apiVersion": "2022-08-01", "name": full, "properties": properties}


# as the portal of Azure exports a service
EXPORTED = {
    "parameters": {
        "service_shop_name": {"type": "String"},
        "key_value": {"type": "SecureString"},
        "limit": {"type": "int", "defaultValue": 3},
    },
    "resources": [
        {"type": SERVICE, "name": "[parameters('service_shop_name')]", "sku": {"name": "Developer"}},
        resource("namedValues", "key", displayName="key", secret=True, value="[parameters('key_value')]"),
        resource("groups", "administrators", displayName="Administrators", builtIn=True, type="system"),
        resource("users", "1", email="a@example.org", firstName="A", lastName="B"),
        resource("subscriptions", "master", scope="[parameters('service_shop_name')]", displayName="m"),
        resource("certificates", "c", subject="CN=x"),
        resource("products", "p", displayName="P", subscriptionsLimit="[parameters('limit')]", terms=None),
        resource("apis", "a", displayName="A", path="a", apiRevision="1", isCurrent=True, protocols=["https"]),
        resource("apis/policies", "a/policy", value=POLICY, format="xml"),
        resource("products/apis", "p/a"),
        resource("workspaces", "w", displayName="W"),
        resource("workspaces/apis", "w/i", displayName="I", path="i"),
        resource(
            "subscriptions",
            "s",
            displayName="s",
            scope=f"[resourceId('{SERVICE}/products', parameters('service_shop_name'), 'p')]",
        ),
    ],
}


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    directory = tmp_path / "plane"
    directory.mkdir()
    with served(directory, TOKEN) as url:
        (directory / "url").write_text(url)
        yield Plane(url, TOKEN, ca=directory / "ca.pem")


def run(plane: Plane, folder: Path, template: object, *more: str) -> Result:
    file = folder / "template.json"
    file.write_text(json.dumps(template))
    ca = str(folder / "plane" / "ca.pem")
    environment = {
        "PASSERELLE_MANAGEMENT": (folder / "plane" / "url").read_text(),
        "PASSERELLE_TOKEN": TOKEN,
        "PASSERELLE_CA": ca,
    }
    return CliRunner().invoke(main, ["import", "arm-template", str(file), *more], env=environment)


def test_an_exported_service(plane: Plane, tmp_path: Path) -> None:
    assert "no value for key_value" in run(plane, tmp_path, EXPORTED).output
    (tmp_path / "key").write_text("hunter2-value\n")
    secret = f"key_value=@{tmp_path / 'key'}"
    dry = run(plane, tmp_path, EXPORTED, "--set", secret, "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert "8 would be changed" in dry.output
    assert not plane.exists("/apis/a")
    made = run(plane, tmp_path, EXPORTED, "--set", secret, "--set", "limit=7")
    assert made.exit_code == 0, made.output
    assert plane.get("/products/p")["properties"]["subscriptionsLimit"] == 7
    assert plane.call("POST", "/namedValues/key/listValue") == {"value": "hunter2-value"}
    assert plane.exists("/products/p/apis/a")
    assert plane.within("w").exists("/apis/i")
    for left in ("/groups/administrators", "/users/1", "/subscriptions/master", "/certificates/c"):
        assert f"left out: {left}: " in made.output
    again = run(plane, tmp_path, EXPORTED, "--set", secret, "--set", "limit=7")
    assert "0 are changed" in again.output
    assert "hunter2" not in dry.output + made.output + again.output


def test_what_is_wrong_is_told_at_its_place_and_nothing_changes(plane: Plane, tmp_path: Path) -> None:
    template = {
        **EXPORTED,
        "resources": [
            *EXPORTED["resources"],
            resource("loggers", "l", loggerType="applicationInsights", credentials={"k": "[reference('x').key]"}),
        ],
    }
    told = run(plane, tmp_path, template, "--set", "key_value=x")
    assert told.exit_code == 1
    assert "template.json/resources/13 (/loggers/l)/properties/credentials/k: reference() asks Azure" in told.output
    assert not plane.exists("/apis/a")
    given = ["--property", "/loggers/l:credentials.k=[not an expression]"]
    told = run(plane, tmp_path, template, "--set", "key_value=x", *given, "--dry-run")
    assert "+ /loggers/l\n" in told.output
    told = run(plane, tmp_path, template, "--set", "key_value=x", "--skip", "/loggers/*", "--skip", "/products/p")
    assert "resources/9 (/products/p/apis/a)" in told.output
    assert "nothing was changed" in told.output
    assert not plane.exists("/apis/a")


def test_wrong_use(plane: Plane, tmp_path: Path) -> None:
    two = {"resources": [
        {"type": f"{SERVICE}/tags", "name": f"{name}/t", "properties": {"displayName": "t"}} for name in ("one", "two")
    ]}  # fmt: skip
    assert "choose one by --of" in run(plane, tmp_path, two).output
    assert run(plane, tmp_path, two, "--of", "two").exit_code == 0
    assert "NAME=VALUE is needed" in run(plane, tmp_path, two, "--set", "x").output
    assert "ID:PATH=VALUE is needed" in run(plane, tmp_path, two, "--property", "x=y").output
    assert "holds nothing that a plane takes" in run(plane, tmp_path, {"resources": []}).output
    (tmp_path / "main.bicep").write_text("param x string")
    told = CliRunner().invoke(main, ["import", "arm-template", str(tmp_path / "main.bicep"), "--token", "x"])
    assert "az bicep build --file" in told.output


def test_no_message_has_the_key_of_a_linked_file(plane: Plane, tmp_path: Path) -> None:
    """Storage accounts take it in the query."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        link = {"uri": f"http://127.0.0.1:{closed.getsockname()[1]}/none/linked.json?sv=1&sig=hunter2"}
        nested = {"type": "Microsoft.Resources/deployments", "name": "d", "properties": {"templateLink": link}}
        told = run(plane, tmp_path, {"resources": [nested]})
    assert told.exit_code
    assert "/none/linked.json could not be read" in told.output
    assert "hunter2" not in told.output
