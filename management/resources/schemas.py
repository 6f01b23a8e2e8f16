"""Schemas of an API, as validate-content and the operations' representations name them."""

from __future__ import annotations

from management.declare import OBJECT, Field, ResourceType

TYPES = (
    ResourceType(
        path="apis/schemas",
        title="Schema",
        audience="api",
        fields=(Field("contentType", required=True), Field("document", OBJECT)),
        can_patch=False,
        provisioned=True,
    ),
)
