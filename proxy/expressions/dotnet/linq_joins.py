"""Enumerable's joins, lookups and the overloads that combine what they find."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from proxy.expressions.dotnet import primitives  # noqa: F401
from proxy.expressions.dotnet.collections import hashable
from proxy.expressions.dotnet.dictionaries import Comparer
from proxy.expressions.dotnet.linq import ENUMERABLE
from proxy.expressions.dotnet.linq_lazy import _each
from proxy.expressions.dotnet.linq_order import Grouping, groups_of
from proxy.expressions.dotnet.values import Array, Sequence
from proxy.expressions.runtime import argument_null
from proxy.expressions.table import define, members
from proxy.expressions.types import generic, type_of_name

Pick = Callable[[Any], Any]
LOOKUP = define(
    "ILookup", "System.Linq.ILookup", kind="interface", parameters=("K", "T"), bases=("IEnumerable<IGrouping<K, T>>",)
)


class Lookup:
    """ILookup<K, T>: groups by key; an unknown key gives nothing."""

    __slots__ = ("fold", "groups")

    def __init__(self, groups: dict[Any, Grouping], fold: Pick | None) -> None:
        self.groups = groups
        self.fold = fold

    def find(self, key: Any) -> Grouping | None:
        return self.groups.get(self.fold(key) if self.fold else hashable(key))

    def __iter__(self) -> Iterator[Any]:
        return iter(self.groups.values())

    @property
    def dotnet(self) -> Any:
        return generic("ILookup", type_of_name("object"), type_of_name("object"))


def _lookup(source: Any, key: Pick, pick: Pick | None = None, comparer: Comparer | None = None) -> Lookup:
    return Lookup(groups_of(source, key, pick, comparer), comparer.fold if comparer else None)


def _lazy(run: Callable[..., Iterator[Any]]) -> Callable[..., Sequence]:
    def operator(source: Any, *rest: Any) -> Sequence:
        if source is None:
            argument_null("source")
        return Sequence(lambda: run(source, *rest))

    return operator


def _join(
    outer: Any, inner: Any, outer_key: Pick, inner_key: Pick, result: Any, comparer: Comparer | None = None
) -> Iterator[Any]:
    known = _lookup(inner, inner_key, None, comparer)
    for item in _each(outer):
        key = outer_key(item)
        for other in (known.find(key) or ()) if key is not None else ():
            yield result(item, other)


def _group_join(
    outer: Any, inner: Any, outer_key: Pick, inner_key: Pick, result: Any, comparer: Comparer | None = None
) -> Iterator[Any]:
    known = _lookup(inner, inner_key, None, comparer)
    for item in _each(outer):
        key = outer_key(item)
        found = known.find(key) if key is not None else None
        yield result(item, found if found is not None else Array(type_of_name("object")))


def _flat(source: Any, pick: Pick, result: Any) -> Iterator[Any]:
    for item in _each(source):
        for other in _each(pick(item)):
            yield result(item, other)


def _flat_indexed(source: Any, pick: Any, result: Any) -> Iterator[Any]:
    for index, item in enumerate(_each(source)):
        for other in _each(pick(item, index)):
            yield result(item, other)


def _group_result(
    source: Any, key: Pick, pick: Pick | None, result: Any, comparer: Comparer | None = None
) -> Iterator[Any]:
    for group in groups_of(source, key, pick, comparer).values():
        yield result(group.key, group)


_S = "this IEnumerable<T> source"
_INNER = f"{_S}, IEnumerable<U> inner, Func<T, K> outerKey, Func<U, K> innerKey"
members(
    LOOKUP,
    {
        "IEnumerable<T> this[K key]": lambda lookup, key: lookup.find(key) or Array(type_of_name("object")),
        "bool Contains(K key)": lambda lookup, key: lookup.find(key) is not None,
        "int Count": lambda lookup: len(lookup.groups),
    },
)
_BY = "Func<T, K> keySelector"
_COMPARER = "IEqualityComparer<K> comparer"
_OF_GROUP = "Func<K, IEnumerable<T>, R> result"
_OF_PICKED = "Func<T, E> element, Func<K, IEnumerable<E>, R> result"
_TABLE: dict[str, Any] = {
    f"static IEnumerable<R> SelectMany<T, U, R>({_S}, Func<T, IEnumerable<U>> collection, Func<T, U, R> result)": _lazy(
        _flat
    ),
    f"static IEnumerable<R> SelectMany<T, U, R>({_S}, Func<T, int, IEnumerable<U>> collection, "
    "Func<T, U, R> result)": _lazy(_flat_indexed),
    f"static IEnumerable<R> GroupBy<T, K, R>({_S}, {_BY}, {_OF_GROUP})": _lazy(
        lambda source, key, result: _group_result(source, key, None, result)
    ),
    f"static IEnumerable<R> GroupBy<T, K, R>({_S}, {_BY}, {_OF_GROUP}, {_COMPARER})": _lazy(
        lambda source, key, result, comparer: _group_result(source, key, None, result, comparer)
    ),
    f"static IEnumerable<R> GroupBy<T, K, E, R>({_S}, {_BY}, {_OF_PICKED})": _lazy(_group_result),
    f"static IEnumerable<R> GroupBy<T, K, E, R>({_S}, {_BY}, {_OF_PICKED}, {_COMPARER})": _lazy(_group_result),
    f"static ILookup<K, T> ToLookup<T, K>({_S}, {_BY})": _lookup,
    f"static ILookup<K, T> ToLookup<T, K>({_S}, {_BY}, {_COMPARER})": lambda source, key, comparer: _lookup(
        source, key, None, comparer
    ),
    f"static ILookup<K, V> ToLookup<T, K, V>({_S}, {_BY}, Func<T, V> element)": _lookup,
    f"static ILookup<K, V> ToLookup<T, K, V>({_S}, {_BY}, Func<T, V> element, {_COMPARER})": _lookup,
    f"static IEnumerable<T> SkipLast<T>({_S}, int count)": _lazy(
        lambda source, count: iter(list(_each(source))[: -count if count > 0 else None])
    ),
    f"static IEnumerable<T> TakeLast<T>({_S}, int count)": _lazy(
        lambda source, count: iter(list(_each(source))[-count:] if count > 0 else [])
    ),
}
for _end in (")", f", {_COMPARER})"):
    _TABLE[f"static IEnumerable<R> Join<T, U, K, R>({_INNER}, Func<T, U, R> result{_end}"] = _lazy(_join)
    _TABLE[f"static IEnumerable<R> GroupJoin<T, U, K, R>({_INNER}, Func<T, IEnumerable<U>, R> result{_end}"] = _lazy(
        _group_join
    )
members(ENUMERABLE, _TABLE)
