"""What a service has and a whole description of it does not: it goes, when the caller says that it is whole.

Rules
1. Gateways, subscriptions and users are never pruned: descriptions of a service usually leave them out.
2. What stands below a resource is looked at only where the description has that resource.
3. The operations of an API are those of its document; where there is none, those that are described one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from management.revisions import root_of
from management.store import Row
from management.transaction import Transaction

WHOLE = (
    *("namedvalues", "tags", "loggers", "backends", "groups", "apiversionsets", "schemas", "policyfragments"),
    *("policyrestrictions", "diagnostics", "products", "apis", "certificates", "caches", "authorizationservers"),
    *("openidconnectproviders", "policies"),
)
BELOW = (
    *("apis/diagnostics", "apis/releases", "apis/resolvers", "apis/tags", "apis/tagdescriptions", "apis/wikis"),
    *("products/apis", "products/groups", "products/wikis", "products/tags", "gateways/apis"),
    *("apis/policies", "products/policies", "apis/operations/policies", "apis/resolvers/policies"),
)
OPERATIONS = "apis/operations"
ADMINISTRATORS = "administrators"  # they see every product, and extracted folders do not say so
LOGGER = "/loggers/azuremonitor"  # every service has it


def superfluous(tx: Transaction, described: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Ids to delete. `described` are the properties by key, names of revisions resolved."""
    one_by_one = {key.split("/operations/", 1)[0] for key in described if key.count("/") == 4 and "/operations/" in key}
    found = [row.id for type in WHOLE for row in tx.of_type(type) if not _stays(row, described)]
    found += [
        row.id
        for type in (*BELOW, OPERATIONS)
        for row in tx.of_type(type)
        if row.key not in described
        and _owner(row.key) in described
        and (type != OPERATIONS or (_owner(row.key) in one_by_one and "value" not in described[_owner(row.key)]))
        and not (type == "products/groups" and row.name.lower() == ADMINISTRATORS)
    ]
    return found


def _stays(row: Row, described: Mapping[str, Mapping[str, Any]]) -> bool:
    if (row.type == "groups" and row.body.get("builtIn")) or row.key == LOGGER:
        return True
    # a revision goes with its API, and is not asked for twice
    return row.key in described or (row.type == "apis" and ";" in row.key and root_of(row.key) not in described)


def _owner(key: str) -> str:
    return "/".join(key.split("/")[:3])
