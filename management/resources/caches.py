"""External caches, Redis-compatible servers. `useFromLocation` says for which gateways one is: those of that location,
or "default" for all that have none of their own."""

from __future__ import annotations

from management.declare import Change, Field, ResourceType
from management.errors import invalid
from management.secret_fields import Secret


def prepare(change: Change) -> None:
    if not change.properties["connectionString"].strip():
        raise invalid(
            "connectionString", "connectionString must name a server, such as host:port,password=...,ssl=True."
        )


TYPES = (
    ResourceType(
        path="caches",
        title="Cache",
        fields=(
            Field("connectionString", required=True, longest=300),
            Field("useFromLocation", required=True, longest=256),
            Field("description", longest=2000),
            Field("resourceId", longest=2000),
        ),
        secrets=(Secret("connectionString", masked=True),),
        prepare=prepare,
    ),
)
