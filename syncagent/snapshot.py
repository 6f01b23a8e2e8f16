"""What the agent holds: a set of resources at a place in the feed. Pure.

Rules
1. A resource is an id, the SHA-256 of its body, and the body. Nobody here looks into a body.
2. A `Snapshot` never changes. `apply` makes a new one that shares the unchanged resources, so a body is held once.
3. A snapshot remembers, within bounds, what was touched on the way to it: what a change costs is the change.
4. The fingerprint of a set is the sum modulo 2**256 of SHA-256(id + "\\0" + digest in hex): order-free, incremental.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

MODULUS = 1 << 256
MOST_STAGES = 32
MOST_IDS = 20_000


class Resource(NamedTuple):
    """One resource. `digest` is 32 bytes, `body` canonical JSON in UTF-8."""

    id: str
    digest: bytes
    body: bytes


# One step of a feed: a resource to set, or the id of one to remove.
Operation = Resource | str


class Changes(NamedTuple):
    """What makes one set of resources into another; no id is in both."""

    upserts: tuple[Resource, ...]
    removals: tuple[str, ...]

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(self.removals).union(resource.id for resource in self.upserts)


Content = tuple[str, int]


class Stage(NamedTuple):
    """From `content`, the resources `ids` were touched to reach the next stage."""

    content: Content
    ids: frozenset[str]


@dataclass(slots=True, frozen=True, eq=False)
class Snapshot:
    """All resources at `cursor` of `dataset`; `trail` is the way that led there, oldest first."""

    dataset: str
    cursor: int
    resources: Mapping[str, Resource]
    fingerprint: int
    trail: tuple[Stage, ...] = ()

    @property
    def content(self) -> Content:
        """Equal for two snapshots when nothing a sidecar can see differs."""
        return (self.dataset, self.fingerprint)

    def touched_since(self, content: Content) -> frozenset[str] | None:
        """The ids outside of which this is what had `content`; None when the way from there is not remembered."""
        later = list(itertools.dropwhile(lambda stage: stage.content != content, self.trail))
        return frozenset().union(*(stage.ids for stage in later)) if later else None


def contribution(resource: Resource) -> int:
    """What one resource adds to the fingerprint."""
    text = f"{resource.id}\0{resource.digest.hex()}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")


def fingerprint(resources: Iterable[Resource]) -> int:
    return sum(map(contribution, resources)) % MODULUS


def apply(base: Snapshot | None, operations: Iterable[Operation], dataset: str, cursor: int) -> Snapshot:
    """The snapshot after `operations`, in order, on `base` (None: on nothing)."""
    operations = tuple(operations)
    if base is not None and not operations:
        return Snapshot(dataset, cursor, base.resources, base.fingerprint, base.trail)
    resources = dict(base.resources) if base is not None else {}
    total = base.fingerprint if base is not None else 0
    for operation in operations:
        old = resources.pop(operation if isinstance(operation, str) else operation.id, None)
        if old is not None:
            total -= contribution(old)
        if not isinstance(operation, str):
            resources[operation.id] = operation
            total += contribution(operation)
    trail: tuple[Stage, ...] = ()
    if base is not None and base.dataset == dataset:
        ids = frozenset(operation if isinstance(operation, str) else operation.id for operation in operations)
        trail = _bounded((*base.trail, Stage(base.content, ids)))
    return Snapshot(dataset, cursor, resources, total % MODULUS, trail)


def _bounded(trail: tuple[Stage, ...]) -> tuple[Stage, ...]:
    while len(trail) > MOST_STAGES or sum(len(stage.ids) for stage in trail) > MOST_IDS:
        trail = trail[1:]
    return trail


def changes_of(new: Snapshot, ids: Iterable[str]) -> Changes:
    """What `new` has of `ids`, and what it has not."""
    found = {id: new.resources.get(id) for id in ids}
    upserts = tuple(resource for resource in found.values() if resource is not None)
    return Changes(upserts, tuple(id for id, resource in found.items() if resource is None))


def diff(old: Snapshot | None, new: Snapshot) -> Changes:
    """`apply(old, diff(old, new))` holds what `new` holds."""
    before: Mapping[str, Resource] = old.resources if old is not None else {}
    ids = new.touched_since(old.content) if old is not None else None
    if ids is not None:
        return Changes(
            tuple(
                resource
                for id in ids
                if (resource := new.resources.get(id)) is not None
                and ((known := before.get(id)) is None or known.digest != resource.digest)
            ),
            tuple(id for id in ids if id in before and id not in new.resources),
        )
    upserts = tuple(
        resource
        for resource in new.resources.values()
        if (known := before.get(resource.id)) is None or known.digest != resource.digest
    )
    return Changes(upserts, tuple(id for id in before if id not in new.resources))
