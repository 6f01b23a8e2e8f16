"""Policy documents of a configuration: compiled once, kept until their text or what they refer to changes.

Rules
1. A document is compiled again only when its resource changed, or one of its references did.
2. A document that does not compile leaves the last good one in force; without one its operations answer 500.
3. What is wrong is told with the resource's id, line and column, in the ack and in the log.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from proxy.config.resources import Resource, ResourceIssue
from proxy.pipeline.compile import CompiledDocument, Environment, Scope, compile_document

SUFFIX = "/policies/policy"


@dataclass(slots=True, frozen=True)
class Document:
    """`compiled` is in force: the newest text, or the last good one when `issues` is not empty."""

    resource: Resource
    compiled: CompiledDocument
    references: frozenset[str]
    issues: tuple[ResourceIssue, ...] = ()


def scope_of(resource_id: str) -> Scope | None:
    """The scope of a policy resource; None for a policy that this gateway does not run."""
    if not resource_id.endswith(SUFFIX):
        return None
    owner = resource_id[: -len(SUFFIX)]
    parts = owner.split("/")[1:]
    match parts:
        case []:
            return Scope("global")
        case ["products", _]:
            return Scope("product", owner)
        case ["apis", _]:
            return Scope("api", owner)
        case ["apis", _, "operations", _]:
            return Scope("operation", owner)
        case ["apis", _, "resolvers", _]:
            return Scope("resolver", owner)
    return None


def is_current(document: Document | None, resource: Resource, changed: Set[str]) -> bool:
    """Whether a document still stands; `changed` are references like "namedValues/x"."""
    return document is not None and document.resource is resource and changed.isdisjoint(document.references)


def compile_resource(resource: Resource, scope: Scope, environment: Environment, previous: Document | None) -> Document:
    """The document of a policy resource; falls back to the last good one of `previous`."""
    text = resource.body.get("value")
    compiled = compile_document(text if isinstance(text, str) else "", scope, environment)
    if not compiled.broken:
        return Document(resource, compiled, compiled.references)
    issues = tuple(
        ResourceIssue(resource.id, issue.line, issue.column, issue.element, issue.message)
        for issue in compiled.issues
        if issue.severity == "error"
    )
    if previous is not None and not previous.compiled.broken:
        return Document(resource, previous.compiled, compiled.references | previous.references, issues)
    return Document(resource, compiled, compiled.references, issues)
