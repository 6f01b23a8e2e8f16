"""GraphQL APIs: where they are found, what is kept when configuration changes, and queries that mean harm."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from multidict import CIMultiDict

from passerelle.cases.world import World, content
from proxy.config.gateway import Gateway, build
from proxy.config.resources import Resource
from proxy.errors import OperationNotFound
from proxy.exchange import Exchange
from proxy.graphql.schema import read_schema
from proxy.pipeline.run import execute
from tests.cpu import cpu

SCHEMA = "type Query { users: [User] hello: String } type User { id: ID! friends: [User] }"
USERS = (
    "<http-data-source><http-request><set-method>GET</set-method><set-url>https://data.example/users</set-url>"
    "</http-request></http-data-source>"
)


def resource(id: str, **body: Any) -> Resource:
    return Resource(id, hashlib.sha256(json.dumps(body).encode()).hexdigest(), body)


def configuration(schema: str = SCHEMA, policy: str = USERS) -> dict[str, Resource]:
    kind = "application/vnd.ms-azure-apim.graphql.schema"
    listed = (
        resource("/apis/g", displayName="G", path="g", type="graphql", subscriptionRequired=False),
        resource("/apis/g/schemas/graphql", contentType=kind, document={"value": schema}),
        resource("/apis/g/resolvers/users", displayName="users", path="Query/users"),
        resource("/apis/g/resolvers/users/policies/policy", format="rawxml", value=policy),
    )
    return {each.id: each for each in listed}


async def ask(gateway: Gateway, query: str) -> tuple[World, Exchange]:
    world = World()
    world.transport.answers = [{"body": [{"id": 1}]}]
    exchange = world.exchange("POST", "/", body=json.dumps({"query": query}), service_url=None)
    exchange.api = gateway.entries["g"].api
    await execute(gateway.pipeline(None, exchange.api, None), exchange)
    return world, exchange


def test_it_takes_get_and_post_at_its_path_and_upgrades() -> None:
    gateway, issues = build(configuration())
    assert not issues
    none: CIMultiDict[str] = CIMultiDict()
    preflight = CIMultiDict({"Origin": "https://x", "Access-Control-Request-Method": "POST"})
    for method in ("GET", "POST"):
        for path in ("/g", "/g/"):
            found = gateway.routes.match(method, path, "", none)
            assert (found.operation.id, found.path) == ("graphql", "")
    assert gateway.routes.match("OPTIONS", "/g", "", preflight).preflight
    assert gateway.routes.match("GET", "/g", "", none, upgrade=True).operation.id == "onHandshake"
    for method, path in (("PUT", "/g"), ("POST", "/g/more"), ("OPTIONS", "/g")):
        with pytest.raises(OperationNotFound):
            gateway.routes.match(method, path, "", none)


async def test_what_did_not_change_is_kept_and_a_broken_schema_leaves_the_last_good_one() -> None:
    before, _ = build(configuration())
    untouched, _ = build({**before.resources, "/": resource("/", name="s")}, before)
    assert untouched.graphs["g"] is before.graphs["g"]
    broken, issues = build({**before.resources, **configuration("type Query { a: Missing }")}, before)
    assert [(each.resource_id, "Missing" in each.message) for each in issues] == [("/apis/g/schemas/graphql", True)]
    _, exchange = await ask(broken, "{ users { id } }")
    assert exchange.response is not None
    assert json.loads(await content(exchange.response)) == {"data": {"users": [{"id": "1"}]}}
    first, _ = build(configuration("type Query { a: Missing }"))
    _, exchange = await ask(first, "{ users { id } }")
    assert exchange.response is not None
    assert exchange.response.status == 500


async def test_a_resolver_of_no_field_is_reported_until_the_schema_has_it() -> None:
    stranger = resource("/apis/g/resolvers/more", displayName="more", path="Query/more")
    before, issues = build({**configuration(), stranger.id: stranger})
    assert [(each.resource_id, "no field 'more'" in each.message) for each in issues] == [(stranger.id, True)]
    grown = configuration(SCHEMA.replace("hello", "more: String hello"))
    after, issues = build({**before.resources, **grown}, before)
    assert not issues
    renamed = "schema { query: Root } type Root { users: [User] more: Int } type User { id: ID! }"
    assert not build({**after.resources, **configuration(renamed)}, after)[1]


def test_a_second_resolver_of_a_field_is_reported() -> None:
    twin = resource("/apis/g/resolvers/zweiter", displayName="twin", path="Query/users")
    gateway, issues = build({**configuration(), twin.id: twin})
    assert [(each.resource_id, "/apis/g/resolvers/users resolves" in each.message) for each in issues] == [
        (twin.id, True)
    ]
    assert gateway.graphs["g"].graph.resolvers[("Query", "users")].steps


@pytest.mark.parametrize(
    "text",
    [
        'extend type Query { users: [U!] @external } type U @key(fields: "id") { id: ID! } extend enum E { A }',
        'interface I { id: ID } type U implements I { id: ID @deprecated } type Query { "a" users: [U] users: [U] }',
    ],
    ids=["subgraph", "liberties"],
)
async def test_schemas_as_they_are_published(text: str) -> None:
    gateway, issues = build(configuration(text))
    assert not issues
    _, exchange = await ask(gateway, "{ users { id } }")
    assert exchange.response is not None
    assert json.loads(await content(exchange.response)) == {"data": {"users": [{"id": "1"}]}}


@pytest.mark.parametrize(
    "query",
    [
        "{a" * 5000,
        "{users" + "{friends" * 900 + "{id" + "}" * 902,
        "{hello(x:" + "[" * 3000 + "]" * 3000 + ")}",
        "{" + "users{id} " * 4000 + "}",
        "query{...F0}" + "".join(f" fragment F{i} on Query{{...F{(i + 1) % 50}}}" for i in range(50)),
        "# " * 200_000 + "\n{",
    ],
    ids=["open", "deep", "nested argument", "the same field", "fragments in a circle", "comment"],
)
async def test_a_hostile_query_is_refused_soon(query: str) -> None:
    gateway, _ = build(configuration())
    with cpu(5):
        world, exchange = await ask(gateway, query)
        assert exchange.response is not None
        assert exchange.response.status == 400
        assert "errors" in json.loads(await content(exchange.response))
        assert not world.transport.sent


async def test_the_calls_of_resolvers_are_bounded() -> None:
    gateway, _ = build(configuration())
    world, exchange = await ask(gateway, "{" + " ".join(f"a{number}: users {{ id }}" for number in range(1100)) + "}")
    assert exchange.response is not None
    answer = json.loads(await content(exchange.response))
    assert len(world.transport.sent) == 1000
    assert len(answer["errors"]) == 100


def test_the_first_of_very_many_problems_is_told_at_once() -> None:
    """What each of 20,000 unknown names might have meant would take hours to find out."""
    types = "\n".join(f"type Type{number} {{ field: Unknown{number} }}" for number in range(20_000))
    with pytest.raises(ValueError, match="line 1, column 21: Unknown type 'Unknown0'"):
        read_schema(types)
