"""A set of wire resources and how a diff changes it. Pure: apply(a, diff(a, b)) == b."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from proxy.config.layers import changed
from proxy.config.resources import Resource


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
