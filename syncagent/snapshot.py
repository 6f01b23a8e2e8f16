"""What the agent holds: a set of resources at a place in the feed. Pure.

Rules
1. A resource is an id, the SHA-256 of its body, and the body. Nobody here looks into a body.
2. A `Snapshot` never changes. `apply` makes a new one that shares the unchanged resources, so a body is held once.
3. The fingerprint of a set is the sum modulo 2**256 of SHA-256(id + "\\0" + digest in hex): order-free, incremental.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

MODULUS = 1 << 256


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


@dataclass(slots=True, frozen=True, eq=False)
class Snapshot:
    """All resources at `cursor` of `dataset`."""

    dataset: str
    cursor: int
    resources: Mapping[str, Resource]
    fingerprint: int

    @property
    def content(self) -> tuple[str, int]:
        """Equal for two snapshots when nothing a sidecar can see differs."""
        return (self.dataset, self.fingerprint)


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
        return Snapshot(dataset, cursor, base.resources, base.fingerprint)
    resources = dict(base.resources) if base is not None else {}
    total = base.fingerprint if base is not None else 0
    for operation in operations:
        old = resources.pop(operation if isinstance(operation, str) else operation.id, None)
        if old is not None:
            total -= contribution(old)
        if not isinstance(operation, str):
            resources[operation.id] = operation
            total += contribution(operation)
    return Snapshot(dataset, cursor, resources, total % MODULUS)


def diff(old: Snapshot | None, new: Snapshot) -> Changes:
    """`apply(old, diff(old, new))` holds what `new` holds."""
    before: Mapping[str, Resource] = old.resources if old is not None else {}
    upserts = tuple(
        resource
        for resource in new.resources.values()
        if (known := before.get(resource.id)) is None or known.digest != resource.digest
    )
    return Changes(upserts, tuple(id for id in before if id not in new.resources))
