"""Version sets: how the versions of an API are told apart."""

from __future__ import annotations

from management.declare import Change, Field, ResourceType
from management.errors import invalid

NEEDS = {"Query": "versionQueryName", "Header": "versionHeaderName"}


def prepare(change: Change) -> None:
    name = NEEDS.get(change.properties["versioningScheme"])
    if name and not change.properties.get(name):
        raise invalid(name, f"{name} is required for versioningScheme {change.properties['versioningScheme']}.")


TYPES = (
    ResourceType(
        path="apiVersionSets",
        title="API version set",
        fields=(
            Field("displayName", required=True, longest=100),
            Field("versioningScheme", required=True, choices=("Segment", "Query", "Header")),
            Field("versionQueryName", longest=100),
            Field("versionHeaderName", longest=100),
            Field("description"),
        ),
        prepare=prepare,
    ),
)
