"""The links of 2024 that say which APIs, operations and products carry a tag.

`tags/t/apiLinks/x` with `apiId` a and `apis/a/tags/t` are one fact: who makes or removes one has the other too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from management.declare import Call, Change, Field, Link, Properties, ResourceType
from management.errors import invalid
from management.store import Row
from management.transaction import Transaction
from management.wire import relative


@dataclass(slots=True, frozen=True)
class Pair:
    """`tags/t/{links}/x` has in `field` the id of a resource of type `tagged`."""

    links: str
    field: str
    tagged: str


PAIRS = (
    Pair("apiLinks", "apiId", "apis"),
    Pair("operationLinks", "operationId", "apis/operations"),
    Pair("productLinks", "productId", "products"),
)


def _link_type(pair: Pair) -> ResourceType:
    def prepare(change: Change) -> None:
        value = relative(change.properties[pair.field], change.tx.service.id)
        target = change.tx.get(value) if isinstance(value, str) and value.startswith("/") else None
        if target is None or target.type != pair.tagged:
            raise invalid(pair.field, f"'{str(value)[:300]}' could not be found.")
        if change.old and change.former[pair.field] != target.id:
            raise invalid(pair.field, f"{pair.field} of a link cannot change: delete the link and make another one.")
        change.properties = {pair.field: target.id}
        change.links.append(Link(target.key, "cascade"))

    def after(change: Change) -> None:
        change.write.put(f"{change.properties[pair.field]}/tags/{change.names[0]}", {})

    def leaving(call: Call) -> None:
        call.tx.remove(call.row.key)
        call.tx.remove(f"{call.row.body[pair.field]}/tags/{call.row.id.split('/')[2]}".lower())

    def shape(tx: Transaction, row: Row, properties: Properties, query: Mapping[str, str]) -> Properties:
        return {pair.field: tx.service.id + properties[pair.field]}

    return ResourceType(
        path=f"tags/{pair.links}",
        title="Tag link",
        audience="none",
        fields=(Field(pair.field, required=True),),
        can_patch=False,
        needs_match=False,
        prepare=prepare,
        after=after,
        leaving=leaving,
        shape=shape,
    )


def tagged(pair: Pair) -> ResourceType:
    """The association, as the older paths say it: `apis/a/tags/t`."""

    def after(change: Change) -> None:
        target = change.id.rsplit("/", 2)[0]
        if not _links_of(change.tx, pair, change.name, target):
            change.write.put(
                f"/tags/{change.name}/{pair.links}/{_free_name(change, pair, target)}", {pair.field: target}
            )

    def leaving(call: Call) -> None:
        call.tx.remove(call.row.key)
        for link in _links_of(call.tx, pair, call.row.name, call.row.id.rsplit("/", 2)[0]):
            call.tx.remove(link.key)

    return ResourceType(
        path=f"{pair.tagged}/tags",
        title="Tag association",
        audience="none",
        association="tags",
        can_patch=False,
        needs_match=False,
        after=after,
        leaving=leaving,
    )


def _links_of(tx: Transaction, pair: Pair, tag: str, target: str) -> list[Row]:
    prefix = f"/tags/{tag}/{pair.links}/".lower()
    rows = [tx.get(source) for source, _, _ in tx.links_to(target.lower()) if source.startswith(prefix)]
    return [row for row in rows if row is not None]


def _free_name(change: Change, pair: Pair, target: str) -> str:
    name = first = target.rsplit("/", 1)[1][:70].split(";", 1)[0]
    number = 1
    while change.tx.get(f"/tags/{change.name}/{pair.links}/{name}"):
        number += 1
        name = f"{first}-{number}"
    return name


TYPES = (*(_link_type(pair) for pair in PAIRS), *(tagged(pair) for pair in PAIRS))
