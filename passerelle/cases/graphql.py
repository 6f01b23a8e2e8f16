"""The GraphQL API of a table's row: its schema, and resolvers as documents of their own.

schema      text in the schema definition language; without it the API has none
resolvers   documents by the path of the field: "Query/users"
backend     URL of the API's own backend; without it there is none
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proxy.exchange import Exchange
from proxy.messages import Url
from proxy.pipeline.compile import CompiledDocument, Environment, Scope, compile_document
from proxy.pipeline.link import FORWARD
from proxy.pipeline.registry import BACKEND
from proxy.pipeline.steps import Step


def resolver_documents(api: Mapping[str, Any], environment: Environment) -> list[CompiledDocument]:
    """Whatever comes of the documents, issues included."""
    return [
        compile_document(text, Scope("resolver", f"/apis/shop/resolvers/{number}"), environment)
        for number, text in enumerate(api.get("resolvers", {}).values(), 1)
    ]


def enter(exchange: Exchange, api: Mapping[str, Any], environment: Environment) -> None:
    """Have the exchange be a request of this API."""
    from proxy.graphql.graph import Graph, Resolver
    from proxy.graphql.schema import read_schema

    resolvers = {}
    for path, document in zip(api.get("resolvers", {}), resolver_documents(api, environment), strict=True):
        kind, _, name = path.partition("/")
        steps = tuple(step for step in document.sections.get(BACKEND, ()) if isinstance(step, Step))
        resolvers[kind, name] = Resolver(steps, document.lasting, "" if steps else "It has no steps.")
    schema = read_schema(api["schema"]) if "schema" in api else None
    exchange.graph = Graph(schema, resolvers, FORWARD)
    exchange.request.base = Url.parse(api["backend"]) if "backend" in api else None
