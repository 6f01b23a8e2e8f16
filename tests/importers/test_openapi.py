"""OpenAPI 3.0 and 3.1: what becomes of operations, parameters, servers, bodies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from management.importers import ImportedOperation, ImportRefused, import_document

ORDERS = """
openapi: 3.0.3
info: {title: Orders, description: All about orders, version: 1.0}
servers:
  - url: http://plain.example.com
  - url: https://{region}.example.com/{version}
    variables: {region: {default: north}, version: {default: v1}}
paths:
  /orders/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: string, format: uuid}, description: Which order}
      - {name: trace, in: header, schema: {type: string}}
    get:
      operationId: Orders_Get!!
      summary: Read an order
      description: One order.
      parameters:
        - {name: expand, in: query, schema: {type: string, enum: [none, all, no], default: none}}
        - {name: view, in: query, required: true, schema: {type: [string, "null"]}}
        - {name: Trace, in: header, required: true, schema: {type: integer}}
        - {name: crumb, in: cookie, schema: {type: string}}
        - $ref: '#/components/parameters/Tenant'
      requestBody: {content: {application/json: {schema: {type: object}}}}
      responses:
        200:
          description: Found
          headers: {ETag: {description: Version, schema: {type: string}}}
          content:
            application/json:
              schema: {$ref: '#/components/schemas/Order'}
        4XX: {$ref: '#/components/responses/Problem'}
        default: {description: Never taken beside others}
      security: [{key: []}]
      callbacks: {}
    delete:
      responses: {204: {description: Gone}}
components:
  parameters:
    Tenant: {name: tenant, in: query, schema: {type: integer, default: 3}}
  responses:
    Problem:
      description: Problem
      content: {application/problem+json: {example: {code: no}}}
  schemas:
    Order:
      type: object
      properties:
        id: {type: string, format: uuid}
        total: {type: number, example: 9.5}
        parent: {$ref: '#/components/schemas/Order'}
        lines: {type: array, items: {$ref: '#/components/schemas/Line'}}
    Line:
      allOf:
        - {type: object, properties: {sku: {type: string}}}
        - {type: object, properties: {order: {$ref: '#/components/schemas/Order'}, gift: {type: boolean}}}
"""


def operations(document: str, **options: Any) -> dict[str, ImportedOperation]:
    return {operation.id: operation for operation in import_document(document, "openapi", **options).operations}


def document(**paths: Any) -> str:
    """A small document; `paths` by operation name: a path item that stands at "/<name>"."""
    items = {f"/{name}": item for name, item in paths.items()}
    return json.dumps({"openapi": "3.1.0", "info": {"title": "T"}, "paths": items})


def test_the_api() -> None:
    api = import_document(ORDERS, "openapi")
    assert (api.display_name, api.description) == ("Orders", "All about orders")
    assert api.service_url == "https://north.example.com/v1"
    assert list(api.schemas)[:2] == ["Order", "Line"]
    assert api.schemas["Line"]["allOf"][1]["properties"]["order"] == {"$ref": "#/components/schemas/Order"}


def test_an_operation() -> None:
    properties = operations(ORDERS)["orders-get"].properties
    assert properties["displayName"] == "Read an order"
    assert properties["description"] == "One order."
    assert properties["method"] == "GET"
    assert properties["urlTemplate"] == "/orders/{id}?view={view}"
    assert properties["templateParameters"] == [
        {
            "name": "id",
            "description": "Which order",
            "type": "string",
            "required": True,
            "values": [],
            "schemaId": "components",
            "typeName": "Orders-Id-id-GetRequest",
        },
        {
            "name": "view",
            "description": "",
            "type": "string",
            "required": True,
            "values": [],
            "schemaId": "components",
            "typeName": "Orders-Id-view-GetRequest",
        },
    ]
    request = properties["request"]
    assert request["representations"] == [], "GET has no body"
    assert [(p["name"], p["type"], p["required"]) for p in request["headers"]] == [("Trace", "integer", True)]
    expand, tenant = request["queryParameters"]
    assert expand["values"] == ["none", "all", "no"]
    assert expand["defaultValue"] == "none"
    assert (tenant["name"], tenant["defaultValue"]) == ("tenant", "3")


def test_responses_and_their_examples() -> None:
    found, problem = operations(ORDERS)["orders-get"].properties["responses"]
    assert (found["statusCode"], found["description"]) == (200, "Found")
    assert [header["name"] for header in found["headers"]] == ["ETag"]
    (representation,) = found["representations"]
    assert representation["typeName"] == "Order"
    assert representation["examples"]["default"]["value"] == {
        "id": "00000000-0000-0000-0000-000000000000",
        "total": 9.5,
        "lines": [{"sku": "string", "gift": True}],
    }
    assert problem["statusCode"] == 400
    assert problem["representations"] == [
        {"contentType": "application/problem+json", "examples": {"default": {"value": {"code": "no"}}}}
    ]


def test_required_query_parameters_may_stay_in_the_query() -> None:
    properties = operations(ORDERS, required_query="query")["orders-get"].properties
    assert properties["urlTemplate"] == "/orders/{id}"
    assert [p["name"] for p in properties["request"]["queryParameters"]] == ["expand", "view", "tenant"]


def test_names() -> None:
    long = "x" * 100
    item = {"get": {"operationId": "a b"}, "post": {"operationId": "A--B"}, "put": {"operationId": long}}
    names = list(operations(document(first=item, second={"patch": {"operationId": long}, "get": {}})))
    # The order is that of METHODS within a path.
    assert names == ["a-b", "x" * 76, "a-b-1", "get-second", "x" * 76 + "-1"]


def test_every_method_of_openapi_is_taken() -> None:
    methods = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
    item = {method: {"responses": {}} for method in methods}
    assert set(operations(document(x=item))) == {f"{method}-x" for method in methods}


def test_a_name_from_method_and_path() -> None:
    text = document(**{"foo/{bar}": {"get": {"operationId": "", "parameters": []}}})
    (operation,) = operations(text).values()
    assert operation.id == "get-foo-bar"
    assert operation.properties["displayName"] == "get-foo-bar"


def test_display_names_are_cut_at_300() -> None:
    (operation,) = operations(document(x={"get": {"summary": "s" * 400}})).values()
    assert operation.properties["displayName"] == "s" * 300


def test_paths_told_apart_by_their_query() -> None:
    text = json.dumps(
        {
            "openapi": "3.0.1",
            "paths": {},
            "x-ms-paths": {
                "/find?by={by}": {"get": {"parameters": [{"name": "by", "in": "query", "required": True}]}},
                "/find?op=all": {"get": {"parameters": [{"name": "page", "in": "query", "required": True}]}},
            },
        }
    )
    assert [operation.properties["urlTemplate"] for operation in operations(text).values()] == [
        "/find?by={by}",
        "/find?op=all&page={page}",
    ]


@pytest.mark.parametrize(
    ("servers", "expected"),
    [
        ([], None),
        ([{"url": "/relative"}, {"url": "http://plain.example.com"}], None),
        ([{"url": "HTTPS://one.example.com"}, {"url": "https://two.example.com"}], "HTTPS://one.example.com"),
    ],
)
def test_the_service_url_is_the_first_https_server(servers: list[Any], expected: str | None) -> None:
    assert import_document({"openapi": "3.0.0", "servers": servers, "paths": {}}, "openapi").service_url == expected


def test_a_lone_default_response_stands_for_200() -> None:
    (operation,) = operations(document(x={"get": {"responses": {"default": {"description": "All"}}}})).values()
    assert [response["statusCode"] for response in operation.properties["responses"]] == [200]


def test_a_body_is_kept_where_there_may_be_one() -> None:
    body = {"description": "New", "content": {"application/json": {"schema": {"type": "integer"}}, "text/csv": {}}}
    item = {"post": {"requestBody": body}, "head": {"requestBody": body}, "options": {"requestBody": body}}
    requests = {one.properties["method"]: one.properties["request"] for one in operations(document(x=item)).values()}
    assert requests["POST"]["description"] == "New"
    assert requests["POST"]["representations"] == [
        {
            "contentType": "application/json",
            "schemaId": "components",
            "typeName": "XPostApplicationJsonRequest",
            "examples": {"default": {"value": 0}},
        },
        {"contentType": "text/csv"},
    ]
    assert requests["HEAD"]["representations"] == requests["OPTIONS"]["representations"] == []


@pytest.mark.parametrize(
    ("item", "words", "target"),
    [
        ({"get": {"parameters": [{"name": "y", "in": "path"}]}}, "not part of the URL template", "#/paths/~1x/get"),
        ({"get": {"parameters": [{"in": "query"}]}}, "no name", "#/paths/~1x/get/parameters"),
        ({"get": {"parameters": {}, "responses": []}}, "", ""),
        ({"get": []}, "object", "#/paths/~1x/get"),
        ({"$ref": "https://example.com/x.json"}, "leaves the document", "#/paths/~1x"),
        ({"get": {"responses": {"200": {"$ref": "#/components/x"}}}}, "nothing", "#/paths/~1x/get/responses/200"),
    ],
)
def test_what_is_refused_is_named(item: Any, words: str, target: str) -> None:
    if not words:
        assert len(operations(document(x=item))) == 1
        return
    with pytest.raises(ImportRefused, match=words) as refused:
        operations(document(x=item))
    assert refused.value.target == target


def test_a_name_may_stand_in_the_template_only_once() -> None:
    parameters = [{"name": "id", "in": place, "required": True} for place in ("path", "query")]
    with pytest.raises(ImportRefused, match="unique"):
        operations(document(**{"x/{id}": {"get": {"parameters": parameters}}}))


def test_references_in_a_circle() -> None:
    text = json.dumps(
        {
            "openapi": "3.0.0",
            "paths": {"/x": {"get": {"parameters": [{"$ref": "#/components/parameters/A"}]}}},
            "components": {"parameters": {"A": {"$ref": "#/components/parameters/A"}}},
        }
    )
    with pytest.raises(ImportRefused, match="circle"):
        import_document(text, "openapi")


@pytest.mark.parametrize("text", ["openapi: 4.0.0", "info: {}", '{"swagger": "1.2"}'])
def test_an_unknown_version_is_refused(text: str) -> None:
    with pytest.raises(ImportRefused, match="says neither"):
        import_document(text, "openapi")


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ImportRefused, match="wsdl") as refused:
        import_document("<x/>", "wsdl")
    assert refused.value.target == "format"


def test_documents_written_by_others(samples: Path) -> None:
    """Each description of the sample repository; its policies hang on these operation names."""
    seen = 0
    for path in samples.glob("*/specification.*"):
        if path.suffix not in (".yaml", ".json"):
            continue
        api = import_document(path.read_bytes(), "openapi" if path.suffix == ".yaml" else "openapi+json")
        assert api.operations
        assert api.service_url
        policies = path.parent / "operations"
        wanted = {folder.name for folder in policies.iterdir()} if policies.is_dir() else set()
        assert wanted <= {operation.id for operation in api.operations}
        seen += 1
    assert seen >= 5


@pytest.mark.parametrize("head", [{"openapi": "3.0.0"}, {"swagger": "2.0"}])
def test_half_a_document_is_refused(head: dict[str, str]) -> None:
    with pytest.raises(ImportRefused, match='no "paths"') as refused:
        import_document(json.dumps({**head, "info": {"title": "T", "version": "1"}}), "openapi")
    assert refused.value.target == "#/paths"
