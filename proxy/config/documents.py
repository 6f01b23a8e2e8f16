"""Policy documents of a configuration: compiled once, kept until their text or what they refer to changes.

Rules
1. A document is compiled again only when its resource changed, or one of its references did.
2. A document that does not compile leaves the last good one in force, with the values of today; without one its
   operations answer 500.
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
    """`compiled` is in force: the newest text, or the last good one when `issues` is not empty; `good` has its text."""

    resource: Resource
    compiled: CompiledDocument
    references: frozenset[str]
    issues: tuple[ResourceIssue, ...] = ()
    good: Resource | None = None


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
    compiled = _compiled(resource, scope, environment)
    if not compiled.broken:
        return Document(resource, compiled, compiled.references, good=resource)
    issues = tuple(
        ResourceIssue(resource.id, issue.line, issue.column, issue.element, issue.message)
        for issue in compiled.issues
        if issue.severity == "error"
    )
    good = previous.good if previous is not None else None
    if previous is None or good is None:
        return Document(resource, compiled, compiled.references, issues)
    # its text with what it refers to as that is now: a rotated key must not live on in a document that is mended late
    again = _compiled(good, scope, environment)
    in_force = previous.compiled if again.broken else again
    return Document(resource, in_force, compiled.references | again.references, issues, good)


def _compiled(resource: Resource, scope: Scope, environment: Environment) -> CompiledDocument:
    text = resource.body.get("value")
    return compile_document(text if isinstance(text, str) else "", scope, environment)
