"""API revisions: `orders;rev=2` beside `orders`.

The current revision is stored as `/apis/orders`, whatever its number; `/apis/orders;rev=<its number>` is another name
of it. The others are stored under their own names. Making another one current exchanges the two places.
"""

from __future__ import annotations

import re

from management.transaction import Transaction

REVISION = re.compile(r"(?P<root>[^;]+);rev=(?P<number>[A-Za-z0-9._-]+)")


def root_of(name: str) -> str:
    """`orders` of `orders;rev=2`."""
    return name.split(";", 1)[0]


def number_of(name: str) -> str | None:
    match = REVISION.fullmatch(name)
    return match["number"] if match else None


def resolve(tx: Transaction, id: str) -> str:
    """The id under which a resource is stored: names of the current revision lose their `;rev=`."""
    if ";rev=" not in id.lower() or not id.lower().startswith("/apis/"):
        return id
    _, apis, name, *rest = id.split("/")
    name = re.sub(";rev=", ";rev=", name, flags=re.IGNORECASE)
    root = tx.get(f"/apis/{root_of(name)}")
    if number_of(name) == (root.body.get("apiRevision") if root else "1"):
        name = root_of(name)
    elif root and number_of(name) is not None:
        name = f"{root.name};rev={number_of(name)}"
    return "/".join(["", apis, name, *rest])
