"""Check a policy document without running it: all of the sidecar that the management plane may import."""

from __future__ import annotations

from proxy.pipeline.compile import Environment, Scope, compile_document
from proxy.pipeline.issue import Issue

__all__ = ["Environment", "Issue", "check_document"]


def check_document(text: str, scope: str, environment: Environment) -> list[Issue]:
    """What is wrong with a document of a scope (global, workspace, product, api, operation or fragment).

    Never raises. Errors make it unusable, warnings do not.
    """
    return list(compile_document(text, Scope(scope), environment).issues)
