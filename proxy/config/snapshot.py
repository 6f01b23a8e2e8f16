"""A set of wire resources and how a diff changes it. Pure: apply(a, diff(a, b)) == b.

What an agent tells by mistake is refused before it is applied: `loss` says why.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from proxy.config.layers import changed
from proxy.config.resources import Resource

API = re.compile(r"(?:/workspaces/[^/]+)?/apis/[^/]+")


def apply(
    held: Mapping[str, Resource], upserts: Iterable[Resource], removals: Iterable[str], full: bool
) -> Mapping[str, Resource]:
    """What is held after a diff. A full diff replaces everything; an upsert with a digest that is held keeps the held
    object, so that whoever compares by identity sees no change. Unknown removals are ignored."""
    over: dict[str, Resource | None] = {name: None for name in removals if name in held}
    for resource in upserts:
        known = held.get(resource.id)
        over[resource.id] = known if known is not None and known.digest == resource.digest else resource
    if full:
        return {name: each for name, each in over.items() if each is not None}
    return changed(held, over)


def loss(
    held: Mapping[str, Resource], upserts: Collection[str], removals: Collection[str], full: bool, again: bool
) -> str:
    """Why a diff that is not marked complete must not be applied: it leaves nothing, or less than half of the
    resources or of the APIs; or fewer, when it tells the held version `again`. Empty when it may."""
    if not full and not removals:
        return ""
    ids = set(upserts)
    gone = [id for id in (held if full else set(removals)) if id in held and id not in ids]
    left = len(held) - len(gone) + sum(id not in held for id in ids)
    if not left or left * 2 < len(held) or (again and left < len(held)):
        return f"{left} resources would be left where {len(held)} are held"
    lost = _apis(gone)
    if not lost:
        return ""
    had = _apis(held)
    kept = had - lost + _apis(id for id in ids if id not in held)
    return f"{kept} APIs would be left where {had} are held" if kept * 2 < had else ""


def _apis(ids: Iterable[str]) -> int:
    return sum(API.fullmatch(id) is not None for id in ids)
