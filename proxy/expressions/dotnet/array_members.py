"""The rarer members of arrays, List and HashSet."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from proxy.expressions.dotnet.collections import (
    ARRAY,
    ARRAY_STATIC,
    LIST,
    _array_get,
    _array_set,
    copy_range,
    copy_to,
    find_first,
    given,
    iterate,
    position,
    reverse,
    sort,
    span,
)
from proxy.expressions.dotnet.dictionaries import Comparer
from proxy.expressions.dotnet.linq_lazy import compare, order_key
from proxy.expressions.dotnet.values import Array, List
from proxy.expressions.runtime import DotNetError, allocate_elements, argument, argument_null, index_range, out_of_range
from proxy.expressions.table import members, with_types
from proxy.expressions.types import Native

_LOW = "Index was out of range. Must be non-negative and less than the size of the collection."
_COUNT = "Count must be positive and count must refer to a location within the string/array/collection."
Test = Callable[[Any], bool]


def _last(kind: Any, items: list[Any], test: Test) -> Any:
    return find_first(kind, reversed(items), test)


def _window(items: list[Any], start: int, count: int | None) -> range:
    """Places from `start` on."""
    if items is None:
        argument_null("array")
    if not 0 <= start <= len(items):
        out_of_range(_LOW, "startIndex")
    if count is not None and (count < 0 or start + count > len(items)):
        out_of_range(_COUNT, "count")
    return range(start, len(items) if count is None else start + count)


def _back(items: list[Any], start: int | None, count: int | None) -> range:
    """Places from `start` down."""
    if items is None:
        argument_null("array")
    if start is None:
        start = len(items) - 1
    if (start != -1 or items) and not 0 <= start < len(items) and not (not items and start == 0):
        out_of_range(_LOW, "startIndex")
    if count is None:
        count = start + 1
    if count < 0 or start - count + 1 < 0:
        out_of_range(_COUNT, "count")
    return range(start, start - count, -1)


def _index_of(items: list[Any], value: Any, start: int = 0, count: int | None = None) -> int:
    found = position([items[place] for place in _window(items, start, count)], value)
    return found + start if found >= 0 else -1


def _last_index_of(items: list[Any], value: Any, start: int | None = None, count: int | None = None) -> int:
    places = _back(items, start, count)
    found = position([items[place] for place in places], value)
    return places[found] if found >= 0 else -1


def _find_index(items: list[Any], test: Test, start: int = 0, count: int | None = None) -> int:
    return next((place for place in _window(items, start, count) if test(items[place])), -1)


def _find_last_index(items: list[Any], test: Test, start: int | None = None, count: int | None = None) -> int:
    return next((place for place in _back(items, start, count) if test(items[place])), -1)


def _ordering(comparer: Comparer | None) -> Callable[[Any, Any], int]:
    return comparer.compare if comparer is not None else compare


def _search(items: list[Any], value: Any, comparer: Comparer | None = None) -> int:
    """The index, or the complement of where the value belongs."""
    return _search_range(items, 0, len(items), value, comparer)


def _search_range(items: list[Any], index: int, count: int, value: Any, comparer: Comparer | None = None) -> int:
    order = _ordering(comparer)
    span(items, index, count)
    low, high = index, index + count - 1
    while low <= high:
        middle = (low + high) // 2
        found = order(items[middle], value)
        if found == 0:
            return middle
        low, high = (middle + 1, high) if found < 0 else (low, middle - 1)
    return ~low


def _reverse(items: list[Any], index: int, count: int) -> None:
    part = span(items, index, count)
    items[part] = items[part][::-1]


def _sort(items: list[Any], comparison: Callable[[Any, Any], int]) -> None:
    items.sort(key=functools.cmp_to_key(comparison))


def _sort_with(items: Any, comparer: Comparer | None) -> None:
    _sort_range(items, 0, len(items), comparer)


def _sort_range(items: Any, index: int, count: int, comparer: Comparer | None = None) -> None:
    part = span(items, index, count)
    key = order_key(items.element) if comparer is None else functools.cmp_to_key(comparer.compare)
    items[part] = sorted(items[part], key=key)


def _sort_keys(keys: Any, items: Any, comparer: Comparer | None = None) -> None:
    """Both arrays in the order of the first."""
    if items is None:
        _sort_with(keys, comparer)
        return
    if len(items) < len(keys):
        argument("The given items are too few for the keys.")
    key = order_key(keys.element) if comparer is None else functools.cmp_to_key(comparer.compare)
    order = sorted(range(len(keys)), key=lambda place: key(keys[place]))
    keys[:], items[: len(order)] = [keys[place] for place in order], [items[place] for place in order]


def _sort_keys_range(keys: Any, items: Any, index: int, count: int, comparer: Comparer | None = None) -> None:
    part = span(keys, index, count)
    some = Array(keys.element, keys[part])
    values = Array(items.element, items[part]) if items is not None else None
    _sort_keys(some, values, comparer)
    keys[part] = some
    if values is not None:
        items[part] = values


def _clear(kind: Any, items: list[Any], index: int, count: int) -> None:
    from proxy.expressions.bind_creation import default_of

    if items is None:
        argument_null("array")
    if index < 0 or count < 0 or index + count > len(items):
        raise DotNetError("System.IndexOutOfRangeException", "Index was outside the bounds of the array.")
    items[index : index + count] = [default_of(kind)] * count


def _fill(items: list[Any], value: Any, start: int = 0, count: int | None = None) -> None:
    for place in _window(items, start, count):
        items[place] = value


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


def _insert_range(items: list[Any], index: int, more: Any) -> None:
    if not 0 <= index <= len(items):
        index_range()
    items[index:index] = list(iterate(given(more)))


def _part_to(items: list[Any], index: int, target: list[Any], at: int, count: int) -> None:
    copy_to(items[span(items, index, count)], target, at)


def _dimension(value: Callable[[list[Any]], int]) -> Callable[[list[Any], int], int]:
    def run(items: list[Any], dimension: int) -> int:
        if dimension:
            raise DotNetError("System.IndexOutOfRangeException", "Index was outside the bounds of the array.")
        return value(items)

    return run


def _given_array(table: dict[str, Any]) -> dict[str, Any]:
    """The functions of Array: without one, ArgumentNullException."""

    def checked(text: str, function: Any) -> Native:
        native = function if isinstance(function, Native) else Native(function)
        inner = native.function
        assert inner is not None
        # behind the type arguments
        place = text.split(">")[0].count(",") + 1 if native.types else 0

        def run(*values: Any) -> Any:
            if values[place] is None:
                argument_null("array")
            return inner(*values)

        return replace(native, function=run)

    return {text: checked(text, function) if "(T[] array" in text else function for text, function in table.items()}


_FINDS: dict[str, Any] = {}
for _name, _of in (("IndexOf", _index_of), ("LastIndexOf", _last_index_of)):
    _FINDS |= {
        f"static int {_name}<T>(T[] array, T value)": _of,
        f"static int {_name}<T>(T[] array, T value, int startIndex)": _of,
        f"static int {_name}<T>(T[] array, T value, int startIndex, int count)": _of,
    }
for _name, _by in (("FindIndex", _find_index), ("FindLastIndex", _find_last_index)):
    _FINDS |= {
        f"static int {_name}<T>(T[] array, Predicate<T> match)": _by,
        f"static int {_name}<T>(T[] array, int startIndex, Predicate<T> match)": lambda a, i, test, by=_by: by(
            a, test, i
        ),
        f"static int {_name}<T>(T[] array, int startIndex, int count, Predicate<T> match)": (
            lambda a, i, n, test, by=_by: by(a, test, i, n)
        ),
    }
_STATIC: dict[str, Any] = {
    "static void Reverse<T>(T[] array)": reverse,
    "static void Sort<T>(T[] array)": sort,
    "static void Copy<T>(T[] source, T[] target, int length)": lambda s, t, n: copy_range(s, 0, t, 0, n),
    "static void Copy<T>(T[] source, int start, T[] target, int at, int length)": copy_range,
    "static bool Exists<T>(T[] array, Predicate<T> match)": lambda items, test: any(test(item) for item in items),
    "static bool TrueForAll<T>(T[] array, Predicate<T> match)": lambda items, test: all(test(item) for item in items),
    "static T? Find<T>(T[] array, Predicate<T> match)": with_types(find_first),
    "static T[] FindAll<T>(T[] array, Predicate<T> match)": lambda a, test: Array(a.element, [x for x in a if test(x)]),
    "static R[] ConvertAll<T, R>(T[] array, Converter<T, R> converter)": with_types(
        lambda _, kind, a, f: Array(kind, [f(x) for x in a])
    ),
    "static T[] Empty<T>()": with_types(lambda kind: Array(kind)),
    **_FINDS,
    "static void Reverse<T>(T[] array, int index, int length)": _reverse,
    "static void Sort<T>(T[] array, Comparison<T> comparison)": _sort,
    "static void Sort<T>(T[] array, IComparer<T> comparer)": _sort_with,
    "static void Sort<T>(T[] array, int index, int length)": _sort_range,
    "static void Sort<K, V>(K[] keys, V[] items, int index, int length)": _sort_keys_range,
    "static void Sort<K, V>(K[] keys, V[] items, int index, int length, IComparer<K> comparer)": _sort_keys_range,
    "static void Copy<T>(T[] source, T[] target, long length)": lambda s, t, n: copy_range(s, 0, t, 0, n),
    "static void Copy<T>(T[] source, long start, T[] target, long at, long length)": copy_range,
    "static void Sort<T>(T[] array, int index, int length, IComparer<T> comparer)": _sort_range,
    "static void Sort<K, V>(K[] keys, V[] items)": _sort_keys,
    "static void Sort<K, V>(K[] keys, V[] items, IComparer<K> comparer)": _sort_keys,
    "static void Clear<T>(T[] array, int index, int length)": with_types(_clear),
    "static void Fill<T>(T[] array, T value)": _fill,
    "static void Fill<T>(T[] array, T value, int startIndex, int count)": _fill,
    "static void ForEach<T>(T[] array, Action<T> action)": _each,
    "static T? FindLast<T>(T[] array, Predicate<T> match)": with_types(_last),
    "static int BinarySearch<T>(T[] array, T value)": _search,
    "static int BinarySearch<T>(T[] array, T value, IComparer<T> comparer)": _search,
    "static int BinarySearch<T>(T[] array, int index, int length, T value)": _search_range,
    "static int BinarySearch<T>(T[] array, int index, int length, T value, IComparer<T> comparer)": _search_range,
    "static void Resize<T>(ref T[] array, int newSize)": with_types(_resize),
    "static void ConstrainedCopy<T>(T[] source, int start, T[] target, int at, int length)": copy_range,
}
members(ARRAY_STATIC, _given_array(_STATIC))
assert ARRAY is not None
members(
    ARRAY,
    {
        "long LongLength": len,
        "int Rank": lambda items: 1,
        "int Count": len,
        "bool IsReadOnly": lambda items: False,
        "bool IsFixedSize": lambda items: True,
        "bool IsSynchronized": lambda items: False,
        "object SyncRoot": lambda items: items,
        "int GetLength(int dimension)": _dimension(len),
        "long GetLongLength(int dimension)": _dimension(len),
        "int GetUpperBound(int dimension)": _dimension(lambda items: len(items) - 1),
        "int GetLowerBound(int dimension)": _dimension(lambda items: 0),
        "void CopyTo(T[] array, int index)": copy_to,
        "void SetValue(T value, int index)": lambda items, value, index: _array_set(items, index, value),
        "void Initialize()": lambda items: None,
        "T GetValue(long index)": _array_get,
        "void SetValue(T value, long index)": lambda items, value, index: _array_set(items, index, value),
        "void CopyTo(T[] array, long index)": copy_to,
    },
)
_LISTS: dict[str, Any] = {}
for _name, _of in (("IndexOf", _index_of), ("LastIndexOf", _last_index_of)):
    _LISTS |= {
        f"int {_name}(T item)": _of,
        f"int {_name}(T item, int index)": _of,
        f"int {_name}(T item, int index, int count)": _of,
    }
for _name, _by in (("FindIndex", _find_index), ("FindLastIndex", _find_last_index)):
    _LISTS |= {
        f"int {_name}(Predicate<T> match)": _by,
        f"int {_name}(int startIndex, Predicate<T> match)": lambda a, i, test, by=_by: by(a, test, i),
        f"int {_name}(int startIndex, int count, Predicate<T> match)": lambda a, i, n, test, by=_by: by(a, test, i, n),
    }
members(
    LIST,
    {
        **_LISTS,
        "T? FindLast(Predicate<T> match)": lambda items, test: _last(items.element, items, test),
        "int BinarySearch(T item)": _search,
        "int BinarySearch(T item, IComparer<T> comparer)": _search,
        "int BinarySearch(int index, int count, T item, IComparer<T> comparer)": _search_range,
        "List<R> ConvertAll<R>(Converter<T, R> converter)": with_types(
            lambda kind, items, f: List(kind, [f(item) for item in items])
        ),
        "IReadOnlyList<T> AsReadOnly()": lambda items: Array(items.element, items),
        "void InsertRange(int index, IEnumerable<T> collection)": _insert_range,
        "void Reverse(int index, int count)": _reverse,
        "void Sort(IComparer<T> comparer)": _sort_with,
        "void Sort(int index, int count, IComparer<T> comparer)": _sort_range,
        "void CopyTo(T[] array)": copy_to,
        "void CopyTo(T[] array, int arrayIndex)": copy_to,
        "void CopyTo(int index, T[] array, int arrayIndex, int count)": _part_to,
        "void TrimExcess()": lambda items: None,
    },
)
