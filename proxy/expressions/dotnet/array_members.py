"""The rarer members of arrays, List and HashSet."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from proxy.expressions.dotnet.collections import ARRAY, ARRAY_STATIC, LIST, _array_set, iterate, position
from proxy.expressions.dotnet.linq_lazy import compare
from proxy.expressions.dotnet.values import Array, List
from proxy.expressions.runtime import allocate_elements, argument, index_range, out_of_range
from proxy.expressions.table import members, with_types

_SHORT = "Offset and length were out of bounds for the array or count is greater than the number of elements."


def _last(items: list[Any], test: Callable[[Any], bool]) -> Any:
    return next((item for item in reversed(items) if test(item)), None)


def _last_index(items: list[Any], test: Callable[[Any], bool]) -> int:
    return next((index for index in range(len(items) - 1, -1, -1) if test(items[index])), -1)


def _last_position(items: list[Any], value: Any) -> int:
    found = position(list(reversed(items)), value)
    return len(items) - 1 - found if found >= 0 else -1


def _search(items: list[Any], value: Any) -> int:
    """The index, or the complement of where the value belongs."""
    low, high = 0, len(items) - 1
    while low <= high:
        middle = (low + high) // 2
        order = compare(items[middle], value)
        if order == 0:
            return middle
        low, high = (middle + 1, high) if order < 0 else (low, middle - 1)
    return ~low


def _span(items: list[Any], index: int, count: int) -> slice:
    if index < 0 or count < 0 or index + count > len(items):
        argument(_SHORT)
    return slice(index, index + count)


def _reverse(items: list[Any], index: int, count: int) -> None:
    span = _span(items, index, count)
    items[span] = items[span][::-1]


def _sort(items: list[Any], comparison: Callable[[Any, Any], int]) -> None:
    items.sort(key=functools.cmp_to_key(comparison))


def _clear(kind: Any, items: list[Any], index: int, count: int) -> None:
    from proxy.expressions.bind_creation import default_of

    items[_span(items, index, count)] = [default_of(kind)] * count


def _fill(items: list[Any], value: Any) -> None:
    items[:] = [value] * len(items)


def _resize(kind: Any, items: list[Any] | None, size: int) -> tuple[None, Array]:
    from proxy.expressions.bind_creation import default_of

    if size < 0:
        out_of_range("Non-negative number required.", "newSize")
    allocate_elements(size)
    kept = (items or [])[:size]
    return None, Array(kind, [*kept, *[default_of(kind)] * (size - len(kept))])


def _each(items: Iterable[Any], action: Callable[[Any], Any]) -> None:
    for item in list(items):
        action(item)


def _copy_to(items: list[Any], target: list[Any], index: int = 0) -> None:
    if index < 0 or index + len(items) > len(target):
        argument(
            "Destination array was not long enough. Check the destination index, length, and the array's lower bounds.",
            "destinationArray",
        )
    target[index : index + len(items)] = list(items)


def _insert_range(items: list[Any], index: int, more: Any) -> None:
    if not 0 <= index <= len(items):
        index_range()
    items[index:index] = list(iterate(more))


members(
    ARRAY_STATIC,
    {
        "static void Reverse<T>(T[] array, int index, int length)": _reverse,
        "static void Sort<T>(T[] array, Comparison<T> comparison)": _sort,
        "static void Clear<T>(T[] array, int index, int length)": with_types(_clear),
        "static void Fill<T>(T[] array, T value)": _fill,
        "static void ForEach<T>(T[] array, Action<T> action)": _each,
        "static int LastIndexOf<T>(T[] array, T value)": _last_position,
        "static T? FindLast<T>(T[] array, Predicate<T> match)": _last,
        "static int FindLastIndex<T>(T[] array, Predicate<T> match)": _last_index,
        "static int BinarySearch<T>(T[] array, T value)": _search,
        "static void Resize<T>(ref T[] array, int newSize)": with_types(_resize),
    },
)
assert ARRAY is not None
members(
    ARRAY,
    {
        "long LongLength": len,
        "int Rank": lambda items: 1,
        "int GetLength(int dimension)": lambda items, dimension: len(items),
        "int GetUpperBound(int dimension)": lambda items, dimension: len(items) - 1,
        "int GetLowerBound(int dimension)": lambda items, dimension: 0,
        "void CopyTo(T[] array, int index)": _copy_to,
        "void SetValue(T value, int index)": lambda items, value, index: _array_set(items, index, value),
    },
)
members(
    LIST,
    {
        "T? FindLast(Predicate<T> match)": _last,
        "int FindLastIndex(Predicate<T> match)": _last_index,
        "int LastIndexOf(T item)": _last_position,
        "int BinarySearch(T item)": _search,
        "List<R> ConvertAll<R>(Converter<T, R> converter)": with_types(
            lambda kind, items, f: List(kind, [f(item) for item in items])
        ),
        "IReadOnlyList<T> AsReadOnly()": lambda items: Array(items.element, items),
        "void InsertRange(int index, IEnumerable<T> collection)": _insert_range,
        "void Reverse(int index, int count)": _reverse,
        "void CopyTo(T[] array)": _copy_to,
        "void CopyTo(T[] array, int index)": _copy_to,
        "void TrimExcess()": lambda items: None,
    },
)
