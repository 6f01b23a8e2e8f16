"""Keeps an association and its link document in step."""

from __future__ import annotations

from dataclasses import dataclass

from management.declare import Call, Change
from management.revisions import root_of
from management.store import Row
from management.transaction import Transaction


@dataclass(slots=True, frozen=True)
class Pair:
    """`products/p/{association}/{name}` is the same fact as `products/p/{links}/{id}` with {field} = that resource."""

    association: str
    links: str
    field: str


def associate(change: Change, pair: Pair) -> None:
    """An association was put: see that it has a link, named like its target if that name is free."""
    product = f"/products/{change.names[0]}"
    target = f"/{pair.association}/{change.name}"
    if _links_to(change.tx, f"{product}/{pair.links}", pair, target):
        return
    name, number = change.name, 1
    while change.tx.get(f"{product}/{pair.links}/{name}"):
        number += 1
        name = f"{change.name[:70]}-{number}"
    change.write.put(f"{product}/{pair.links}/{name}", {pair.field: target})


def disassociate(call: Call, pair: Pair) -> None:
    """One of the two goes: remove both, whichever it was."""
    product = "/".join(call.row.id.split("/")[:3])
    name = call.row.name if call.row.type.endswith(f"/{pair.association}") else call.row.body[pair.field]
    target = f"/{pair.association}/{root_of(name.rsplit('/', 1)[-1])}"
    for link in _links_to(call.tx, f"{product}/{pair.links}", pair, target):
        call.tx.remove(link.key)
    call.tx.remove(f"{product}{target}".lower())


def _links_to(tx: Transaction, collection: str, pair: Pair, target: str) -> list[Row]:
    sources = [source for source, _, _ in tx.links_to(target.lower())]
    rows = [tx.get(source) for source in sources if source.startswith(f"{collection.lower()}/")]
    return [row for row in rows if row is not None and root_of(row.body[pair.field]).lower() == target.lower()]
