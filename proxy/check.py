"""Check a policy document without running it: all of the sidecar that the management plane may import."""

from __future__ import annotations

from proxy.pipeline.compile import Environment, Scope, compile_document
from proxy.pipeline.issue import Issue
from proxy.pipeline.registry import REGISTRY, Definition

__all__ = ["Environment", "Issue", "check_document", "known_policies"]


def check_document(text: str, scope: str, environment: Environment) -> list[Issue]:
    """What is wrong with a document of a scope (global, workspace, product, api, operation or fragment).

    Never raises. Errors make it unusable, warnings do not.
    """
    return list(compile_document(text, Scope(scope), environment).issues)


def known_policies() -> list[tuple[str, frozenset[str], str]]:
    """(name, scopes, what it does) of every policy."""
    import proxy.policies  # noqa: F401  (fills the registry)

    return [(each.name, each.scopes, each.summary) for each in sorted(set(REGISTRY.values()), key=_name)]


def _name(definition: Definition) -> str:
    return definition.name
