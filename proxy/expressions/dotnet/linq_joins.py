"""Enumerable's joins, lookups and the overloads that combine what they find."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from proxy.expressions.dotnet import primitives  # noqa: F401
from proxy.expressions.dotnet.linq import ENUMERABLE
from proxy.expressions.dotnet.linq_lazy import _each
from proxy.expressions.dotnet.linq_order import Grouping, _group
from proxy.expressions.dotnet.values import Array, Sequence
from proxy.expressions.table import define, members
from proxy.expressions.types import generic, type_of_name

Pick = Callable[[Any], Any]
LOOKUP = define(
    "ILookup", "System.Linq.ILookup", kind="interface", parameters=("K", "T"), bases=("IEnumerable<IGrouping<K, T>>",)
)


class Lookup:
    """ILookup<K, T>: groups by key; an unknown key gives nothing."""

    __slots__ = ("groups",)

    def __init__(self, groups: dict[Any, Grouping]) -> None:
        self.groups = groups

    def __iter__(self) -> Iterator[Any]:
        return iter(self.groups.values())

    @property
    def dotnet(self) -> Any:
        return generic("ILookup", type_of_name("object"), type_of_name("object"))


def _grouped(source: Any, key: Pick, pick: Pick | None = None) -> dict[Any, Grouping]:
    return {group.key: group for group in _group(source, key, pick)}


def _lookup(source: Any, key: Pick, pick: Pick | None = None) -> Lookup:
    return Lookup(_grouped(source, key, pick))


def _lazy(run: Callable[..., Iterator[Any]]) -> Callable[..., Sequence]:
    return lambda *given: Sequence(lambda: run(*given))


def _join(outer: Any, inner: Any, outer_key: Pick, inner_key: Pick, result: Any) -> Iterator[Any]:
    known = _grouped(inner, inner_key)
    for item in _each(outer):
        key = outer_key(item)
        if key is not None and key in known:
            for other in known[key]:
                yield result(item, other)


def _group_join(outer: Any, inner: Any, outer_key: Pick, inner_key: Pick, result: Any) -> Iterator[Any]:
    known = _grouped(inner, inner_key)
    for item in _each(outer):
        found = known.get(outer_key(item))
        yield result(item, found if found is not None else Array(type_of_name("object")))


def _flat(source: Any, pick: Pick, result: Any) -> Iterator[Any]:
    for item in _each(source):
        for other in _each(pick(item)):
            yield result(item, other)


def _group_result(source: Any, key: Pick, result: Any) -> Iterator[Any]:
    for group in _group(source, key):
        yield result(group.key, group)


_S = "this IEnumerable<T> source"
_INNER = f"{_S}, IEnumerable<U> inner, Func<T, K> outerKey, Func<U, K> innerKey"
members(
    LOOKUP,
    {
        "IEnumerable<T> this[K key]": lambda lookup, key: lookup.groups.get(key, Array(type_of_name("object"))),
        "bool Contains(K key)": lambda lookup, key: key in lookup.groups,
        "int Count": lambda lookup: len(lookup.groups),
    },
)
members(
    ENUMERABLE,
    {
        f"static IEnumerable<R> Join<T, U, K, R>({_INNER}, Func<T, U, R> result)": _lazy(_join),
        f"static IEnumerable<R> GroupJoin<T, U, K, R>({_INNER}, Func<T, IEnumerable<U>, R> result)": _lazy(_group_join),
        f"static IEnumerable<R> SelectMany<T, U, R>({_S}, Func<T, IEnumerable<U>> collection, Func<T, U, R> result)": (
            _lazy(_flat)
        ),
        f"static IEnumerable<R> GroupBy<T, K, R>({_S}, Func<T, K> key, Func<K, IEnumerable<T>, R> result)": _lazy(
            _group_result
        ),
        f"static ILookup<K, T> ToLookup<T, K>({_S}, Func<T, K> key)": _lookup,
        f"static ILookup<K, V> ToLookup<T, K, V>({_S}, Func<T, K> key, Func<T, V> element)": _lookup,
        f"static IEnumerable<T> SkipLast<T>({_S}, int count)": _lazy(
            lambda source, count: iter(list(_each(source))[: -count if count > 0 else None])
        ),
        f"static IEnumerable<T> TakeLast<T>({_S}, int count)": _lazy(
            lambda source, count: iter(list(_each(source))[-count:] if count > 0 else [])
        ),
    },
)
