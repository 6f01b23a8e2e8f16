"""Resources sorted by what has to be made anew when one of them changes, and how two sets of them differ. Pure.

"apis/NAME" holds an API, its operations, schemas and resolvers; "policies" all documents; every other shelf is a
collection. A shelf that nothing touched is shared by the old arrangement and the new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from proxy.config import layers
from proxy.config.documents import SUFFIX
from proxy.config.resources import Resource

Shelf = Mapping[str, Resource]  # resources by id
_EMPTY: Shelf = {}


def shelf_of(resource_id: str) -> str:
    """ "/apis/a/operations/b" -> "apis/a", "/products/p/apis/a" -> "products", "/" -> ""; policies have their own."""
    if resource_id.endswith(SUFFIX):
        return "policies"
    parts = resource_id.split("/", 4)
    if parts[1] != "apis" or len(parts) < 3:
        return parts[1]
    if len(parts) == 3 or parts[3] in ("operations", "schemas", "resolvers"):
        return f"apis/{parts[2]}"
    return "diagnostics" if parts[3] == "diagnostics" else "other"


def differences(
    held: Mapping[str, Resource], resources: Mapping[str, Resource], ids: Iterable[str] | None
) -> tuple[list[Resource], list[Resource]]:
    """(new or changed, gone)."""
    if ids is None:
        changed = [each for name, each in resources.items() if held.get(name) is not each]
        return changed, [held[name] for name in held.keys() - resources.keys()]
    looked_at = dict.fromkeys(ids)
    changed = [resources[name] for name in looked_at if name in resources and held.get(name) is not resources[name]]
    return changed, [held[name] for name in looked_at if name in held and name not in resources]


def rearranged(
    before: Mapping[str, Shelf], changed: Iterable[Resource], removed: Iterable[Resource]
) -> tuple[dict[str, Shelf], set[str]]:
    """The shelves after a change, and which of them it touched."""
    changes: dict[str, dict[str, Resource | None]] = {}
    for resource in removed:
        changes.setdefault(shelf_of(resource.id), {})[resource.id] = None
    for resource in changed:
        changes.setdefault(shelf_of(resource.id), {})[resource.id] = resource
    shelves: dict[str, Shelf] = dict(before)
    for name, entries in changes.items():
        shelf = layers.changed(before.get(name, _EMPTY), entries)
        if shelf:
            shelves[name] = shelf
        else:
            shelves.pop(name, None)
    return shelves, set(changes)
