"""Tags. What carries them is said in `tag_links.py`; gateways do not need them."""

from __future__ import annotations

from management.declare import Field, ResourceType
from management.store import Row
from management.transaction import Transaction


def within(tx: Transaction, row: Row, scope: str) -> bool:
    """Whether something in `scope` carries the tag: "apis", "products", or one of them, "apis/orders"."""
    wanted = "/" + scope.strip("/").lower()
    return any(
        source.startswith(f"{wanted}/") and source.endswith(f"/tags/{row.key.rsplit('/', 1)[1]}")
        for source, _, _ in tx.links_to(row.key)
    )


TYPES = (
    ResourceType(
        path="tags",
        title="Tag",
        audience="none",
        fields=(Field("displayName", required=True, longest=160),),
        narrows={"scope": within},
    ),
)
