"""Check a policy document without running it: all of the sidecar that the management plane may import."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from proxy.config.backends import duration
from proxy.pipeline.compile import Environment, Scope, compile_document
from proxy.pipeline.issue import Issue
from proxy.pipeline.outline import Part, outline
from proxy.pipeline.registry import REGISTRY, Definition
from proxy.schemas.flatten import Reading
from proxy.schemas.library import Library, read_document

__all__ = [
    "Environment",
    "Issue",
    "Part",
    "check_document",
    "check_graphql_schema",
    "check_schema",
    "duration",
    "known_policies",
    "outline",
]


def check_document(text: str, scope: str, environment: Environment) -> list[Issue]:
    """What is wrong with a document of a scope (global, workspace, product, api, operation, fragment or resolver).

    Never raises. Errors make it unusable, warnings do not.
    """
    return list(compile_document(text, Scope(scope), environment).issues)


def known_policies() -> list[tuple[str, frozenset[str], str]]:
    """(name, scopes, what it does) of every policy."""
    import proxy.policies  # noqa: F401  (fills the registry)

    return [(each.name, each.scopes, each.summary) for each in sorted(set(REGISTRY.values()), key=_name)]


def _name(definition: Definition) -> str:
    return definition.name


def check_schema(name: str, body: Mapping[str, Any], others: Mapping[str, Mapping[str, Any]]) -> str:
    """Why a schema of the service cannot be used, as a sentence; empty when it can. `others` may be referred to."""
    try:
        own = read_document(body)
    except ValueError as problem:
        return f"The schema cannot be read: {problem}."
    documents = {name: own}
    for key, each in others.items():
        with contextlib.suppress(ValueError):
            documents[key] = read_document(each)
    library = Library(documents)
    made = library.xml(name) if own.kind == "xml" else library.json(name, "", Reading())
    return made if isinstance(made, str) else ""


def check_graphql_schema(body: Mapping[str, Any]) -> str:
    """Why the schema of a GraphQL API cannot be used, as a sentence; empty when it can."""
    from proxy.config.graphs import schema_text
    from proxy.graphql.schema import read_schema

    try:
        read_schema(schema_text(body))
    except ValueError as problem:
        return f"The GraphQL schema cannot be read: {problem}"
    return ""
