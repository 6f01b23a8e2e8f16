"""Schemas in a gateway: made ready when configuration is applied, kept while they stay the same, never fatal."""

from __future__ import annotations

from typing import Any

import pytest
from sidecar_harness import FORWARD, api, policy, resource

from proxy.config.gateway import Gateway, build
from proxy.config.resources import Resource
from proxy.schemas import library
from proxy.schemas.flatten import Reading

COMPONENTS = {"schemas": {"Pet": {"type": "object"}, "Broken": {"$ref": "#/components/schemas/None"}}}
CONTENT = (
    "<policies><inbound>"
    '<validate-content unspecified-content-type-action="prevent" max-size="10" size-exceeded-action="prevent">'
    '<content validate-as="json" action="prevent" {} /></validate-content>'
    "</inbound></policies>"
)


def held(*resources: Resource) -> dict[str, Resource]:
    return {each.id: each for each in resources}


def shop(name: str = "shop", type_name: str = "Pet", components: dict[str, Any] | None = None) -> list[Resource]:
    """An API with one operation that has a body."""
    body = {"contentType": "application/json", "schemaId": "components", "typeName": type_name}
    return [
        api(name, "http://backend"),
        resource(
            f"/apis/{name}/operations/add",
            {"displayName": "add", "method": "POST", "urlTemplate": "/", "request": {"representations": [body]}},
        ),
        resource(
            f"/apis/{name}/schemas/components",
            {
                "contentType": "application/vnd.oai.openapi.components+json",
                "document": {"components": components or COMPONENTS},
            },
        ),
    ]


def made(gateway: Gateway, name: str = "shop") -> list[Any]:
    """What was asked of the library of an API."""
    return [key for key in gateway.entries[name].api.schemas._made if key[0] != "bundle"]


WANTED = ("components", "/components/schemas/Pet", Reading())


def test_nothing_is_made_that_no_policy_asks_for() -> None:
    gateway, issues = build(held(policy("", FORWARD), *shop()))
    assert not issues
    assert made(gateway) == []


@pytest.mark.parametrize("owner", ["", "/products/all", "/apis/shop", "/apis/shop/operations/add"])
def test_what_a_policy_will_ask_for_is_made_before(owner: str) -> None:
    resources = held(
        *shop(),
        *shop("other"),
        resource("/products/all", {"displayName": "All", "state": "published"}),
        resource("/products/all/apis/shop", {}),
        policy(owner, CONTENT.format("")),
    )
    gateway, issues = build(resources)
    assert not issues
    assert made(gateway) == [WANTED]
    assert made(gateway, "other") == ([WANTED] if owner == "" else [])


def test_an_api_that_joins_a_product_later_is_made_ready() -> None:
    first = held(
        *shop(),
        resource("/products/all", {"displayName": "All", "state": "published"}),
        policy("/products/all", CONTENT.format("")),
    )
    before, _ = build(first)
    assert made(before) == []
    after, _ = build({**first, **held(resource("/products/all/apis/shop", {}))}, before)
    assert made(after) == [WANTED]


def test_validators_are_kept_until_their_schemas_change() -> None:
    first = held(*shop(), policy("/apis/shop", CONTENT.format("")))
    before, _ = build(first)
    kept = before.entries["shop"].api.schemas
    operation = resource("/apis/shop/operations/get", {"displayName": "get", "method": "GET", "urlTemplate": "/x"})
    after, _ = build({**first, operation.id: operation, **held(api("shop", "http://elsewhere"))}, before)
    assert after.entries["shop"].api.schemas is kept
    changed = shop(components={"schemas": {"Pet": {"type": "string"}}})[2]
    again, _ = build({**after.resources, changed.id: changed}, after)
    assert again.entries["shop"].api.schemas is not kept
    assert made(again) == [WANTED]


def test_a_definition_that_cannot_be_used_is_told_and_the_rest_serves() -> None:
    gateway, issues = build(held(*shop(type_name="Broken"), *shop("other"), policy("", CONTENT.format(""))))
    assert [(each.resource_id, each.message) for each in issues] == [
        ("/apis/shop/schemas/components", "The reference '#/components/schemas/None' points at nothing.")
    ]
    assert made(gateway, "other") == [WANTED]


def test_a_schema_that_cannot_be_read_is_left_out_and_told() -> None:
    resources = [*shop(), resource("/schemas/bad", {"schemaType": "json", "value": "{"})]
    resources[2] = resource("/apis/shop/schemas/components", {"contentType": "application/json", "document": 7})
    gateway, issues = build(held(*resources))
    assert sorted(each.resource_id for each in issues) == ["/apis/shop/schemas/components", "/schemas/bad"]
    assert gateway.entries["shop"].api.schemas.documents == {}


def test_a_schema_of_the_service_is_compiled_into_its_policies() -> None:
    person = resource("/schemas/person", {"schemaType": "json", "document": {"type": "object"}})
    first = held(*shop(), policy("/apis/shop", CONTENT.format('schema-id="person"')), person, policy("", FORWARD))
    before, issues = build(first)
    assert not issues
    other = resource("/schemas/person", {"schemaType": "json", "document": {"$ref": "#/none"}})
    after, issues = build({**first, other.id: other}, before)
    assert [each.resource_id for each in issues] == ["/apis/shop/policies/policy"]
    assert "Schema 'person' cannot be used here." in issues[0].message
    name = "/apis/shop/policies/policy"
    assert after.documents[name].compiled is before.documents[name].compiled, "the last good one stays in force"
    assert after.documents["/policies/policy"] is before.documents["/policies/policy"]


def test_reading_documents() -> None:
    definitions = {"contentType": "application/vnd.ms-azure-apim.swagger.definitions+json"}
    for document in ({"definitions": {"Pet": {}}}, {"value": '{"Pet": {}}'}, {"value": '{"definitions": {"Pet": {}}}'}):
        assert library.read_document({**definitions, "document": document}).pointer("Pet") is not None
    one = {**definitions, "document": {"value": '{"type": "object"}'}}
    assert library.read_document(one).pointer("Pet") == "", "it is the type itself"
    assert library.read_document({**definitions, "document": {"definitions": {}}}).pointer("Pet") is None
    read = library.read_document(
        {"contentType": "application/vnd.ms-azure-apim.xsd+xml", "document": {"value": "<a/>"}}
    )
    assert (read.kind, read.text) == ("xml", "<a/>")
    for kind in ("text/protobuf", "application/vnd.ms-azure-apim.wadl.grammars+xml"):
        assert library.read_document({"contentType": kind, "document": {"value": "x"}}).kind == ""
