"""Workspaces: a service within the service, with APIs, products, policies and named values of its own.

What stands below a workspace is kept as a collection of resources of its own whose id is the workspace's (see
`arm.Arm.handle`), so that every type works there as it does in a service. Gateways do not get it yet.
"""

from __future__ import annotations

from management.containers import make_container, remove_container
from management.declare import Call, Change, Field, ResourceType


def after(change: Change) -> None:
    if change.old is None:
        make_container(change.tx, change.id)


def leaving(call: Call) -> None:
    remove_container(call.tx, call.row.id)


TYPES = (
    ResourceType(
        path="workspaces",
        title="Workspace",
        audience="none",
        fields=(Field("displayName", required=True, longest=300), Field("description", longest=1000)),
        after=after,
        leaving=leaving,
    ),
)
