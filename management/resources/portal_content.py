"""What the pages of a developer portal are made of: content types and items, documentation, e-mail templates."""

from __future__ import annotations

from typing import Any

from management.declare import ARRAY, OBJECT, Change, Field, ResourceType

_TITLES = {
    "accountClosedPublisher": "Account closed",
    "applicationApprovedNotificationMessage": "Application gallery submission approved (deprecated)",
    "confirmSignUpIdentityDefault": "New developer account confirmation",
    "emailChangeIdentityDefault": "Email change confirmation",
    "inviteUserNotificationMessage": "Invite user",
    "newCommentNotificationMessage": "New comment added to an issue",
    "newDeveloperNotificationMessage": "Developer welcome letter",
    "newIssueNotificationMessage": "New issue received",
    "passwordResetByAdminNotificationMessage": "Password reset by publisher notification",
    "passwordResetIdentityDefault": "Password change confirmation",
    "purchaseDeveloperNotificationMessage": "New subscription activated",
    "quotaLimitApproachingDeveloperNotificationMessage": "Developer quota limit approaching notification",
    "rejectDeveloperNotificationMessage": "Subscription request declined",
    "requestDeveloperNotificationMessage": "Subscription request received",
}
_EMPTY: dict[str, Any] = {"body": "", "parameters": [], "isDefault": True}


def prepare_template(change: Change) -> None:
    """What a document does not say stays as it is."""
    change.properties = {**change.former, **change.properties, "isDefault": False}


TYPES = (
    ResourceType(
        path="contentTypes",
        title="Content type",
        audience="none",
        fields=(Field("name"), Field("description"), Field("schema", OBJECT), Field("version")),
        can_patch=False,
    ),
    ResourceType(
        path="contentTypes/contentItems",
        title="Content item",
        audience="none",
        can_patch=False,
    ),
    ResourceType(
        path="documentations",
        title="Documentation",
        audience="none",
        name_limit=256,
        fields=(Field("title"), Field("content")),
    ),
    ResourceType(
        path="templates",
        title="E-mail template",
        audience="none",
        fields=(
            Field("subject", longest=1000),
            Field("title"),
            Field("description"),
            Field("body"),
            Field("parameters", ARRAY),
        ),
        built_in={
            name: {"subject": title, "title": title, "description": title} | _EMPTY for name, title in _TITLES.items()
        },
        closed=True,
        readonly=frozenset({"isDefault"}),
        prepare=prepare_template,
    ),
)
