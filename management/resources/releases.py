"""Releases: a release of a revision makes that revision the current one."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from management.declare import Change, Field, Properties, ResourceType
from management.errors import invalid
from management.exchange_revisions import make_current
from management.revisions import resolve, root_of
from management.store import Row
from management.transaction import Transaction
from management.wire import relative


def prepare(change: Change) -> None:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    change.properties["createdDateTime"] = change.former.get("createdDateTime", now)
    value = change.properties.get("apiId") or change.former.get("apiId") or ""
    api = resolve(change.tx, relative(value, change.tx.service.id)) if isinstance(value, str) else ""
    row = change.tx.get(api)
    if row is None or row.type != "apis" or root_of(row.key) != root_of(change.key.split("/releases/")[0]):
        raise invalid("apiId", f"apiId must name a revision of API '{root_of(change.names[0])}', as /apis/name;rev=2.")
    change.properties["apiId"] = f"/apis/{root_of(row.name)};rev={row.body['apiRevision']}"
    change.notes["revision"] = row.id
    same = all(change.properties.get(name) == change.former.get(name) for name in ("apiId", "notes"))
    change.properties["updatedDateTime"] = change.former.get("updatedDateTime", now) if same else now


def after(change: Change) -> None:
    if change.old is None:
        make_current(change.tx, change.write, change.notes["revision"])


def shape(tx: Transaction, row: Row, properties: Properties, query: Mapping[str, str]) -> Properties:
    return properties | {"apiId": tx.service.id + properties["apiId"]}


TYPES = (
    ResourceType(
        path="apis/releases",
        title="API release",
        audience="none",
        fields=(Field("apiId"), Field("notes")),
        readonly=frozenset({"createdDateTime", "updatedDateTime"}),
        prepare=prepare,
        after=after,
        shape=shape,
    ),
)
