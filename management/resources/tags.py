"""Tags. What carries them is said in `tag_links.py`; gateways do not need them."""

from __future__ import annotations

from management.declare import Field, ResourceType

TYPES = (
    ResourceType(
        path="tags",
        title="Tag",
        audience="none",
        fields=(Field("displayName", required=True, longest=160),),
    ),
)
