"""Many changes as one revision: all of them, or none. Ours, not ARM's; `passerelle apply` speaks it.

    POST {service}/apply
    {"resources": [{"id": "/apis/shop", "properties": {...}}, ...], "delete": ["/tags/old"],
     "prune": false, "keep": ["/certificates/c"], "dryRun": false}

They may come in any order, and some may stand inside workspaces. What is there already with the same content is left
alone, and so is a secret that is not sent; `prune` deletes what is neither among them nor to `keep`, see `prune.py`.
The answer tells what changed, also what an import of operations did; a dry run tells the same and changes nothing. An
error names the resource in `details[].target`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from management.apply import Applier, type_of
from management.errors import ArmError, Detail, invalid, invalid_all
from management.exchange_revisions import make_current
from management.prune import superfluous
from management.revisions import resolve
from management.store import Row
from management.transaction import Transaction, find_service

MOST = 200_000
MANY = 10  # resources that are read together in the time of asking for one
# What others refer to comes first; what is not named here comes between. An order that does not fit costs a retry only.
FIRST = (
    *("namedvalues", "certificates", "tags", "loggers", "groups", "users", "apiversionsets", "schemas", "backends"),
    *("policyfragments", "authorizationservers", "openidconnectproviders", "products", "gateways", "apis"),
    *("apis/schemas", "apis/operations"),
)
# what an import writes beside its API
IMPLIED = frozenset({"apis/operations", "apis/schemas"})
LAST = ("apis/releases", "subscriptions", "products/policies", "policies", "apis/policies", "apis/operations/policies")


class DryRun(Exception):
    """Ends the transaction of a dry run; `body` is the answer."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__("dry run")
        self.body = body


def apply(tx: Transaction, body: Mapping[str, Any]) -> dict[str, Any]:
    """Do what `body` says. Raises ArmError with every resource that cannot be, and DryRun."""
    puts, deletions = _read(body)
    kept = [id for id in body.get("keep") or [] if isinstance(id, str)]
    tx.thrifty = True
    if tx.size() < MANY * len(puts):
        tx.load()
    else:
        tx.prefetch(id for id, _ in puts)
    _put_all(tx, [put for put in puts if not _workspace(put[0])])
    insides: dict[str, Transaction] = {}
    for workspace in dict.fromkeys(_workspace(id) for id, _ in [*puts, *((id, {}) for id in deletions)]):
        if workspace:
            insides[workspace] = _inside(tx, workspace)
            _put_all(insides[workspace], [put for put in puts if _workspace(put[0]) == workspace], workspace)
    for id in deletions:
        _delete(insides.get(_workspace(id), tx), id[len(_workspace(id)) :])
    if body.get("prune"):
        for workspace, where in {"": tx, **insides}.items():
            described = {
                resolve(where, id[len(workspace) :]).lower(): properties
                for id, properties in puts
                if _workspace(id) == workspace
            }
            described |= {resolve(where, id).lower(): {} for id in kept if not workspace}
            for id in sorted(superfluous(where, described), key=_rank, reverse=True):
                _delete(where, id)
    changes = _changes(tx, {id.lower() for id, _ in puts})
    for workspace, inside in insides.items():
        changes += _changes(inside, {id[len(workspace) :].lower() for id, _ in puts}, workspace)
        inside.finish()
    done = {change["id"].lower() for change in changes}
    told = {"changes": changes, "unchanged": sum(id.lower() not in done for id, _ in puts), "dryRun": False}
    if body.get("dryRun"):
        raise DryRun(told | {"dryRun": True, "revision": tx.service.revision})
    return told | {"revision": tx.revision if tx.changed else tx.service.revision}


def _delete(tx: Transaction, id: str) -> None:
    row = tx.get(resolve(tx, id))
    if row is not None:
        Applier(tx).delete(row.id, {"deleteSubscriptions": "true", "deleteRevisions": "true"})


def _workspace(id: str) -> str:
    """`/workspaces/w` for what stands inside it; "" for the rest."""
    parts = id.split("/")
    return "/".join(parts[:3]) if len(parts) > 3 and parts[1].lower() == "workspaces" else ""


def _inside(tx: Transaction, workspace: str) -> Transaction:
    service = find_service(tx.connection, tx.service.id + workspace, lock=True)
    if service is None:
        raise invalid_all([Detail(workspace, "There is no such workspace, and none of the resources makes it.")])
    inside = tx.inside(service)
    inside.thrifty = True
    return inside


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
    path = type_of(id[len(_workspace(id)) :]).path.lower()
    if path in FIRST:
        # a revision comes after its API
        return FIRST.index(path), id.count(";rev="), id.lower()
    return (1000 + LAST.index(path) if path in LAST else 500 + id.count("/")), id.count(";rev="), id.lower()


def _put_all(tx: Transaction, puts: list[tuple[str, dict[str, Any]]], workspace: str = "") -> None:
    """Again and again what waits for another one, as long as that helps."""
    write, wanted = Applier(tx), [(id[len(workspace) :], properties) for id, properties in puts]
    _make_current(tx, write, wanted)
    waiting = wanted
    while waiting:
        failed: list[tuple[str, dict[str, Any], ArmError]] = []
        for id, properties in waiting:
            try:
                write.put(id, _with_secrets(tx, id, properties))
            except ArmError as error:
                failed.append((id, properties, error))
        if len(failed) == len(waiting):
            raise invalid_all([detail for id, _, error in failed for detail in _details(workspace + id, error)])
        waiting = [(id, properties) for id, properties, _ in failed]
    _make_current(tx, write, wanted)  # a release makes its revision current, too; what the API says is the last word


def _with_secrets(tx: Transaction, id: str, properties: dict[str, Any]) -> dict[str, Any]:
    """A copy, with the secrets of the stored resource that were not sent: no description of a service has them."""
    type = type_of(id)
    names = [each.path for each in type.secrets if "." not in each.path and not each.masked]
    wanted = [name for name in names if name not in type.readonly and properties.get(name) is None]
    row = tx.get(resolve(tx, id)) if wanted else None
    former = row.clear() if row is not None and row.hidden else {}
    return {**properties, **{name: former[name] for name in wanted if name in former}}


def _make_current(tx: Transaction, write: Applier, puts: list[tuple[str, dict[str, Any]]]) -> None:
    """Where an API is to have another revision than its current one, that one is made current first."""
    for id, properties in puts:
        wanted = properties.get("apiRevision")
        api = tx.get(id) if wanted and id.lower().startswith("/apis/") and ";" not in id else None
        if api is None or api.type != "apis" or api.body["apiRevision"] == str(wanted):
            continue
        revision = f"{api.id};rev={wanted}"
        if tx.get(revision) is None:
            write.put(revision, {"sourceApiId": api.id})
        make_current(tx, write, revision)


def _details(id: str, error: ArmError) -> list[Detail]:
    if not error.details:
        return [Detail(id, error.message, error.code)]
    return [Detail(f"{id} {detail.target}".strip(), detail.message, detail.code) for detail in error.details]


def _changes(tx: Transaction, asked: set[str], workspace: str = "") -> list[dict[str, Any]]:
    """What became other than it was: of what was not asked for, what an import did and what went with what it needs."""
    told = []
    gone = {before.key for before, after in tx.changes() if before is not None and after is None}
    for before, after in tx.changes():
        row = after or before
        if row is None or (before is not None and after is not None and before.same(after)):
            continue
        if after is None:
            wanted = not any(row.key[:end] in gone for end in _slashes(row.key)) and not row.type.endswith("links")
        else:
            replaced = row.type == "apis/specifications" and before is not None
            wanted = row.key in asked or row.type in IMPLIED or replaced
        if wanted:
            told.append({"id": workspace + row.id, **_difference(before, after)})
    order = {"delete": 0, "create": 1, "update": 1}
    return sorted(told, key=lambda change: (order[change["operation"]], _rank(change["id"])))


def _slashes(key: str) -> list[int]:
    """Where what stands above a resource ends."""
    return [position for position, each in enumerate(key) if each == "/" and position]


def _difference(before: Row | None, after: Row | None) -> dict[str, Any]:
    if before is None or after is None:
        return {"operation": "create" if before is None else "delete"}
    names = sorted({*before.body, *after.body})
    changed = [name for name in names if before.body.get(name) != after.body.get(name)]
    return {"operation": "update", "properties": changed or ["(a secret)"]}
