"""A GraphQL API as a team makes it: through the ARM API, and queries through the gateway."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from graphql import build_schema, graphql_sync
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
    expected = {"data": {"echo": {"method": "GET", "path": "/echo/7", "again": {"body": "/echo/7"}}}}
    wait_until(lambda: ask(house, "made", query, id=7).json == expected, what="the answer of both resolvers")
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


def client(house: House) -> Any:
    """The unmodified Azure client, on loopback without TLS."""
    from azure.core.credentials import AzureKeyCredential
    from azure.core.pipeline.policies import AzureKeyCredentialPolicy
    from azure.mgmt.apimanagement import ApiManagementClient

    key: Any = AzureKeyCredential(house.info["token"])
    policy = AzureKeyCredentialPolicy(key, "Authorization", prefix="Bearer")
    return ApiManagementClient(
        key, "00000000-0000-0000-0000-000000000000", base_url=house.info["management"], authentication_policy=policy
    )


@contextlib.contextmanager
def server() -> Iterator[str]:
    """A GraphQL server: its schema can be asked for, and `hello` is who was greeted."""
    schema = build_schema('type Query { "Greets" hello(who: String = "you"): String }')

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            root = {"hello": lambda info, who: f"hello {who}"}
            result = graphql_sync(schema, asked["query"], root, variable_values=asked.get("variables"))
            content = json.dumps(result.formatted).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}/graphql"
        listening.shutdown()


def test_with_the_azure_client(house: House) -> None:
    """An import by link is served at once; a changed schema within a poll; a broken one is refused with its place."""
    place = ("local", "passerelle", "linked")
    with client(house) as azure, server() as url:
        asked = {"path": "linked", "format": "graphql-link", "value": url, "subscriptionRequired": False}
        body: Any = {"properties": {**asked, "protocols": ["http", "https"]}}
        made = azure.api.begin_create_or_update(*place, json.dumps(body).encode()).result()
        assert (made.api_type, made.service_url) == ("graphql", url)
        house.link("linked")
        house.policy("/apis/linked", POLICY)
        answer = wait_until(lambda: (r := ask(house, "linked", "{ hello }")).status == 200 and r, what="an answer")
        assert answer.json == {"data": {"hello": "hello you"}}
        assert ask(house, "linked", "{ bye }").status == 400

        held = azure.api_schema.get(*place, "graphql").as_dict()["value"]
        changed = held.replace("hello(", "bye: String\n  hello(")
        kind = "application/vnd.ms-azure-apim.graphql.schema"
        put = azure.api_schema.begin_create_or_update
        put(*place, "graphql", {"properties": {"contentType": kind, "document": {"value": changed}}}).result()
        wait_until(
            lambda: b"bye" not in (r := ask(house, "linked", "{ bye }")).body or r.status == 200, what="the schema"
        )
        broken = {"properties": {"contentType": kind, "document": {"value": "type Query {\n  a: Missing\n}"}}}
        with pytest.raises(HttpResponseError, match="line 2, column 6: Unknown type 'Missing'"):
            put(*place, "graphql", broken).result()
        assert azure.api_schema.get(*place, "graphql").as_dict()["value"] == changed
        assert ask(house, "linked", "{ hello }").status == 200
