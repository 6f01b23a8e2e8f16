"""Puts and deletes resources inside one transaction: what every type has in common, HTTP left out.

A put: find the parent, check the fields, let the type prepare, resolve references, seal secrets, store, let the type
follow up. A delete: gather all that goes with it, refuse if something that stays refers to any of it, remove.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from management import check_fields, wire
from management.declare import NAME, Call, Change, Link, Properties, ResourceType
from management.errors import ArmError, in_use, invalid, not_found
from management.resources import TYPES
from management.revisions import resolve, root_of
from management.secret_fields import keep_masked, split
from management.store import Row
from management.transaction import Transaction


def type_of(id: str) -> ResourceType:
    """The type of a relative id; 404 when there is no such type."""
    path = "" if id == "/" else "/".join(id.lower().split("/")[1::2])
    try:
        return TYPES[path]
    except KeyError:
        raise ArmError(404, "InvalidResourceType", f"The resource type '{path}' could not be found.") from None


def parent_of(id: str) -> str:
    return id.rsplit("/", 2)[0] or "/"


def stored_name(type: ResourceType, id: str) -> str:
    """Associations with an API are with all its revisions."""
    return id.split(";", 1)[0] if type.association == "apis" else id


class Applier:
    """The `Writer` that hooks get, too."""

    def __init__(self, tx: Transaction) -> None:
        self.tx = tx

    def put(
        self,
        id: str,
        properties: Properties,
        query: Mapping[str, str] | None = None,
        partial: bool = False,
        *,
        trusted: bool = False,
    ) -> Row:
        """Store `properties` as the whole document, or merge them into it when `partial`."""
        type = type_of(id)
        id = self.locate(type, id)
        old = self.tx.get(id) or type.born(id)
        if type.closed and old is None:
            raise invalid("name", f"There is no {type.title.lower()} '{id.rsplit('/', 1)[1][:80]}'.")
        if partial and old is None:
            raise not_found(type.title)
        properties = {key: value for key, value in properties.items() if trusted or key not in type.readonly}
        if old is not None:
            keep_masked(properties, type.secrets, old.hidden)
            id = old.id
            if partial:
                properties = merge_patch(old.clear(), properties)
        change = Change(self.tx, self, type, id, properties, old, query or {}, partial)
        if type.association:
            self._associate(change)
        check_fields.check(type, change.properties, partial)
        if type.prepare:
            type.prepare(change)
        self._resolve(change)
        public, hidden = split(change.properties, type.secrets)
        row = Row(change.id, type.path.lower(), type.audience_of(change.id), public, hidden, change.lookup)
        row = wire.complete(type, row, self.tx.service.id)
        row = self.tx.put(row, [(link.target, link.rule) for link in change.links])
        if type.after:
            type.after(change)
        return row

    def delete(self, id: str, query: Mapping[str, str] | None = None) -> None:
        """Remove a resource with all below it and all that lives through it; ValidationError when it is in use."""
        id = resolve(self.tx, id)
        row = self.tx.get(id)
        if row is None:
            return
        type = type_of(id)
        if type.leaving:
            type.leaving(Call(self.tx, self, row, {}, query or {}, _no_show))
            if self.tx.get(row.key) is None:
                return
        doomed, users = self._closure(row.key)
        if users:
            raise in_use(type.title, row.name, sorted(users))
        for key in doomed:
            self.tx.remove(key)

    def copy(self, source: str, target: str) -> None:
        """Everything below `source`, to below `target`, without asking the types again."""
        for row in self.tx.below(source):
            self.place(row, target + row.id[len(source) :])

    def place(self, row: Row, id: str, body: Properties | None = None, lookup: str | None = None) -> None:
        """Store a copy of `row` under another id of the same type, without asking the type."""
        type = type_of(id)
        copied = Row(id, row.type, type.audience_of(id), row.body if body is None else body, row.hidden, lookup)
        targets = [(target, rule) for _, target, rule in self.tx.links_from(row.key)]
        self.tx.put(wire.complete(type, copied, self.tx.service.id), targets)

    def locate(self, type: ResourceType, id: str) -> str:
        """The id in the spelling of its parent; 404 when the parent is not there, 400 for an impossible name."""
        if id == "/":
            return id
        id = resolve(self.tx, id)
        name = id.rsplit("/", 1)[1]
        if type.association and type.association == "apis":
            name = root_of(name)
        if not type.name.fullmatch(name) or len(name) > type.name_limit or name in (".", ".."):
            raise invalid("name", _why_no_name(type, name))
        parent = self.tx.get(parent_of(id)) or type_of(parent_of(id)).born(parent_of(id))
        if parent is None:
            raise not_found(type_of(parent_of(id)).title, parent_of(id))
        return f"{'' if parent.id == '/' else parent.id}/{type.segments[-1]}/{name}"

    def _associate(self, change: Change) -> None:
        target = self.tx.get(f"/{change.type.association}/{change.name}")
        foreign = shared(self.tx, f"/{change.type.association}/{change.name}") if target is None else None
        if target is None and foreign is None:
            raise not_found(type_of(f"/{change.type.association}/x").title, f"/{change.type.association}/{change.name}")
        change.properties = {}
        change.id = f"{change.id.rsplit('/', 1)[0]}/{(target or foreign or change).name}"
        if target is not None:
            change.links.append(Link(target.key, "cascade"))

    def _resolve(self, change: Change) -> None:
        for reference in change.type.references:
            value = check_fields.read(change.properties, reference.field)
            if value is check_fields.MISSING or value is None:
                continue
            target = target_of(value, self.tx.service.id, reference.to)
            row = self.tx.get(resolve(self.tx, target)) if target else None
            if row is None and _names_shared(self.tx, value, reference.to):
                continue
            if row is None:
                title = type_of(f"/{reference.to}/x").title
                raise invalid(reference.field, f"{title} '{str(value)[:300]}' could not be found.")
            check_fields.write(change.properties, reference.field, row.id)
            change.links.append(Link(row.key, reference.rule))

    def _closure(self, key: str) -> tuple[list[str], set[str]]:
        """(keys that go, ids that stay and refer to one of them)."""
        doomed: dict[str, None] = {}
        restricted: list[tuple[str, str]] = []
        todo = [key]
        while todo:
            head = todo.pop()
            if head in doomed:
                continue
            doomed[head] = None
            for row in self.tx.below(head):
                doomed[row.key] = None
            for source, target, rule in self.tx.links_to(head, with_below=True):
                if rule == "cascade":
                    todo.append(source)
                else:
                    restricted.append((source, target))
        users = {source for source, _ in restricted if source not in doomed}
        return list(doomed), users


def merge_patch(document: Any, patch: Any) -> Any:
    """RFC 7396: null removes, objects merge, all else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def shared(tx: Transaction, id: str) -> Row | None:
    """What a workspace has of the service around it: its users and groups."""
    outer = tx.outer() if id.split("/")[1].lower() in ("users", "groups") else None
    return outer.get(id) if outer else None


def _names_shared(tx: Transaction, value: Any, to: str) -> bool:
    target = target_of(value, tx.service.id.rsplit("/", 2)[0], to)
    return target is not None and shared(tx, target) is not None


def target_of(value: Any, service_id: str, to: str) -> str | None:
    """The relative id that a reference means: it may be full or relative; None when it is neither."""
    if not isinstance(value, str):
        return None
    id = wire.relative(value, service_id)
    parts = id.split("/")
    return id if len(parts) == 3 and parts[0] == "" and parts[1].lower() == to.lower() and parts[2] else None


def _why_no_name(type: ResourceType, name: str) -> str:
    text = f"'{name[:80]}' cannot be the name of a {type.title.lower()}"
    if len(name) > type.name_limit:
        return f"{text}: it has {len(name)} characters, and {type.name_limit} are allowed."
    if type.name is NAME:
        return f"{text}: * # & + : < > ? / \\ % and control characters are not allowed, nor are '.' and '..'."
    return f"{text}: it must match the pattern {type.name.pattern}."


def _no_show(row: Row) -> dict[str, Any]:
    raise AssertionError("nothing is shown while something is deleted")
