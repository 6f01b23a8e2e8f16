"""Issues that readers of the portal raise about an API, with their comments and attachments."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from management.declare import Call, Change, Field, Properties, Reference, ResourceType
from management.errors import invalid
from management.store import Row
from management.transaction import Transaction

STATES = ("proposed", "open", "removed", "resolved", "closed")
# the formats in which an attachment may come
LINK = "link"


def prepare(change: Change) -> None:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    change.properties["createdDate"] = change.properties.get("createdDate") or change.former.get("createdDate", now)
    if change.type.path == "apis/issues":
        change.properties["apiId"] = "/".join(change.id.split("/")[:3])


def prepare_attachment(change: Change) -> None:
    """What is attached is kept as it came; a link is not followed."""
    if change.properties["contentFormat"].lower() != LINK and "/" not in change.properties["contentFormat"]:
        raise invalid("contentFormat", "contentFormat must be 'link' or a media type such as 'image/jpeg;base64'.")


def shape(tx: Transaction, row: Row, properties: Properties, query: Mapping[str, str]) -> Properties:
    if query.get("expandCommentsAttachments", "").lower() == "true":
        for name in ("comments", "attachments"):
            properties[name] = [_in_full(tx, each) for each in tx.children(f"{row.key}/{name}")]
    return properties


def _in_full(tx: Transaction, row: Row) -> Properties:
    user = row.body.get("userId")
    return {**row.body, "userId": tx.service.id + user} if user else row.body


def all_issues(call: Call) -> list[dict[str, Any]]:
    """The issues of all APIs, as the service shows them."""
    return [_as_of_service(call, call.show(row)) for row in call.tx.of_type("apis/issues")]


def _as_of_service(call: Call, issue: dict[str, Any]) -> dict[str, Any]:
    return issue | {"id": f"{call.tx.service.id}/issues/{issue['name']}"}


TYPES = (
    ResourceType(
        path="apis/issues",
        title="Issue",
        audience="none",
        name_limit=256,
        fields=(
            Field("title", required=True),
            Field("description", required=True),
            Field("state", choices=STATES, default="proposed"),
            Field("createdDate"),
        ),
        references=(Reference("userId", "users", "cascade"), Reference("apiId", "apis", "cascade")),
        prepare=prepare,
        shape=shape,
    ),
    ResourceType(
        path="apis/issues/comments",
        title="Issue comment",
        audience="none",
        name_limit=256,
        fields=(Field("text", required=True), Field("createdDate")),
        references=(Reference("userId", "users", "cascade"),),
        can_patch=False,
        prepare=prepare,
    ),
    ResourceType(
        path="apis/issues/attachments",
        title="Issue attachment",
        audience="none",
        name_limit=256,
        fields=(
            Field("title", required=True),
            Field("contentFormat", required=True),
            Field("content", required=True),
        ),
        can_patch=False,
        prepare=prepare_attachment,
    ),
)
