"""What a tag means within one API. It is named like its tag."""

from __future__ import annotations

from management.declare import Change, Field, ResourceType
from management.errors import invalid


def prepare(change: Change) -> None:
    tag = change.tx.get(f"/tags/{change.name}")
    if tag is None:
        raise invalid("tagDescriptionId", f"Tag '{change.name[:80]}' could not be found.")
    change.properties |= {"tagId": tag.id, "displayName": tag.body["displayName"]}
    change.refer(tag.key, "cascade")


TYPES = (
    ResourceType(
        path="apis/tagDescriptions",
        title="Tag description",
        audience="none",
        fields=(
            Field("description"),
            Field("externalDocsUrl", longest=2000),
            Field("externalDocsDescription"),
        ),
        readonly=frozenset({"tagId", "displayName"}),
        can_patch=False,
        prepare=prepare,
    ),
)
