"""The GraphQL APIs of a configuration: their schemas and resolvers, made when one of these changed.

A schema that cannot be read is an issue of its resource; the last good one of the API stays in force.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from proxy.config.documents import SUFFIX, Document
from proxy.config.resources import Resource, ResourceIssue
from proxy.errors import Origin
from proxy.pipeline.link import FORWARD, Pipeline
from proxy.pipeline.registry import BACKEND, INBOUND
from proxy.pipeline.steps import Step
from proxy.routing import ApiEntry

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.graphql.graph import Graph, Resolver

log = logging.getLogger("proxy.config")

SCHEMA = "application/vnd.ms-azure-apim.graphql.schema"


@dataclass(slots=True, frozen=True)
class GraphEntry:
    """A GraphQL API. `sources` are what it was made of; it is kept while these are the same objects."""

    sources: tuple[object, ...]
    graph: Graph
    step: Step  # tells requests that they are for it

    def first_in(self, pipeline: Pipeline) -> Pipeline:
        return replace(pipeline, inbound=(self.step, *pipeline.inbound))


def graphs(
    shelves: Mapping[str, Mapping[str, Resource]],
    entries: Mapping[str, ApiEntry],
    documents: Mapping[str, Document],
    held: Mapping[str, GraphEntry],
    unread: Mapping[str, ResourceIssue],
) -> Mapping[str, GraphEntry]:
    """The GraphQL APIs by key; `held` itself when there is nothing new."""
    made: dict[str, GraphEntry] = {}
    for key, entry in entries.items():
        if entry.api.type == "graphql":
            schema, resolvers = _of(key, shelves.get(f"apis/{key}", {}))
            compiled = tuple(documents.get(each.id + SUFFIX) for each in resolvers)
            sources = (schema, *resolvers, *compiled)
            before = held.get(key)
            kept = before is not None and len(before.sources) == len(sources)
            kept = kept and before is not None and all(a is b for a, b in zip(before.sources, sources, strict=True))
            if kept and before is not None:
                made[key] = before
            else:
                assert isinstance(unread, dict)
                for each in resolvers:
                    unread.pop(each.id, None)
                made[key] = _entry(sources, schema, dict(_resolvers(resolvers, compiled, unread)), before, unread)
                _tell_strangers(made[key].graph, resolvers, unread)
    return made


def _of(key: str, shelf: Mapping[str, Resource]) -> tuple[Resource | None, list[Resource]]:
    """The API's GraphQL schema, and its resolvers."""
    schemas, resolvers = f"/apis/{key}/schemas/", f"/apis/{key}/resolvers/"
    schema = None
    for name, resource in shelf.items():
        kind = str(resource.body.get("contentType") or "").partition(";")[0].strip().lower()
        if name.startswith(schemas) and kind == SCHEMA:
            schema = resource
    return schema, [resource for name, resource in sorted(shelf.items()) if name.startswith(resolvers)]


def _resolvers(
    resources: list[Resource], compiled: tuple[Document | None, ...], unread: dict[str, ResourceIssue]
) -> Iterator[tuple[tuple[str, str], Resolver]]:
    from proxy.graphql.graph import Resolver

    taken: dict[tuple[str, str], str] = {}
    for resource, document in zip(resources, compiled, strict=True):
        kind, _, name = str(resource.body.get("path") or "").strip("/").partition("/")
        if not kind or not name:
            message = "The path of a resolver is Type/field, such as Query/users."
            unread[resource.id] = ResourceIssue(resource.id, 0, 0, "", message)
        elif (other := taken.setdefault((kind, name), resource.id)) != resource.id:
            message = f"{other} resolves '{kind}/{name}' already, so that this resolver never runs."
            unread[resource.id] = ResourceIssue(resource.id, 0, 0, "", message)
        elif document is None:
            yield (kind, name), Resolver((), problem=f"Resolver {resource.id} has no policy.")
        else:
            steps = tuple(step for step in document.compiled.sections.get(BACKEND, ()) if isinstance(step, Step))
            wrong = document.compiled.broken or not steps
            problem = f"The policy of resolver {resource.id} cannot be run." if wrong else ""
            yield (kind, name), Resolver(() if wrong else steps, document.compiled.lasting, problem)


def _entry(
    sources: tuple[object, ...],
    schema: Resource | None,
    resolvers: dict[tuple[str, str], Resolver],
    before: GraphEntry | None,
    unread: dict[str, ResourceIssue],
) -> GraphEntry:
    from proxy.graphql.graph import Graph
    from proxy.graphql.schema import read_schema

    made, problem = None, ""
    if schema is not None:
        if before is not None and before.sources[0] is schema and before.graph.schema is not None:
            made = before.graph.schema
        else:
            try:
                made = read_schema(schema_text(schema.body))
            except ValueError as wrong:
                problem = f"The GraphQL schema cannot be read: {wrong}"
                log.error("%s: %s", schema.id, problem)
                unread[schema.id] = ResourceIssue(schema.id, 0, 0, "", problem)
                made = before.graph.schema if before is not None else None
    graph = Graph(made, resolvers, FORWARD, problem)

    def attach(exchange: Exchange) -> None:
        exchange.graph = graph

    return GraphEntry(sources, graph, Step.of(attach, Origin("graphql", "api", INBOUND, "graphql")))


def _tell_strangers(graph: Graph, resolvers: list[Resource], unread: dict[str, ResourceIssue]) -> None:
    """Report the resolvers of fields that the schema does not have: they never run."""
    for resource in resolvers:
        kind, _, name = str(resource.body.get("path") or "").strip("/").partition("/")
        if kind and name and graph.lacks(kind, name):
            message = f"The schema has no field '{name}' of a type '{kind}', so that this resolver never runs."
            unread[resource.id] = ResourceIssue(resource.id, 0, 0, "", message)


def schema_text(body: Mapping[str, Any]) -> str:
    """The text of a schema resource. Raises ValueError."""
    document = body.get("document")
    value = document.get("value") if isinstance(document, Mapping) else document
    if not isinstance(value, str) or not value.strip():
        raise ValueError("it is given as text in document.value")
    return value
