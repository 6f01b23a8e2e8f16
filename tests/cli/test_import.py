"""`passerelle import openapi | wsdl | wadl | graphql`, against a plane in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from passerelle.connection import Plane
from passerelle.main import main
from tests.importers.test_wsdl_files import parted
from tests.management.sdk import served

TOKEN = "the-admin-token"
OPENAPI = """openapi: 3.0.1
info: {title: Shop, version: '1'}
servers: [{url: 'https://backend.example'}]
paths:
  /orders:
    get: {operationId: list, parameters: [{name: by, in: query, required: true, schema: {type: string}}], responses: {}}
    post: {operationId: add, responses: {}}
"""
POLICY = "<policies><inbound><base /></inbound></policies>"
WADL = (
    '<application xmlns="http://wadl.dev.java.net/2009/02"><resources base="https://backend.example">'
    '<resource path="a"><method name="GET" id="get"/></resource></resources></application>'
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plane")


@pytest.fixture(scope="module")
def address(directory: Path) -> Iterator[str]:
    with served(directory, TOKEN) as url:
        yield url


@pytest.fixture
def plane(address: str, directory: Path) -> Plane:
    return Plane(address, TOKEN, ca=directory / "ca.pem")


@pytest.fixture
def environment(address: str, directory: Path) -> dict[str, str]:
    return {"PASSERELLE_MANAGEMENT": address, "PASSERELLE_TOKEN": TOKEN, "PASSERELLE_CA": str(directory / "ca.pem")}


def run(environment: dict[str, str], *arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["import", *(str(each) for each in arguments)], env=environment)


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_openapi(environment: dict[str, str], plane: Plane, tmp_path: Path) -> None:
    document = written(tmp_path / "shop.yaml", OPENAPI)
    dry = run(environment, "openapi", document, "--api-id", "shop", "--path", "store", "--dry-run")
    assert dry.output == f"would be made: /apis/shop at /store from {document}; nothing was changed\n"
    assert not plane.exists("/apis/shop")
    made = run(environment, "openapi", document, "--api-id", "shop", "--path", "store")
    assert made.output.startswith("+ /apis/shop: Shop at /store, 2 operations, backend https://backend.example; rev")
    assert plane.get("/apis/shop/operations/list")["properties"]["urlTemplate"] == "/orders?by={by}"


def test_import_over_an_api_keeps_its_settings(environment: dict[str, str], plane: Plane, tmp_path: Path) -> None:
    document = written(tmp_path / "again.yaml", OPENAPI)
    plane.put("/products/p", {"displayName": "p"})
    run(environment, "openapi", document, "--api-id", "again", "--product", "p")
    assert plane.exists("/products/p/apis/again")
    plane.patch("/apis/again", {"serviceUrl": "https://mine.example", "subscriptionRequired": False})
    plane.put_policy("/apis/again/operations/list", POLICY)
    same = run(environment, "openapi", document, "--api-id", "again")
    assert same.output.startswith("= /apis/again")
    document.write_text(OPENAPI.replace("add,", "insert,"))
    told = run(environment, "openapi", document, "--api-id", "again", "--required-query", "query")
    assert told.output.startswith("~ /apis/again: Shop at /again, 2 operations, backend https://mine.example")
    assert plane.get("/apis/again")["properties"]["subscriptionRequired"] is False
    assert {each["name"] for each in plane.all("/apis/again/operations")} == {"list", "insert"}
    assert plane.get("/apis/again/operations/list")["properties"]["urlTemplate"] == "/orders"
    assert plane.exists("/apis/again/operations/list/policies/policy")


def test_wadl(environment: dict[str, str], tmp_path: Path) -> None:
    told = run(environment, "wadl", written(tmp_path / "a.wadl", WADL), "--api-id", "wadl", "--display-name", "W")
    assert told.output.startswith("+ /apis/wadl: W at /wadl, 1 operation, backend https://backend.example")


def test_grpc_and_odata(environment: dict[str, str], tmp_path: Path) -> None:
    proto = 'syntax = "proto3"; package p; message M {} service Greeter { rpc Hello (M) returns (M); }'
    told = run(environment, "grpc", written(tmp_path / "hello.proto", proto))
    assert told.output.startswith("+ /apis/hello: Greeter at /hello, 1 operation, no backend yet")
    schema = (
        '<Schema Namespace="T"><EntityType Name="P"/><EntityContainer Name="C"><EntitySet Name="Ps" EntityType="T.P"/>'
    )
    edmx = f'<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>{schema}'
    edmx += "</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"
    told = run(environment, "odata", written(tmp_path / "trips.xml", edmx), "--service-url", "https://trips.example")
    assert told.output.startswith("+ /apis/trips: "), told.output
    assert "https://trips.example" in told.output


def test_an_api_without_a_name_has_that_of_its_title(environment: dict[str, str], tmp_path: Path) -> None:
    document = OPENAPI.replace("title: Shop", "title: My  Orders!")
    told = run(environment, "openapi", written(tmp_path / "openapi.yaml", document), "--name", "Mine")
    assert told.output.startswith("+ /apis/my-orders: Mine at /my-orders, 2 operations")


def test_a_document_of_several_files(environment: dict[str, str], plane: Plane, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    written(tmp_path / "parts" / "order.yaml", "type: object\nproperties: {id: {type: string}}\n")
    schema = "{'200': {description: '', content: {application/json: {schema: {$ref: 'parts/order.yaml'}}}}}"
    document = OPENAPI.replace("add, responses: {}", f"add, responses: {schema}")
    made = run(environment, "openapi", written(tmp_path / "split.yaml", document), "--id", "split")
    assert made.exit_code == 0, made.output
    assert "order" in plane.get("/apis/split/schemas/components")["properties"]["document"]["components"]["schemas"]
    written(tmp_path / "split.yaml", document.replace("order.yaml", "none.yaml"))
    told = run(environment, "openapi", tmp_path / "split.yaml", "--id", "split")
    assert f"{tmp_path}/parts/none.yaml: No such file" in told.output


def test_graphql(environment: dict[str, str], plane: Plane, tmp_path: Path) -> None:
    schema = written(tmp_path / "books.graphql", "type Query { book: String }")
    told = run(environment, "graphql", schema, "--api-id", "books", "--service-url", "https://b.example/graphql")
    assert told.output.startswith("+ /apis/books: books at /books, a GraphQL schema, backend https://b.example/graphql")
    held = plane.get("/apis/books/schemas/graphql")["properties"]
    assert held["document"]["value"] == "type Query { book: String }"


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("openapi", "openapi: 3.0.1\npaths: [", ": The YAML cannot be read: "),
        ("openapi", "openapi: 3.0.1\npaths: [", "on line 3, column 1"),
        ("openapi", '{"openapi": "3.0.1",}', "on line 1, column 21"),
        ("openapi", "a: 1", '/openapi: The document says neither "openapi"'),
        ("wadl", "<application>\n<a>", "on line 2, column 4"),
    ],
)
def test_errors_name_the_place(
    environment: dict[str, str], plane: Plane, tmp_path: Path, kind: str, text: str, said: str
) -> None:
    told = run(environment, kind, written(tmp_path / "wrong", text), "--api-id", "wrong")
    assert told.exit_code == 1
    assert told.output.startswith("Error: nothing was changed:\n" + str(tmp_path / "wrong"))
    assert said in told.output
    assert not plane.exists("/apis/wrong")


def test_sources_that_cannot_be_read(environment: dict[str, str], tmp_path: Path, address: str) -> None:
    assert "No such file" in run(environment, "openapi", tmp_path / "none", "--api-id", "x").output
    assert "could not be read" in run(environment, "openapi", "http://127.0.0.1:1/", "--api-id", "x").output
    (tmp_path / "binary").write_bytes(b"a\n\xff")
    told = run(environment, "openapi", tmp_path / "binary", "--api-id", "x").output
    assert "binary, line 2, column 1: this is not UTF-8" in told


@pytest.mark.parametrize(("options", "kind"), [([], "soap"), (["--soap-to-rest"], "http")])
def test_wsdl_in_several_files(
    environment: dict[str, str], plane: Plane, tmp_path: Path, options: list[str], kind: str
) -> None:
    for name, text in parted().items():
        file = tmp_path / name.removeprefix("http://shop.example/")
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    result = run(environment, "wsdl", tmp_path / "a" / "shop.wsdl", "--id", f"wsdl-{kind}", *options)
    assert result.exit_code == 0, result.output
    assert f"+ /apis/wsdl-{kind}: Shop at /wsdl-{kind}, 3 operations" in result.output
    assert plane.get(f"/apis/wsdl-{kind}")["properties"]["type"] == kind
    again = run(environment, "wsdl", tmp_path / "a" / "shop.wsdl", "--id", f"wsdl-{kind}", *options)
    assert again.output.startswith("="), again.output
    (tmp_path / "goods.xsd").unlink()
    result = run(environment, "wsdl", tmp_path / "a" / "shop.wsdl", "--id", "other")
    assert (result.exit_code, f"{tmp_path}/goods.xsd: No such file" in result.output) == (1, True)
