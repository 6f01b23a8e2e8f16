"""Products. A new one is visible to administrators, as in APIM."""

from __future__ import annotations

from collections.abc import Mapping

from management.declare import BOOLEAN, INTEGER, Call, Change, Field, Listed, Properties, ResourceType
from management.errors import invalid
from management.resources.groups import expanded
from management.store import Row
from management.transaction import Transaction


def prepare(change: Change) -> None:
    properties = change.properties
    limit = properties.get("subscriptionsLimit")
    if limit is not None and limit < 0:
        raise invalid("subscriptionsLimit", "subscriptionsLimit must not be negative.")
    if not properties["subscriptionRequired"]:
        for name in ("approvalRequired", "subscriptionsLimit"):
            if properties.get(name):
                raise invalid(name, f"{name} has no meaning when subscriptionRequired is false.")
            properties.pop(name, None)
    else:
        properties.setdefault("approvalRequired", False)


def after(change: Change) -> None:
    if change.old is None and change.tx.get("/groups/administrators"):
        change.write.put(f"{change.id}/groups/administrators", {})


def leaving(call: Call) -> None:
    """Subscriptions go with the product only when that was asked for."""
    subscriptions = subscriptions_of(call)
    if subscriptions and call.query.get("deleteSubscriptions", "").lower() != "true":
        raise invalid(
            "productId",
            f"Product '{call.row.name}' has {len(subscriptions)} subscriptions: "
            "delete them first, or add deleteSubscriptions=true.",
        )
    for key in subscriptions:
        call.write.delete(key)


def shape(tx: Transaction, row: Row, properties: Properties, query: Mapping[str, str]) -> Properties:
    if query.get("expandGroups", "").lower() == "true":
        properties["groups"] = expanded(tx, [f"/groups/{name.lower()}" for name in tx.names(f"{row.key}/groups")])
    return properties


def subscriptions_of(call: Call) -> list[str]:
    """Keys of the subscriptions of a product, an API or a user."""
    return [key for key, _, _ in call.tx.links_to(call.row.key) if key.startswith("/subscriptions/")]


def list_subscriptions(call: Call) -> Listed:
    return Listed(call, sorted(subscriptions_of(call)))


TYPES = (
    ResourceType(
        path="products",
        title="Product",
        name_limit=256,
        fields=(
            Field("displayName", required=True, longest=300),
            Field("description"),
            Field("terms"),
            Field("subscriptionRequired", BOOLEAN, default=True),
            Field("approvalRequired", BOOLEAN),
            Field("subscriptionsLimit", INTEGER),
            Field("state", choices=("notPublished", "published"), default="notPublished"),
        ),
        prepare=prepare,
        after=after,
        leaving=leaving,
        shape=shape,
        views={"subscriptions": list_subscriptions},
    ),
)
