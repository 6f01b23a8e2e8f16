"""Access of the service itself: the direct management API and the Git repository, and the public tenant settings."""

from __future__ import annotations

from collections.abc import Mapping

from management.declare import BOOLEAN, Action, Answer, Call, Change, Field, Properties, ResourceType
from management.keys import new_key
from management.resources import tenant_configuration
from management.secret_fields import Secret
from management.store import Row
from management.transaction import Transaction

KEYS = ("primaryKey", "secondaryKey")


def prepare(change: Change) -> None:
    for name in KEYS:
        change.properties[name] = change.properties.get(name) or change.former.get(name) or new_key()
    change.properties["id"] = change.name


def list_secrets(call: Call) -> Answer:
    row = call.row if call.row.hidden else call.write.put(call.row.id, call.row.body)
    clear = row.clear()
    return Answer(200, {name: clear[name] for name in ("id", "principalId", "enabled", *KEYS) if name in clear}, True)


def regenerate(name: str) -> Action:
    def act(call: Call) -> Answer:
        call.write.put(call.row.id, {**call.row.clear(), name: new_key()}, trusted=True)
        return Answer(204)

    return act


def public_settings(tx: Transaction, row: Row, properties: Properties, query: Mapping[str, str]) -> Properties:
    """The settings of the portal, as older portals read them: by dotted names, everything a text."""
    held = {each.name.lower(): each.body for each in tx.children("/portalsettings")}
    terms = held.get("signup", {}).get("termsOfService") or {}
    delegation = held.get("delegation", {})
    told = {
        "UserRegistrationTerms": terms.get("text") or "",
        "UserRegistrationTermsEnabled": str(bool(terms.get("enabled"))),
        "UserRegistrationTermsConsentRequired": str(bool(terms.get("consentRequired"))),
        "DelegationEnabled": str(bool((delegation.get("userRegistration") or {}).get("enabled"))),
        "DelegationUrl": delegation.get("url") or "",
        "DelegatedSubscriptionEnabled": str(bool((delegation.get("subscriptions") or {}).get("enabled"))),
    }
    return {"settings": {f"CustomPortalSettings.{name}": value for name, value in told.items()}}


TYPES = (
    ResourceType(
        path="tenant",
        title="Tenant access",
        audience="none",
        fields=(Field("enabled", BOOLEAN), Field("principalId")),
        readonly=frozenset({"id"}),
        secrets=tuple(Secret(name) for name in KEYS),
        built_in={
            "access": {"id": "access", "principalId": "integration", "enabled": False},
            "gitAccess": {"id": "gitAccess", "principalId": "git", "enabled": False},
        },
        closed=True,
        put_needs_match=True,
        of_service={tenant_configuration.KEY: frozenset(tenant_configuration.ACTIONS)},
        prepare=prepare,
        actions={
            **tenant_configuration.ACTIONS,
            "listSecrets": list_secrets,
            **{
                f"{below}regenerate{name[0].upper()}{name[1:]}": regenerate(name)
                for below in ("", "git/")
                for name in KEYS
            },
        },
    ),
    ResourceType(
        path="settings",
        title="Tenant settings",
        audience="none",
        can_patch=False,
        built_in={"public": {}},
        closed=True,
        shape=public_settings,
    ),
)
