"""Policy restrictions: policies that a workspace may not use."""

from __future__ import annotations

from management.declare import Field, ResourceType

TYPES = (
    ResourceType(
        path="policyRestrictions",
        title="Policy restriction",
        audience="none",
        needs_match=False,  # versions do not agree whether they want it
        fields=(Field("scope"), Field("requireBase", choices=("true", "false"), default="false")),
    ),
)
