"""Named values: `{{name}}` in policies. Secret ones are sealed, and only `listValue` tells them."""

from __future__ import annotations

from management import key_vault
from management.declare import ARRAY, BOOLEAN, Answer, Call, Change, Field, Properties, ResourceType
from management.errors import ArmError, invalid
from management.lookups import named_value_lookup, named_value_of
from management.policy_check import check_users
from management.secret_fields import Secret
from management.store import Row


def prepare(change: Change) -> None:
    properties = change.properties
    change.lookup = named_value_lookup(properties["displayName"])
    if any(row.key != change.key for row in change.tx.find(change.lookup)):
        raise invalid("displayName", f"A named value with the name '{properties['displayName']}' exists already.")
    if change.old and named_value_lookup(change.old.body["displayName"]) != change.lookup:
        users = [source for source, _, _ in change.tx.links_to(change.key)]
        if users:
            raise invalid("displayName", f"The named value is used by {users[0]} under its present name.")
    if properties.get("keyVault"):  # a value that comes beside the reference is as secret as where it came from
        properties["secret"] = True
    properties.setdefault("secret", False)
    if properties["secret"]:
        # sealed under another name, so that a plain value stays readable
        properties["secretValue"] = properties.pop("value", None) or change.former.get("secretValue")
    elif not isinstance(properties.get("value"), str):
        properties["value"] = change.former.get("secretValue")
    name = "secretValue" if properties["secret"] else "value"
    if not key_vault.place(change, bool(properties.get(name))) and not properties.get(name):
        raise invalid("value", "value is required.")
    for each in ("value", "secretValue"):
        if each != name or not properties.get(name):
            properties.pop(each, None)


def after(change: Change) -> None:
    now = change.tx.get(change.key)
    if change.old and now and named_value_of(now) != named_value_of(change.old):
        check_users(change.tx, change.key)


def wire(row: Row, properties: Properties) -> Properties:
    if "secretValue" in properties:
        properties["value"] = properties.pop("secretValue")
    return properties


def list_value(call: Call) -> Answer:
    value = named_value_of(call.row)
    if value is None:
        raise ArmError(400, "ValidationError", call.row.body["keyVault"]["lastStatus"]["message"])
    return Answer(200, {"value": value}, etag=True)


TYPES = (
    ResourceType(
        path="namedValues",
        title="Named value",
        name_limit=256,
        fields=(
            Field("displayName", required=True, longest=256, pattern=r"[A-Za-z0-9\-._]+"),
            Field("value", longest=4096),
            Field("secret", BOOLEAN),
            Field("tags", ARRAY),
            *key_vault.FIELDS,
        ),
        readonly=frozenset({"secretValue", "provisioningState"}),
        secrets=(Secret("secretValue"),),
        provisioned=True,
        narrows={"isKeyVaultRefreshFailed": key_vault.unread},
        prepare=prepare,
        after=after,
        wire=wire,
        actions={"listValue": list_value, "refreshSecret": key_vault.refresh},
    ),
)
