"""Resolvers of a GraphQL API: each says which field of which type its policy resolves."""

from __future__ import annotations

import re

from management.declare import Change, Field, ResourceType
from management.errors import invalid

PATH = re.compile(r"/?[_A-Za-z][_0-9A-Za-z]*/[_A-Za-z][_0-9A-Za-z]*")


def prepare(change: Change) -> None:
    path = change.properties.get("path")
    if path is not None and not PATH.fullmatch(str(path)):
        raise invalid("path", f"'{str(path)[:100]}' is not the path of a field. Write Type/field, such as Query/users.")


TYPES = (
    ResourceType(
        path="apis/resolvers",
        title="GraphQL resolver",
        audience="api",
        fields=(
            Field("displayName", longest=300),
            Field("path", longest=300),
            Field("description"),
        ),
        prepare=prepare,
    ),
)
