"""The deferred operators of Enumerable: each enumeration runs anew, each element taken is a step of the budget."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from proxy.expressions.dotnet.collections import HashSet, iterate
from proxy.expressions.dotnet.dictionaries import Comparer
from proxy.expressions.dotnet.values import Sequence
from proxy.expressions.operators import compare_text
from proxy.expressions.runtime import argument_null, invalid_operation, tick
from proxy.expressions.types import Type, type_of_name


def _each(source: Any) -> Iterator[Any]:
    if source is None:
        argument_null("source")
    for item in iterate(source):
        tick()
        yield item


# what the operators call their first two parameters, where these may not be null
_NAMES = {
    **dict.fromkeys(("_concat", "_union", "_intersect", "_except", "_zip"), ("first", "second")),
    **dict.fromkeys(
        ("_where", "_where_indexed", "_take_while", "_take_while_indexed", "_skip_while", "_skip_while_indexed"),
        ("source", "predicate"),
    ),
    **dict.fromkeys(
        ("_select", "_select_indexed", "_select_many", "_select_many_indexed"),
        ("source", "selector"),
    ),
}


def _lazy(make: Callable[..., Iterator[Any]]) -> Callable[..., Sequence]:
    """A deferred operator from a generator function; the source is checked at once."""

    first, second = _NAMES.get(make.__name__, ("source", ""))

    @functools.wraps(make)
    def operator(source: Any, *rest: Any) -> Sequence:
        if source is None:
            argument_null(first)
        if second and rest[0] is None:
            argument_null(second)
        return Sequence(lambda: make(source, *rest))

    return operator


@_lazy
def _select(source: Any, f: Callable[[Any], Any]) -> Iterator[Any]:
    return (f(item) for item in _each(source))


@_lazy
def _select_indexed(source: Any, f: Callable[[Any, int], Any]) -> Iterator[Any]:
    return (f(item, index) for index, item in enumerate(_each(source)))


@_lazy
def _where(source: Any, f: Callable[[Any], bool]) -> Iterator[Any]:
    return (item for item in _each(source) if f(item))


@_lazy
def _where_indexed(source: Any, f: Callable[[Any, int], bool]) -> Iterator[Any]:
    return (item for index, item in enumerate(_each(source)) if f(item, index))


@_lazy
def _select_many(source: Any, f: Callable[[Any], Any]) -> Iterator[Any]:
    return (inner for item in _each(source) for inner in _each(f(item)))


@_lazy
def _take(source: Any, count: int) -> Iterator[Any]:
    if count > 0:
        for index, item in enumerate(_each(source)):
            yield item
            if index + 1 >= count:
                return


@_lazy
def _skip(source: Any, count: int) -> Iterator[Any]:
    return (item for index, item in enumerate(_each(source)) if index >= count)


@_lazy
def _take_while_indexed(source: Any, f: Callable[[Any, int], bool]) -> Iterator[Any]:
    for index, item in enumerate(_each(source)):
        if not f(item, index):
            return
        yield item


@_lazy
def _skip_while_indexed(source: Any, f: Callable[[Any, int], bool]) -> Iterator[Any]:
    dropping = True
    for index, item in enumerate(_each(source)):
        dropping = dropping and f(item, index)
        if not dropping:
            yield item


@_lazy
def _select_many_indexed(source: Any, f: Callable[[Any, int], Any]) -> Iterator[Any]:
    return (inner for index, item in enumerate(_each(source)) for inner in _each(f(item, index)))


@_lazy
def _take_while(source: Any, f: Callable[[Any], bool]) -> Iterator[Any]:
    for item in _each(source):
        if not f(item):
            return
        yield item


@_lazy
def _skip_while(source: Any, f: Callable[[Any], bool]) -> Iterator[Any]:
    dropping = True
    for item in _each(source):
        dropping = dropping and f(item)
        if not dropping:
            yield item


@_lazy
def _concat(source: Any, other: Any) -> Iterator[Any]:
    yield from _each(source)
    yield from _each(other)


@_lazy
def _append(source: Any, item: Any) -> Iterator[Any]:
    yield from _each(source)
    yield item


@_lazy
def _prepend(source: Any, item: Any) -> Iterator[Any]:
    yield item
    yield from _each(source)


@_lazy
def _distinct(source: Any, comparer: Comparer | None = None) -> Iterator[Any]:
    seen = HashSet(type_of_name("object"), (), comparer.fold if comparer else None)
    return (item for item in _each(source) if seen.add(item))


def _set(items: Any, comparer: Comparer | None) -> HashSet:
    return HashSet(type_of_name("object"), items, comparer.fold if comparer else None)


@_lazy
def _union(source: Any, other: Any, comparer: Comparer | None = None) -> Iterator[Any]:
    seen = _set((), comparer)
    return (item for part in (source, other) for item in _each(part) if seen.add(item))


@_lazy
def _intersect(source: Any, other: Any, comparer: Comparer | None = None) -> Iterator[Any]:
    wanted = _set(_each(other), comparer)
    return (item for item in _each(source) if wanted.items.pop(wanted.key(item), wanted) is not wanted)


@_lazy
def _except(source: Any, other: Any, comparer: Comparer | None = None) -> Iterator[Any]:
    seen = _set(_each(other), comparer)
    return (item for item in _each(source) if seen.add(item))


@_lazy
def _reverse(source: Any) -> Iterator[Any]:
    return iter(list(_each(source))[::-1])


@_lazy
def _zip(source: Any, other: Any, f: Callable[[Any, Any], Any]) -> Iterator[Any]:
    return (f(a, b) for a, b in zip(_each(source), _each(other), strict=False))


@_lazy
def _default_if_empty(source: Any, default: Any = None) -> Iterator[Any]:
    empty = True
    for item in _each(source):
        empty = False
        yield item
    if empty:
        yield default


@functools.total_ordering
class _Key:
    """A sort key in .NET order: null first, strings ordinally ignoring culture, numbers by value."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and compare(self.value, other.value) == 0

    def __lt__(self, other: _Key) -> bool:
        return compare(self.value, other.value) < 0


def compare(left: Any, right: Any) -> int:
    """Comparer<T>.Default."""
    tick()
    if left is None or right is None:
        return (left is not None) - (right is not None)
    if isinstance(left, str) and isinstance(right, str):
        from proxy.expressions.dotnet.culture import compare_culture

        return compare_culture(left, right)
    if left != left or right != right:  # NaN stands before all numbers
        return int(left == left) - int(right == right)
    try:
        return int(left > right) - int(left < right)
    except TypeError:
        invalid_operation("Failed to compare two elements in the array.")


@functools.total_ordering
class _Ordinal(_Key):
    """A sort key whose texts compare by code: characters, and strings under an ordinal comparer."""

    __slots__ = ()

    def __lt__(self, other: _Key) -> bool:
        if isinstance(self.value, str) and isinstance(other.value, str):
            tick()
            return compare_text(self.value, other.value) < 0
        return compare(self.value, other.value) < 0


def order_key(kind: Type) -> Callable[[Any], _Key]:
    """The sort key of values of this type under Comparer<T>.Default."""
    return _Ordinal if kind.name == "char" else _Key


ordinal_key = _Ordinal
