"""Sorting and grouping: OrderBy, ThenBy, GroupBy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from proxy.expressions.dotnet.collections import hashable
from proxy.expressions.dotnet.dictionaries import Comparer
from proxy.expressions.dotnet.linq_lazy import (
    _each,
    order_key,
    ordinal_key,
)
from proxy.expressions.dotnet.values import Sequence
from proxy.expressions.runtime import argument_null, spend
from proxy.expressions.table import with_types
from proxy.expressions.types import Native, Type, generic, type_of_name

Picker = Callable[[Any], Any]
Sorting = tuple[Picker, bool]


class Ordered(Sequence):
    """IOrderedEnumerable<T>: the sort keys so far, most significant first."""

    __slots__ = ("keys", "source")

    def __init__(self, source: Any, keys: list[Sorting]) -> None:
        self.source = source
        self.keys = keys
        super().__init__(self._run)

    def _run(self) -> Iterator[Any]:
        items = list(_each(self.source))
        for key, descending in reversed(self.keys):
            spend(len(items) << 2)  # what sorting takes beside the keys
            items.sort(key=key, reverse=descending)
        return iter(items)

    @property
    def dotnet(self) -> Type:
        return generic("IOrderedEnumerable", type_of_name("object"))


def _sorting(kind: Type, pick: Callable[[Any], Any], comparer: Comparer | None, descending: bool) -> Sorting:
    fold = comparer.fold if comparer else None
    rank = ordinal_key if comparer is not None and comparer.ordinal else order_key(kind)
    return (lambda item: rank(fold(pick(item)) if fold else pick(item))), descending


def _order(descending: bool) -> Native:
    def order(
        _: Type, kind: Type, source: Any, pick: Callable[[Any], Any], comparer: Comparer | None = None
    ) -> Ordered:
        if source is None:
            argument_null("source")
        return Ordered(source, [_sorting(kind, pick, comparer, descending)])

    return with_types(order)


def _then(descending: bool) -> Native:
    def order(
        _: Type, kind: Type, source: Ordered, pick: Callable[[Any], Any], comparer: Comparer | None = None
    ) -> Ordered:
        return Ordered(source.source, [*source.keys, _sorting(kind, pick, comparer, descending)])

    return with_types(order)


class Grouping:
    """IGrouping<K, T>."""

    __slots__ = ("items", "key")

    def __init__(self, key: Any) -> None:
        self.key = key
        self.items: list[Any] = []

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items)

    @property
    def dotnet(self) -> Type:
        return generic("IGrouping", type_of_name("object"), type_of_name("object"))


def _group(
    source: Any,
    key: Callable[[Any], Any],
    pick: Callable[[Any], Any] | None = None,
    comparer: Comparer | None = None,
) -> Sequence:
    def run() -> Iterator[Any]:
        return iter(groups_of(source, key, pick, comparer).values())

    if source is None:
        argument_null("source")
    return Sequence(run)


def groups_of(
    source: Any,
    key: Callable[[Any], Any],
    pick: Callable[[Any], Any] | None = None,
    comparer: Comparer | None = None,
) -> dict[Any, Grouping]:
    """Groups by folded key, in the order of their first elements."""
    fold = comparer.fold if comparer else None
    groups: dict[Any, Grouping] = {}
    for item in _each(source):
        found = key(item)
        folded = fold(found) if fold else hashable(found)
        groups.setdefault(folded, Grouping(found)).items.append(pick(item) if pick else item)
    return groups
