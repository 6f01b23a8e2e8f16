"""A set of wire resources and how a diff changes it. Pure: apply(a, diff(a, b)) == b.

A small diff on a large set is laid over it, so that it costs the diff: a copy of 200,000 references is milliseconds in
which nobody else runs, and again as many when the collector looks at it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from proxy.config.resources import Resource

LARGE = 4_000  # resources; a smaller set is copied
SHARE = 32  # what is laid over a set is at most this part of it


class Layered(Mapping[str, Resource]):
    """`over` on `base`; None in it is a resource that is gone. Neither may change any more."""

    __slots__ = ("_size", "base", "over")

    def __init__(self, base: Mapping[str, Resource], over: Mapping[str, Resource | None]) -> None:
        self.base, self.over = base, over
        gone = sum(each is None and name in base for name, each in over.items())
        self._size = len(base) - gone + sum(each is not None and name not in base for name, each in over.items())

    def __getitem__(self, name: str) -> Resource:
        if name not in self.over:
            return self.base[name]
        found = self.over[name]
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        yield from (name for name in self.base if self.over.get(name, self) is not None)
        yield from (name for name, each in self.over.items() if each is not None and name not in self.base)

    def __len__(self) -> int:
        return self._size


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
    base, below = (held.base, held.over) if isinstance(held, Layered) else (held, {})
    if len(base) > LARGE and len(below) + len(over) <= len(base) // SHARE:
        return Layered(base, {**below, **over})
    result = dict(held)
    for name, each in over.items():
        if each is None:
            result.pop(name, None)
        else:
            result[name] = each
    return result
