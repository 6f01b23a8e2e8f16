"""Many changes as one revision: all of them, or none. Ours, not ARM's; `passerelle apply` speaks it.

    POST {service}/apply
    {"resources": [{"id": "/apis/shop", "properties": {...}}, ...], "delete": ["/tags/old"], "dryRun": false}

They may come in any order. What is there already with the same content is left alone. The answer tells what each did;
a dry run tells the same and changes nothing. An error names the resource in `details[].target`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from management.apply import Applier, type_of
from management.errors import ArmError, Detail, invalid, invalid_all
from management.revisions import resolve
from management.store import Row
from management.transaction import Transaction

MOST = 200_000
# What others refer to comes first; what is not named here comes between. An order that does not fit costs a retry only.
FIRST = (
    *("namedvalues", "certificates", "tags", "loggers", "groups", "users", "apiversionsets", "schemas", "backends"),
    *("policyfragments", "authorizationservers", "openidconnectproviders", "products", "gateways", "apis"),
    *("apis/schemas", "apis/operations"),
)
LAST = ("apis/releases", "subscriptions", "products/policies", "policies", "apis/policies", "apis/operations/policies")


class DryRun(Exception):
    """Ends the transaction of a dry run; `body` is the answer."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__("dry run")
        self.body = body


def apply(tx: Transaction, body: Mapping[str, Any]) -> dict[str, Any]:
    """Do what `body` says. Raises ArmError with every resource that cannot be, and DryRun."""
    puts, deletions = _read(body)
    tx.prefetch(id for id, _ in puts)
    before = {id: tx.get(resolve(tx, id)) for id, _ in puts}
    tx.thrifty = True
    _put_all(tx, puts)
    changes = [_told(tx, id, before[id]) for id, _ in puts]
    for id in deletions:
        row = tx.get(resolve(tx, id))
        if row is not None:
            Applier(tx).delete(row.id, {"deleteSubscriptions": "true", "deleteRevisions": "true"})
            changes.append({"id": row.id, "operation": "delete"})
    done = [change for change in changes if change["operation"] != "unchanged"]
    told = {"changes": done, "unchanged": len(changes) - len(done), "dryRun": False}
    if body.get("dryRun"):
        raise DryRun(told | {"dryRun": True, "revision": tx.service.revision})
    return told | {"revision": tx.revision if tx.changed else tx.service.revision}


def _read(body: Mapping[str, Any]) -> tuple[list[tuple[str, dict[str, Any]]], list[str]]:
    resources, deletions = body.get("resources", []), body.get("delete", [])
    if not isinstance(resources, list) or not isinstance(deletions, list) or len(resources) > MOST:
        raise invalid("resources", f"resources and delete must be lists, of at most {MOST} items.")
    puts = []
    for each in resources:
        if not isinstance(each, dict) or not _is_id(each.get("id")) or not isinstance(each.get("properties", {}), dict):
            raise invalid("resources", 'Each resource is {"id": "/collection/name", "properties": {...}}.')
        puts.append((each["id"], dict(each.get("properties") or {})))
    for id in deletions:
        if not _is_id(id):
            raise invalid("delete", f"'{str(id)[:200]}' is not the id of a resource.")
    return sorted(puts, key=lambda put: _rank(put[0])), sorted(deletions, key=lambda id: -_rank(id)[0])


def _is_id(id: Any) -> bool:
    return isinstance(id, str) and id.startswith("/") and len(id) > 1 and id.count("/") % 2 == 0 and "\0" not in id


def _rank(id: str) -> tuple[int, int, str]:
    path = type_of(id).path.lower()
    if path in FIRST:
        # a revision comes after its API
        return FIRST.index(path), id.count(";rev="), id.lower()
    return (1000 + LAST.index(path) if path in LAST else 500 + id.count("/")), id.count(";rev="), id.lower()


def _put_all(tx: Transaction, puts: list[tuple[str, dict[str, Any]]]) -> None:
    """Again and again what waits for another one, as long as that helps."""
    write, waiting = Applier(tx), puts
    while waiting:
        failed: list[tuple[str, dict[str, Any], ArmError]] = []
        for id, properties in waiting:
            try:
                write.put(id, dict(properties))
            except ArmError as error:
                failed.append((id, properties, error))
        if len(failed) == len(waiting):
            raise invalid_all([detail for id, _, error in failed for detail in _details(id, error)])
        waiting = [(id, properties) for id, properties, _ in failed]


def _details(id: str, error: ArmError) -> list[Detail]:
    if not error.details:
        return [Detail(id, error.message, error.code)]
    return [Detail(f"{id} {detail.target}".strip(), detail.message, detail.code) for detail in error.details]


def _told(tx: Transaction, id: str, before: Row | None) -> dict[str, Any]:
    after = tx.get(resolve(tx, id))
    assert after is not None
    if before is None:
        return {"id": after.id, "operation": "create"}
    if before is after or before.same(after):
        return {"id": after.id, "operation": "unchanged"}
    names = sorted({*before.body, *after.body})
    changed = [name for name in names if before.body.get(name) != after.body.get(name)]
    return {"id": after.id, "operation": "update", "properties": changed or ["(a secret)"]}
