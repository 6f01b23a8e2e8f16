"""What belongs to what: two resources side by side in one path, and the links of 2024 that say the same in a document.

`products/p/apis/a` and `products/p/apiLinks/x` with `apiId` a are one fact: who makes or removes one has the other too.
"""

from __future__ import annotations

from management.apply_links import Pair, associate, disassociate
from management.declare import Call, Change, Field, Reference, ResourceType
from management.errors import invalid

PAIRS = (Pair("apis", "apiLinks", "apiId"), Pair("groups", "groupLinks", "groupId"))


def _product_types(pair: Pair) -> tuple[ResourceType, ResourceType]:
    def associated(change: Change) -> None:
        associate(change, pair)

    def unchanged(change: Change) -> None:
        if change.old and _name_of(change.former[pair.field]) != _name_of(str(change.properties[pair.field])):
            raise invalid(pair.field, f"{pair.field} of a link cannot change: delete the link and make another one.")

    def linked(change: Change) -> None:
        change.write.put(
            f"/products/{change.names[0]}/{pair.association}/{_name_of(change.properties[pair.field])}", {}
        )

    def leaving(call: Call) -> None:
        disassociate(call, pair)

    association = ResourceType(
        path=f"products/{pair.association}",
        title="Product association",
        audience="api" if pair.association == "apis" else "all",
        association=pair.association,
        name_limit=256,
        can_patch=False,
        needs_match=False,
        after=associated,
        leaving=leaving,
    )
    link = ResourceType(
        path=f"products/{pair.links}",
        title="Product link",
        audience="none",
        fields=(Field(pair.field, required=True),),
        references=(Reference(pair.field, pair.association, "cascade"),),
        can_patch=False,
        needs_match=False,
        prepare=unchanged,
        after=linked,
        leaving=leaving,
    )
    return association, link


def _name_of(id: str) -> str:
    return id.rsplit("/", 1)[-1]


TYPES = (
    *_product_types(PAIRS[0]),
    *_product_types(PAIRS[1]),
    ResourceType(
        path="groups/users",
        title="Group member",
        association="users",
        can_patch=False,
        needs_match=False,
    ),
    ResourceType(
        path="gateways/apis",
        title="Gateway API",
        audience="gateway",
        association="apis",
        name_limit=256,
        can_patch=False,
        needs_match=False,
    ),
)
