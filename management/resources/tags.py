"""Tags, and what is tagged with them. Gateways do not need them."""

from __future__ import annotations

from management.declare import Field, ResourceType


def _association(path: str) -> ResourceType:
    return ResourceType(
        path=path,
        title="Tag association",
        audience="none",
        association="tags",
        can_patch=False,
        needs_match=False,
    )


TYPES = (
    ResourceType(
        path="tags",
        title="Tag",
        audience="none",
        fields=(Field("displayName", required=True, longest=160),),
    ),
    _association("apis/tags"),
    _association("apis/operations/tags"),
    _association("products/tags"),
)
