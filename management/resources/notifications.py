"""Notifications of the service, and whom each is sent to: users and plain e-mail addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping

from management.declare import Change, Properties, ResourceType
from management.store import Row
from management.transaction import Transaction

_KINDS = {
    "RequestPublisherNotificationMessage": "Subscription requests (requiring approval)",
    "PurchasePublisherNotificationMessage": "New subscriptions",
    "NewApplicationNotificationMessage": "Application gallery requests",
    "BCC": "BCC",
    "NewIssuePublisherNotificationMessage": "New issue or comment",
    "AccountClosedPublisher": "Close account message",
    "QuotaLimitApproachingPublisherNotificationMessage": "Approaching subscription quota limit",
}


def shape(tx: Transaction, row: Row, properties: Properties, query: Mapping[str, str]) -> Properties:
    """The recipients, from the lists below it."""
    properties["recipients"] = {
        "emails": [each.name for each in tx.children(f"{row.key}/recipientemails")],
        "users": [f"{tx.service.id}/users/{each.name}" for each in tx.children(f"{row.key}/recipientusers")],
    }
    return properties


def prepare(change: Change) -> None:
    """What it is called stays as it is."""
    change.properties = {**change.former, **change.properties}


def shape_user(tx: Transaction, row: Row, properties: Properties, query: Mapping[str, str]) -> Properties:
    return {"userId": f"{tx.service.id.split('/workspaces/')[0]}/users/{row.name}"}


def prepare_email(change: Change) -> None:
    change.properties = {"email": change.name}


TYPES = (
    ResourceType(
        path="notifications",
        title="Notification",
        audience="none",
        built_in={name: {"title": title, "description": title} for name, title in _KINDS.items()},
        closed=True,
        can_patch=False,
        prepare=prepare,
        shape=shape,
    ),
    ResourceType(
        path="notifications/recipientEmails",
        title="Recipient",
        audience="none",
        name=re.compile(r"[^@/\s]+@[^@/\s]+"),
        name_limit=254,
        can_patch=False,
        needs_match=False,
        prepare=prepare_email,
    ),
    ResourceType(
        path="notifications/recipientUsers",
        title="Recipient",
        audience="none",
        association="users",
        can_patch=False,
        needs_match=False,
        shape=shape_user,
    ),
)
