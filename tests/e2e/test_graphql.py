"""A GraphQL API as a team makes it: through the ARM API, and queries through the gateway."""

from __future__ import annotations

from typing import Any

import pytest
from house import House, Reply, request, wait_until

pytestmark = pytest.mark.e2e

SCHEMA = """
type Query { echo(id: ID!): Echo hello: String }
type Echo { method: String! path: String! body: String again: Echo }
"""
ECHO = """<http-data-source>
  <http-request>
    <set-method>GET</set-method>
    <set-url>@($"{backend}/echo/{context.GraphQL.Arguments["id"]}")</set-url>
  </http-request>
</http-data-source>"""
AGAIN = """<http-data-source>
  <http-request>
    <set-method>POST</set-method>
    <set-url>{backend}/again</set-url>
    <set-body>@((string)context.GraphQL.Parent["path"])</set-body>
  </http-request>
</http-data-source>"""
POLICY = """<policies><inbound><base />
  <validate-graphql-request error-variable-name="errors" max-size="1000" max-depth="2">
    <authorize><rule path="/__*" action="reject" /></authorize>
  </validate-graphql-request>
</inbound><backend><base /></backend><outbound><base /></outbound></policies>"""


def ask(house: House, api: str, query: str, **variables: Any) -> Reply:
    return request(f"{house.gateways[0]}/{api}", "POST", body={"query": query, "variables": variables})


def make(house: House, name: str, backend: str | None = None) -> None:
    properties = {"displayName": name, "path": name, "type": "graphql", "subscriptionRequired": False}
    address = {"serviceUrl": backend} if backend else {}
    house.put(f"/apis/{name}", {**properties, **address, "protocols": ["http", "https"]})
    kind = "application/vnd.ms-azure-apim.graphql.schema"
    house.put(f"/apis/{name}/schemas/graphql", {"contentType": kind, "document": {"value": SCHEMA}})
    house.link(name)


def resolver(house: House, api: str, name: str, path: str, policy: str) -> None:
    house.put(f"/apis/{api}/resolvers/{name}", {"displayName": name, "path": path})
    house.policy(f"/apis/{api}/resolvers/{name}", policy)


def test_a_synthetic_api_and_its_changes(house: House, backend: str) -> None:
    make(house, "made")
    resolver(house, "made", "echo", "Query/echo", ECHO.replace("{backend}", backend))
    resolver(house, "made", "again", "Echo/again", AGAIN.replace("{backend}", backend))
    query = "query($id: ID!) { echo(id: $id) { method path again { body } } }"
    answer = wait_until(lambda: (r := ask(house, "made", query, id=7)).status == 200 and r, what="an answer")
    assert answer.json == {"data": {"echo": {"method": "GET", "path": "/echo/7", "again": {"body": "/echo/7"}}}}
    assert ask(house, "made", "{ __schema { queryType { name } } }").json["data"]["__schema"]["queryType"]["name"]
    assert ask(house, "made", "{ nothing }").status == 400

    house.policy("/apis/made", POLICY)
    wait_until(lambda: ask(house, "made", query, id=7).status == 400, what="the policy")
    assert "errors" in ask(house, "made", "{ __schema { queryType { name } } }").json
    assert ask(house, "made", "{ hello }").json == {"data": {"hello": None}}

    house.delete("/apis/made/resolvers/echo")
    shallow = "{ echo(id: 1) { path } }"
    wait_until(lambda: ask(house, "made", shallow).json == {"data": {"echo": None}}, what="the resolver to go")


def test_a_pass_through_api(house: House, backend: str) -> None:
    make(house, "through", f"{backend}/graphql")
    house.policy("/apis/through", POLICY)
    answer = wait_until(lambda: (r := ask(house, "through", "{ hello }")).status == 200 and r, what="an answer")
    assert answer.json["path"] == "/graphql"
    wait_until(lambda: ask(house, "through", "{ nothing }").status == 400, what="the policy")


def test_what_cannot_be_used_is_refused_when_it_is_put(house: House) -> None:
    make(house, "strict")
    kind = "application/vnd.ms-azure-apim.graphql.schema"
    schema = {"contentType": kind, "document": {"value": "type Query { a: Missing }"}}
    bad = house.arm("/apis/strict/schemas/other", "PUT", {"properties": schema})
    assert (bad.status, "Missing" in bad.json["error"]["message"] + str(bad.json)) == (400, True)
    bad = house.arm("/apis/strict/resolvers/r", "PUT", {"properties": {"displayName": "r", "path": "users"}})
    assert bad.status == 400
    house.put("/apis/strict/resolvers/r", {"displayName": "r", "path": "Query/hello"})
    policy = {"format": "rawxml", "value": "<sql-data-source />"}
    bad = house.arm("/apis/strict/resolvers/r/policies/policy", "PUT", {"properties": policy})
    assert (bad.status, "SQL Server" in str(bad.json)) == (400, True)
