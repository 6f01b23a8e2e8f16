"""Settings of the developer portal: who may sign in and up, whom that is delegated to, and what was published."""

from __future__ import annotations

import datetime

from management.declare import BOOLEAN, OBJECT, Answer, Call, Change, Field, ResourceType
from management.errors import invalid
from management.secret_fields import Secret


def validation_key(call: Call) -> Answer:
    return Answer(200, {"validationKey": call.row.clear().get("validationKey", "")})


def prepare(change: Change) -> None:
    if change.name.lower() != "delegation" and "validationKey" in change.properties:
        raise invalid("validationKey", "Only the delegation settings have a validation key.")


def publish(change: Change) -> None:
    """A revision of the portal is a note of when it was published; pages are served as they are."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    change.properties["createdDateTime"] = change.former.get("createdDateTime", now)
    change.properties["updatedDateTime"] = now
    change.properties |= {"status": "completed", "statusDetails": ""}
    if change.properties.get("isCurrent"):
        for row in change.tx.children("/portalrevisions"):
            if row.key != change.key and row.body.get("isCurrent"):
                change.write.put(row.id, {**row.clear(), "isCurrent": False}, trusted=True)


TYPES = (
    ResourceType(
        path="portalsettings",
        title="Portal settings",
        audience="none",
        fields=(
            Field("enabled", BOOLEAN),
            Field("termsOfService", OBJECT),
            Field("url"),
            Field("subscriptions", OBJECT),
            Field("userRegistration", OBJECT),
        ),
        secrets=(Secret("validationKey"),),
        prepare=prepare,
        built_in={
            "signin": {"enabled": False},
            "signup": {
                "enabled": True,
                "termsOfService": {"text": "", "enabled": False, "consentRequired": False},
            },
            "delegation": {"url": "", "subscriptions": {"enabled": False}, "userRegistration": {"enabled": False}},
        },
        closed=True,
        actions={"listSecrets": validation_key},
    ),
    ResourceType(
        path="portalconfigs",
        title="Portal configuration",
        audience="none",
        fields=(
            Field("enableBasicAuth", BOOLEAN),
            Field("signin", OBJECT),
            Field("signup", OBJECT),
            Field("delegation", OBJECT),
            Field("cors", OBJECT),
            Field("csp", OBJECT),
        ),
        secrets=(Secret("delegation.validationKey"),),
        built_in={
            "default": {
                "enableBasicAuth": True,
                "signin": {"require": False},
                "signup": {"termsOfService": {"text": "", "requireConsent": False}},
                "delegation": {"delegateRegistration": False, "delegateSubscription": False, "delegationUrl": ""},
                "cors": {"allowedOrigins": []},
                "csp": {"mode": "disabled", "reportUri": [], "allowedSources": []},
            }
        },
        closed=True,
        put_needs_match=True,
    ),
    ResourceType(
        path="portalRevisions",
        title="Portal revision",
        audience="none",
        name_limit=256,
        fields=(Field("description", longest=2000), Field("isCurrent", BOOLEAN, default=False)),
        readonly=frozenset({"createdDateTime", "updatedDateTime", "status", "statusDetails"}),
        provisioned=True,
        prepare=publish,
    ),
)
