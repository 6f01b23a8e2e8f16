"""Subscriptions: their scope, their keys, and whose they are."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from management.declare import BOOLEAN, Action, Answer, Call, Change, Field, Link, Properties, Reference, ResourceType
from management.errors import invalid
from management.keys import new_key
from management.revisions import root_of
from management.secret_fields import Secret
from management.store import Row
from management.transaction import Transaction
from management.wire import relative

STATES = ("active", "cancelled", "expired", "rejected", "submitted", "suspended")
KEYS = ("primaryKey", "secondaryKey")
WHOLE = ("/", "/apis")
# those that a product's subscriptionsLimit counts
COUNTED = ("active", "submitted", "suspended")


def prepare(change: Change) -> None:
    properties, former = change.properties, change.former
    product = _place(change)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    for name in KEYS:
        key = properties.get(name) or former.get(name) or new_key()
        if not isinstance(key, str) or not 1 <= len(key) <= 256:
            raise invalid(name, f"{name} must be a text of 1 to 256 characters.")
        properties[name] = key
    waits = product is not None and product.body.get("approvalRequired")
    properties["state"] = properties.get("state") or former.get("state") or ("submitted" if waits else "active")
    properties["createdDate"] = former.get("createdDate", now)
    if product is not None and change.old is None and not change.tx.thrifty:
        _check_limit(change, product)
    if properties["state"] == "active":
        properties.setdefault("startDate", former.get("startDate", now))


def _check_limit(change: Change, product: Row) -> None:
    """A product may limit the subscriptions of one user; what is moved here as a whole is as it was."""
    limit, owner = (
        product.body.get("subscriptionsLimit"),
        relative(change.properties.get("ownerId"), change.tx.service.id),
    )
    if limit is None or not isinstance(owner, str):
        return
    there = [change.tx.get(source) for source, _, _ in change.tx.links_to(owner.lower())]
    held = [row for row in there if row and row.type == "subscriptions" and row.body["scope"] == product.id]
    if sum(row.body["state"] in COUNTED for row in held) >= limit:
        raise invalid(
            "scope",
            f"Subscriptions limit reached for same user: product '{product.name}' allows {limit}. "
            "Raise its subscriptionsLimit, or cancel one of the user's.",
        )


def _place(change: Change) -> Row | None:
    """Make the scope relative and refer to what it names; the product, if it is one."""
    value = relative(change.properties.get("scope"), change.tx.service.id)
    value = value.rstrip("/") or "/" if isinstance(value, str) else ""
    parts = value.split("/")
    if value.lower() in WHOLE:
        change.properties["scope"] = value.lower()
        return None
    if len(parts) == 3 and parts[1].lower() in ("apis", "products") and parts[0] == "":
        row = change.tx.get(f"/{parts[1]}/{root_of(parts[2])}")
        if row is not None:
            change.properties["scope"] = row.id
            change.links.append(Link(row.key, "cascade" if row.type == "apis" else "restrict"))
            return row if row.type == "products" else None
    raise invalid(
        "scope",
        f"Scope '{value[:300]}' could not be found: it is /products/{{id}}, /apis/{{id}}, /apis, or the service.",
    )


def shape(tx: Transaction, row: Row, properties: Properties, query: Mapping[str, str]) -> Properties:
    scope = properties["scope"]
    properties["scope"] = tx.service.id + scope
    return properties


def list_secrets(call: Call) -> Answer:
    clear = call.row.clear()
    return Answer(200, {name: clear[name] for name in KEYS}, etag=True)


def regenerate(name: str) -> Action:
    def act(call: Call) -> Answer:
        call.write.put(call.row.id, {**call.row.clear(), name: new_key()})
        return Answer(204)

    return act


TYPES = (
    ResourceType(
        path="subscriptions",
        title="Subscription",
        name_limit=256,
        fields=(
            Field("displayName", required=True, longest=100),
            Field("scope", required=True),
            Field("state", choices=STATES),
            Field("allowTracing", BOOLEAN, default=False),
        ),
        readonly=frozenset({"createdDate"}),
        secrets=(Secret("primaryKey"), Secret("secondaryKey")),
        references=(Reference("ownerId", "users"),),
        prepare=prepare,
        shape=shape,
        actions={
            "listSecrets": list_secrets,
            "regeneratePrimaryKey": regenerate("primaryKey"),
            "regenerateSecondaryKey": regenerate("secondaryKey"),
        },
    ),
)
