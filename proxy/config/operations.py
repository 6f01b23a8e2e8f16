"""The operations of one API as they come into force.

Rules
1. One that cannot be read, or that no request could be told from another by, is an issue of its own: its last good
   state goes on while its resource is there, and no other operation notices. Without one it is left out.
2. Of two with the same method and template the one that had them before answers; after a restart, which knows no
   before, the one whose id comes first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from proxy.config import read
from proxy.config.resources import Api, Operation, Resource
from proxy.config.shelves import Shelf
from proxy.routing import ApiEntry

UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, IndexError)
_PARAMETER = re.compile(r"\{(\*?)[^{}]*\}")

# (what, why, whether its last good state goes on)
Tell = Callable[[Resource, Exception, bool], None]


def entry_of(api: Api, shelf: Shelf, held: ApiEntry | None, tell: Tell) -> ApiEntry:
    """The API with the operations of `shelf`; `held` is what was in force."""
    good = {each.id: each for each in held.operations} if held is not None else {}
    found: dict[str, Operation] = {}  # by resource id
    for resource in shelf.values():
        name = resource.id.rpartition("/")[2]
        try:
            found[resource.id] = read.operation(name, api.id, resource.body)
        except UNREADABLE as problem:
            _keep(resource, problem, good.get(name), found, tell)
    try:
        return ApiEntry.of(api, tuple(_apart(api, shelf, found, good, tell)))
    except UNREADABLE:
        for key, operation in list(found.items()):
            try:
                ApiEntry.of(api, (operation,))
            except UNREADABLE as problem:
                del found[key]
                _keep(shelf[key], problem, good.get(operation.id), found, tell)
        return ApiEntry.of(api, tuple(_apart(api, shelf, found, good, tell)))


def _keep(
    resource: Resource, problem: Exception, last: Operation | None, found: dict[str, Operation], tell: Tell
) -> None:
    if last is not None:
        found[resource.id] = last
    tell(resource, problem, last is not None)


def _apart(
    api: Api, shelf: Shelf, found: dict[str, Operation], good: Mapping[str, Operation], tell: Tell
) -> Iterable[Operation]:
    """Without those that nothing tells apart; APIs of other types have other ways to tell."""
    if api.type != "http" or len({_shape(each) for each in found.values()}) == len(found):
        return found.values()

    def turn(item: tuple[str, Operation]) -> tuple[bool, str]:
        last = good.get(item[1].id)
        return (last is None or _shape(last) != _shape(item[1]), item[0])

    taken: dict[tuple[str, str], str] = {}
    apart: dict[str, Operation] = {}
    for key, operation in sorted(found.items(), key=turn):
        other = taken.setdefault(_shape(operation), key)
        if other == key:
            apart[key] = operation
            continue
        last = good.get(operation.id)
        if last is not None and taken.setdefault(_shape(last), key) != key:
            last = None
        problem = ValueError(f"{other} has the method and the template {operation.method} {operation.url_template} too")
        _keep(shelf[key], problem, last, apart, tell)
    return apart.values()


def _shape(operation: Operation) -> tuple[str, str]:
    """What decides which requests it gets; parameters may have any name."""
    template = operation.url_template.strip("/").lower()
    return operation.method, _PARAMETER.sub(r"{\1}", template) if "{" in template else template
