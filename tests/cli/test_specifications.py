"""Specifications of APIs in artifact folders: each comes back as it was applied, until its API is changed."""

from __future__ import annotations

import json
from pathlib import Path

from passerelle.plane import Plane
from tests.cli.conftest import TOKEN
from tests.cli.test_apply import POLICY, SPECIFICATION, run, snapshot, write
from tests.soap.shop import WSDL

KINDS = {
    "specification.yaml": ("http", SPECIFICATION),
    "specification.json": ("http", '{"swagger": "2.0", "info": {"title": "T"}, "host": "h", "paths": '
                                   '{"/a": {"get": {"operationId": "a", "responses": {"200": {}}}}}}'),
    "specification.wsdl": ("soap", WSDL),
    "specification.wadl": ("http", '<application xmlns="http://wadl.dev.java.net/2009/02"><resources base="https://x">'
                                   '<resource path="a"><method name="GET" id="get"/></resource></resources>'
                                   '</application>'),
    "specification.graphql": ("graphql", '# as it was written\ntype Query { "a" users(first: Int = 1): [String] }\r\n'),
    "specification.edmx": ("odata", '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx">'
                                    '<edmx:DataServices><Schema Namespace="T" xmlns="http://docs.oasis-open.org/odata'
                                    '/ns/edm"><EntityContainer Name="C"><EntitySet Name="S" EntityType="T.S"/>'
                                    '</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>'),
    "specification.proto": ("grpc", 'syntax = "proto3";\nmessage M {}\nservice S { rpc Get (M) returns (M); }\n'),
}  # fmt: skip
RESOLVER = "<http-data-source><http-request><set-method>GET</set-method><set-url>https://x</set-url></http-request>" \
           "</http-data-source>\r\n"  # fmt: skip


def test_each_kind_comes_back_under_its_name(plane: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "artifacts"
    for file, (kind, text) in KINDS.items():
        name = file.rsplit(".", 1)[1]
        write(folder, {f"apis/{name}/apiInformation.json": {"displayName": name, "path": name, "type": kind}})
        (folder / f"apis/{name}/{file}").write_bytes(text.encode())
    resolver = folder / "apis/graphql/resolvers/users"
    write(resolver, {"resolverInformation.json": {"displayName": "users", "path": "Query/users"}})
    (resolver / "policy.xml").write_bytes(RESOLVER.encode())
    told = run("apply", folder, env=plane)
    assert told.exit_code == 0, told.output
    told = run("export", tmp_path / "out", env=plane)
    assert told.exit_code == 0, told.output
    for path in (each for each in folder.rglob("*") if each.is_file() and not each.name.endswith("Information.json")):
        assert (tmp_path / "out" / path.relative_to(folder)).read_bytes() == path.read_bytes(), path
    mine = {path.name for path in (tmp_path / "out/apis").rglob("*") if path.is_file()}
    assert mine == {*KINDS, "apiInformation.json", "resolverInformation.json", "policy.xml"}
    assert "0 are changed" in run("apply", tmp_path / "out", env=plane).output


def test_a_broken_schema_is_told_with_its_place(plane: dict[str, str], tmp_path: Path) -> None:
    api = {"displayName": "g", "path": "g", "type": "graphql"}
    folder = write(
        tmp_path / "artifacts", {"apis/g/apiInformation.json": api, "apis/g/specification.graphql": "type Q"}
    )
    assert "apis/g/specification.graphql: The GraphQL schema cannot be read: Query root" in run(
        "apply", folder, env=plane
    ).output  # fmt: skip
    write(folder, {"apis/g/specification.graphql": "type Query {\n  a: Strin\n}"})
    told = run("apply", folder, env=plane)
    assert told.exit_code == 1
    assert "apis/g/specification.graphql:2:6: " in told.output


def test_the_first_layout_has_version_sets_among_the_apis(plane: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "artifacts"
    foreign = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ApiManagement/service/other/apiVersionSets/62a1"
    properties = {"displayName": "Star Wars", "path": "sw", "apiRevision": "2", "isCurrent": True}
    api = {"name": "sw-v2", "properties": {**properties, "apiVersion": "v2", "apiVersionSetId": foreign}}
    version_set = '{"name": "62a1", "properties": {"displayName": "Star Wars", "versioningScheme": "Segment"}}'
    write(folder, {
        "apis/Star Wars/apiVersionSet.json": version_set,
        "apis/Star Wars/v2/2/apiInformation.json": json.dumps(api),
        "apis/Star Wars/v2/2/specification.yaml": SPECIFICATION,
    })  # fmt: skip
    told = run("apply", folder, env=plane)
    assert told.exit_code == 0, told.output
    assert "+ /apiVersionSets/62a1" in told.output
    assert "+ /apis/sw-v2 (with 1 operation)" in told.output


OPERATION = {"displayName": "Purge", "method": "PURGE", "urlTemplate": "/*", "templateParameters": [], "responses": []}


def test_a_specification_is_the_one_that_was_applied_until_an_operation_changes(
    plane: dict[str, str], tmp_path: Path
) -> None:
    """And what a specification cannot say is not lost."""
    folder = tmp_path / "artifacts"
    write(folder, {"apis/shop/apiInformation.json": {"displayName": "Shop", "path": "shop", "serviceUrl": "https://x",
                                                     "translateRequiredQueryParameters": "query"}})  # fmt: skip
    text = SPECIFICATION.replace("[{", "[{name: q, in: query, required: true}, {").replace("\n", "\r\n")
    text = text.replace("'1'}", "'1', description: All}\r\nservers: [{url: 'https://x'}]")
    (folder / "apis/shop/specification.yaml").write_bytes(text.encode())
    told = run("apply", folder, env=plane)
    assert told.exit_code == 0, told.output
    run("export", tmp_path / "out", env=plane)
    assert (tmp_path / "out/apis/shop/specification.yaml").read_bytes() == text.encode()
    assert "0 are changed" in run("apply", tmp_path / "out", env=plane).output
    arm = Plane(plane["PASSERELLE_MANAGEMENT"], TOKEN, ca=Path(plane["PASSERELLE_CA"]))
    arm.patch("/apis/shop", {"serviceUrl": None, "description": ""})  # the document has both
    run("export", tmp_path / "without", env=plane)
    assert "0 are changed" in run("apply", tmp_path / "without", env=plane).output
    arm.put("/apis/shop/operations/purge", OPERATION)
    run("export", tmp_path / "more", env=plane)
    assert "/{id}" in (tmp_path / "more/apis/shop/specification.yaml").read_text()
    before = {each["name"]: each["properties"] for each in arm.all("/apis/shop/operations")}
    assert before["purge"] == OPERATION
    arm.call("DELETE", "/apis/shop", headers={"If-Match": "*"})
    told = run("apply", tmp_path / "more", env=plane)
    assert told.exit_code == 0, told.output
    assert {each["name"]: each["properties"] for each in arm.all("/apis/shop/operations")} == before
    run("export", tmp_path / "twice", env=plane)
    assert snapshot(tmp_path / "twice") == snapshot(tmp_path / "more")


def test_what_a_specification_cannot_say_stands_beside_it(plane: dict[str, str], tmp_path: Path) -> None:
    """Also where the operation has a policy, without which the first try of the export would have passed."""
    api = {"displayName": "Shop", "path": "shop", "protocols": ["https"], "subscriptionRequired": False}
    purge = "apis/shop/operations/purge"
    operation = {"displayName": "Purge", "method": "PURGE", "urlTemplate": "/"}
    files = {
        "apis/shop/apiInformation.json": api,
        "apis/shop/specification.yaml": SPECIFICATION,
        f"{purge}/operationInformation.json": operation,
        f"{purge}/policy.xml": POLICY,
        f"{purge}/tags/red/operationTagInformation.json": {},
        "tags/red/tagInformation.json": {"displayName": "red"},
        "namedValues/vault/namedValueInformation.json": {
            "displayName": "vault", "keyVault": {"secretIdentifier": "https://v.vault.azure.net/secrets/key"},
        },
    }  # fmt: skip
    folder = write(tmp_path / "theirs", files)
    assert run("apply", folder, env=plane).exit_code == 0
    assert "0 are changed" in run("apply", folder, env=plane).output
    told = run("export", tmp_path / "ours", env=plane)
    assert "would not be the same" not in told.output, told.output
    assert (tmp_path / "ours" / purge / "operationInformation.json").is_file()
    assert (tmp_path / "ours" / purge / "tags/red/operationTagInformation.json").is_file()
    vault = json.loads((tmp_path / "ours/named values/vault/namedValueInformation.json").read_text())
    assert vault["properties"]["keyVault"] == {"secretIdentifier": "https://v.vault.azure.net/secrets/key"}
    told = run("apply", tmp_path / "ours", "--dry-run", "--prune", env=plane)
    assert [line for line in told.output.splitlines() if line[0] in "+-~"] == [
        "~ /apis/shop/specifications/specification (fills, value)"  # its text alone, which the plane wrote
    ]


def test_an_entry_of_a_list_is_found(plane: dict[str, str], tmp_path: Path) -> None:
    folder = write(tmp_path / "theirs", {"products/p/productInformation.json": {"displayName": "P"}})
    (folder / "products/p/apis.json").write_text('[\n  {"name": "none"}\n]')
    told = run("apply", folder, env=plane)
    place = f"{folder}/products/p/apis.json:2:12"
    assert f"{place}: Api not found. There is no /apis/none: add it, or correct the name." in told.output
