"""Lists of what carries tags: an item is one tag and one API, operation or product."""

from __future__ import annotations

from typing import Any

from management.declare import Call, View
from management.store import Row

Item = dict[str, Any]
FIELDS = {
    "api": ("apiRevision", "description", "serviceUrl", "path", "isCurrent", "apiVersion", "apiVersionSetId"),
    "operation": ("method", "urlTemplate", "description"),
    "product": ("description", "terms", "subscriptionRequired", "approvalRequired", "subscriptionsLimit", "state"),
}
TYPES = {"api": "apis", "operation": "apis/operations", "product": "products"}


def of_kind(kind: str, untagged_switch: str = "") -> View:
    """The tagged resources of `kind`; with the query parameter `untagged_switch`, those without a tag, too."""

    def view(call: Call) -> list[Item]:
        below = f"{call.row.key}/" if call.row.key != "/" else "/"
        items = _tagged(call, kind, below)
        if call.query.get(untagged_switch, "").lower() == "true":
            known = {item[kind]["id"].lower() for item in items}
            rows = [row for row in call.tx.of_type(TYPES[kind]) if row.key.startswith(below) and row.key not in known]
            items += [{kind: _short(call, kind, row)} for row in rows]
        return items

    return view


def all_kinds(call: Call) -> list[Item]:
    return [item for kind in TYPES for item in _tagged(call, kind, "/")]


def _tagged(call: Call, kind: str, below: str) -> list[Item]:
    wanted = {name.strip().lower() for name in call.query.get("tags", "").split(",") if name.strip()}
    items = []
    rows = [row for row in call.tx.of_type(f"{TYPES[kind]}/tags") if row.key.startswith(below)]
    call.tx.prefetch(key for row in rows for key in (f"/tags/{row.name}", row.key.rsplit("/", 2)[0]))
    for row in rows:
        tag, holder = call.tx.get(f"/tags/{row.name}"), call.tx.get(row.key.rsplit("/", 2)[0])
        if tag is None or holder is None:
            continue
        name = tag.body["displayName"]
        if not wanted or name.lower() in wanted or tag.name.lower() in wanted:
            items.append({"tag": {"id": tag.id, "name": name}, kind: _short(call, kind, holder)})
    return items


def _short(call: Call, kind: str, row: Row) -> Item:
    short = {"id": row.id, "name": row.body["displayName"]}
    if kind == "operation":
        api = call.tx.get("/".join(row.key.split("/")[:3]))
        if api is not None:
            short |= {"apiName": api.body["displayName"], "apiRevision": api.body["apiRevision"]}
            short |= {name: api.body[name] for name in ("apiVersion",) if name in api.body}
    return short | {name: row.body[name] for name in FIELDS[kind] if name in row.body}
