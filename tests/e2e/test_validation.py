"""Content validation as a team meets it: an OpenAPI document is imported, policies refuse what is not as it says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from house import House, Reply, request, wait_until

pytestmark = pytest.mark.e2e

PETS: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Pets"},
    "paths": {
        "/pets": {
            "post": {
                "operationId": "addPet",
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}},
                "responses": {"200": {"description": "ok"}},
            },
        },
        "/pets/{id}": {
            "get": {
                "operationId": "getPet",
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}},
                    {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 10}},
                ],
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}},
                },
            },
        },
    },
    "components": {
        "schemas": {
            "Pet": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "born": {"type": "string", "format": "date"}},
            },
        },
    },
}
POLICY = """<policies>
  <inbound><base />
    <validate-parameters specified-parameter-action="prevent" unspecified-parameter-action="prevent" />
    <validate-content unspecified-content-type-action="prevent" max-size="1000" size-exceeded-action="prevent" errors-variable-name="found">
      <content type="application/json" validate-as="json" action="{action}" {more} />
    </validate-content>
    <choose><when condition="@(context.Variables.ContainsKey("found"))">
      <set-header name="X-Found"><value>@((string)((JArray)context.Variables["found"])[0]["ValidationRule"])</value></set-header>
    </when></choose>
  </inbound>
  <backend><base /></backend><outbound><base /></outbound>
  <on-error><base /><set-header name="X-Reason"><value>@(context.LastError.Source + ": " + context.LastError.Reason)</value></set-header></on-error>
</policies>"""  # noqa: E501


def post(house: House, body: Any, kind: str = "application/json") -> Reply:
    return request(f"{house.gateways[0]}/pets/pets", "POST", {"Content-Type": kind}, body)


def test_an_imported_api_is_what_requests_are_held_against(house: House, backend: str) -> None:
    house.put(
        "/apis/pets",
        {
            "path": "pets",
            "serviceUrl": backend,
            "protocols": ["http", "https"],
            "subscriptionRequired": False,
            "format": "openapi+json",
            "value": json.dumps(PETS),
        },
    )
    found = house.arm("/apis/pets/schemas/components").json["properties"]["document"]["components"]["schemas"]
    assert found["Pet"] == PETS["components"]["schemas"]["Pet"]
    house.policy("/apis/pets", POLICY.format(action="prevent", more=""))
    house.link("pets")
    house.everywhere("/pets/pets/0", lambda reply: reply.status == 400)

    assert post(house, {"name": "Rex", "born": "2024-02-29"}).json["body"] == '{"name": "Rex", "born": "2024-02-29"}'
    missing = post(house, {"born": "2024-02-29"})
    assert missing.status == 400
    assert missing.headers["x-reason"] == "validate-content: Bad request"
    assert missing.json["message"].startswith(
        "Body of the request does not conform to the definition Pet, which is associated with the content type "
        "application/json. Required properties are missing from object: name."
    )
    assert post(house, {"name": "Rex", "born": "yesterday"}).status == 400
    assert post(house, b"hello", "text/plain").json["message"] == "Unspecified content type text/plain is not allowed."
    assert "exceeds the limit of 1000 bytes" in post(house, {"name": "x" * 1000}).json["message"]

    gateway = house.gateways[0]
    assert request(f"{gateway}/pets/pets/7?limit=10").status == 200
    for path, words in (
        ("/pets/pets/seven", "path parameter id couldn't be parsed"),
        ("/pets/pets/0", "path parameter id does not conform"),
        ("/pets/pets/7?limit=11", "query parameter limit does not conform"),
        ("/pets/pets/7?page=1", "Unspecified query parameter page is not allowed."),
    ):
        reply = request(gateway + path)
        assert (reply.status, words in reply.json["message"]) == (400, True), (path, reply.body)


def test_a_schema_of_the_service_and_its_change(house: House, backend: str) -> None:
    house.api("people", backend)
    house.put("/schemas/person", {"schemaType": "json", "document": {"type": "object", "required": ["name"]}})
    house.policy("/apis/people", POLICY.format(action="detect", more='schema-id="person"'))
    url = f"{house.gateways[0]}/people/x"
    json_type = {"Content-Type": "application/json"}
    found = wait_until(
        lambda: (reply := request(url, "POST", json_type, {})).status == 200 and reply.json["headers"].get("x-found")
    )
    assert found == "IncorrectMessage"
    house.put("/schemas/person", {"schemaType": "json", "document": {"type": "object"}})
    wait_until(lambda: "x-found" not in request(url, "POST", json_type, {}).json["headers"])
