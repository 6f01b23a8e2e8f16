"""Arrays, List, Dictionary, HashSet, Queue, Stack, KeyValuePair and how anything is enumerated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from multidict import CIMultiDict

from proxy.expressions.dotnet import primitives as p
from proxy.expressions.dotnet.text import TEXTS, to_text
from proxy.expressions.dotnet.units import units
from proxy.expressions.dotnet.values import (
    HASHES,
    Array,
    EnumValue,
    List,
    Sequence,
    instance_of,
    runtime_type,
    stands_for,
)
from proxy.expressions.runtime import (
    DotNetError,
    allocate_elements,
    argument,
    argument_null,
    index_range,
    null_reference,
    spend,
    tick,
)
from proxy.expressions.table import attribute, define, members, setters, with_types
from proxy.expressions.types import Type, find, generic, type_of_name


class Pair(NamedTuple):
    """KeyValuePair<K, V>."""

    key: Any
    value: Any


stands_for(Pair, "KeyValuePair")
TEXTS[Pair] = lambda pair: f"[{to_text(pair.key)}, {to_text(pair.value)}]"


class Dictionary:
    """Dictionary<K, V>; `fold` is the key comparer. Enumerates in insertion order."""

    __slots__ = ("fold", "items", "kind")

    def __init__(
        self, kind: Type, items: Mapping[Any, Any] | None = None, fold: Callable[[Any], Any] | None = None
    ) -> None:
        self.kind = kind
        self.fold = fold
        # folded key -> (key, value)
        self.items: dict[Any, tuple[Any, Any]] = {}
        for key, value in (items or {}).items():
            self.items[fold(key) if fold else key] = (key, value)

    @property
    def dotnet(self) -> Type:
        return self.kind

    def find(self, key: Any) -> tuple[Any, Any] | None:
        if key is None:
            argument_null("key")
        return self.items.get(self.fold(key) if self.fold else _hashable(key))

    def put(self, key: Any, value: Any) -> None:
        if key is None:
            argument_null("key")
        self.items[self.fold(key) if self.fold else _hashable(key)] = (key, value)

    def __iter__(self) -> Iterator[Pair]:
        return (Pair(key, value) for key, value in list(self.items.values()))


def _hashable(key: Any) -> Any:
    try:
        hash(key)
    except TypeError:
        return id(key)
    return key


class HashSet:
    """HashSet<T>, in insertion order."""

    __slots__ = ("element", "fold", "items")

    def __init__(self, element: Type, items: Iterable[Any] = (), fold: Callable[[Any], Any] | None = None) -> None:
        self.element = element
        self.fold = fold
        self.items: dict[Any, Any] = {}
        for item in items:
            self.add(item)

    @property
    def dotnet(self) -> Type:
        return generic("HashSet", self.element)

    def key(self, item: Any) -> Any:
        return self.fold(item) if self.fold and item is not None else _hashable(item)

    def add(self, item: Any) -> bool:
        key = self.key(item)
        if key in self.items:
            return False
        self.items[key] = item
        return True

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self.items.values()))


def element_of(kind: Type) -> Type | None:
    """What foreach gives for a value of this static type; None when it cannot be enumerated."""
    for above in kind.ancestry():
        if above.name == "IEnumerable" and above.args:
            return above.args[0]
    return None


def iterate(value: Any) -> Iterator[Any]:
    """Enumerate any .NET sequence; each element is a step."""
    if value is None:
        null_reference()
    if isinstance(value, str):
        return iter(units(value))
    if isinstance(value, bytes):
        return iter(value)
    if isinstance(value, CIMultiDict):
        from proxy.expressions.dotnet.context_headers import pairs

        return pairs(value)
    if isinstance(value, List):
        return _live(value)
    return iter(value)


def _live(items: list[Any]) -> Iterator[Any]:
    """A List that changes while it is enumerated throws."""
    size = len(items)
    for item in items:
        yield item
        if len(items) != size:
            raise DotNetError(
                "System.InvalidOperationException", "Collection was modified; enumeration operation may not execute."
            )


def equal(left: Any, right: Any) -> bool:
    """object.Equals: by type and value for values and strings, by reference for the rest."""
    if left is right:
        return True
    if left is None or right is None or type(left) is not type(right):
        return False
    if isinstance(left, (Array, List, Dictionary, HashSet, Sequence)):
        return False
    if isinstance(left, EnumValue):
        return left.kind is right.kind and int(left) == int(right)
    return bool(left == right or (isinstance(left, float) and left != left and right != right))


def hash_of(value: Any) -> int:
    """GetHashCode: .NET's number where that is fixed, else one that is stable inside the process. 0 for null."""
    if value is None:
        return 0
    if isinstance(value, EnumValue):
        return int(value)
    found = HASHES.get(runtime_type(value).name)
    if found is not None:
        return found(value)
    try:
        number = hash(value)
    except TypeError:
        number = id(value)
    return ((number + 0x80000000) & 0xFFFFFFFF) - 0x80000000


def position(items: Iterable[Any], wanted: Any) -> int:
    for index, item in enumerate(items):
        if equal(item, wanted) or (not isinstance(item, bool) and item == wanted and not isinstance(item, list)):
            return index
    return -1


# KeyValuePair

members(
    p.PAIR,
    {
        "new(K key, V value)": Pair,
        "K Key": attribute("key"),
        "V Value": attribute("value"),
        "string ToString()": lambda pair: f"[{to_text(pair.key)}, {to_text(pair.value)}]",
    },
)

# Array

ARRAY = find("[]", 1)
assert ARRAY is not None
ARRAY_STATIC = define("Array", "System.Array", kind="static")


def _array_get(items: list[Any], index: int) -> Any:
    if 0 <= index < len(items):
        return items[index]
    raise DotNetError("System.IndexOutOfRangeException", "Index was outside the bounds of the array.")


def _array_set(items: list[Any], index: int, value: Any) -> None:
    if not 0 <= index < len(items):
        raise DotNetError("System.IndexOutOfRangeException", "Index was outside the bounds of the array.")
    items[index] = value


def _clone(items: Array) -> Array:
    return Array(items.element, items)


members(
    ARRAY,
    {"T this[int index]": _array_get, "int Length": len, "object Clone()": _clone, "T GetValue(int index)": _array_get},
)
setters(ARRAY, {"this[int]": _array_set})


def _reverse(items: list[Any]) -> None:
    items.reverse()


def _sort(items: Array | List) -> None:
    from proxy.expressions.dotnet.linq_lazy import order_key

    spend(len(items) << 2)
    items.sort(key=order_key(items.element))


def _copy(source: list[Any], start: int, target: list[Any], at: int, count: int) -> None:
    if count < 0 or start < 0 or at < 0 or start + count > len(source) or at + count > len(target):
        argument("Source array was not long enough. Check the source index, length, and the array's lower bounds.")
    target[at : at + count] = source[start : start + count]


def _find(items: Iterable[Any], test: Callable[[Any], bool]) -> Any:
    return next((item for item in items if test(item)), None)


def _find_index(items: Iterable[Any], test: Callable[[Any], bool]) -> int:
    return next((index for index, item in enumerate(items) if test(item)), -1)


members(
    ARRAY_STATIC,
    {
        "static void Reverse<T>(T[] array)": _reverse,
        "static void Sort<T>(T[] array)": _sort,
        "static void Copy<T>(T[] source, T[] target, int length)": lambda s, t, n: _copy(s, 0, t, 0, n),
        "static void Copy<T>(T[] source, int start, T[] target, int at, int length)": _copy,
        "static int IndexOf<T>(T[] array, T value)": position,
        "static bool Exists<T>(T[] array, Predicate<T> match)": lambda items, test: any(test(item) for item in items),
        "static bool TrueForAll<T>(T[] array, Predicate<T> match)": lambda items, test: all(
            test(item) for item in items
        ),
        "static T? Find<T>(T[] array, Predicate<T> match)": _find,
        "static int FindIndex<T>(T[] array, Predicate<T> match)": _find_index,
        "static T[] FindAll<T>(T[] array, Predicate<T> match)": lambda a, test: Array(
            a.element, [x for x in a if test(x)]
        ),
        "static R[] ConvertAll<T, R>(T[] array, Converter<T, R> converter)": with_types(
            lambda _, kind, a, f: Array(kind, [f(x) for x in a])
        ),
        "static T[] Empty<T>()": with_types(lambda kind: Array(kind)),
    },
)

# List

LIST = define("List", "System.Collections.Generic.List", parameters=("T",), bases=("IList<T>", "IReadOnlyList<T>"))


def _list_get(items: list[Any], index: int) -> Any:
    if 0 <= index < len(items):
        return items[index]
    index_range()
    return None


def _list_set(items: list[Any], index: int, value: Any) -> None:
    if not 0 <= index < len(items):
        index_range()
    items[index] = value


def _append(items: list[Any], value: Any) -> None:
    items.append(value)


def _extend(items: list[Any], more: Any) -> None:
    new = list(iterate(more))
    allocate_elements(len(items) + len(new))
    items.extend(new)


def _remove(items: list[Any], value: Any) -> bool:
    index = position(items, value)
    if index >= 0:
        del items[index]
    return index >= 0


def _remove_at(items: list[Any], index: int) -> None:
    if not 0 <= index < len(items):
        index_range()
    del items[index]


def _insert(items: list[Any], index: int, value: Any) -> None:
    if not 0 <= index <= len(items):
        index_range()
    items.insert(index, value)


def _remove_all(items: list[Any], test: Callable[[Any], bool]) -> int:
    before = len(items)
    items[:] = [item for item in items if not test(item)]
    return before - len(items)


def _remove_range(items: list[Any], index: int, count: int) -> None:
    if index < 0 or count < 0 or index + count > len(items):
        argument("Offset and length were out of bounds for the array or count is greater than the number of elements.")
    del items[index : index + count]


def _each(items: Iterable[Any], action: Callable[[Any], Any]) -> None:
    for item in items:
        action(item)


def _sort_by(items: list[Any], comparison: Callable[[Any, Any], int]) -> None:
    import functools

    items.sort(key=functools.cmp_to_key(comparison))


def _range(items: List, index: int, count: int) -> List:
    if index < 0 or count < 0 or index + count > len(items):
        argument("Offset and length were out of bounds for the array or count is greater than the number of elements.")
    return List(items.element, items[index : index + count])


members(
    LIST,
    {
        "new()": with_types(lambda kind: List(kind)),
        "new(int capacity)": with_types(lambda kind, size: List(kind)),
        "new(IEnumerable<T> collection)": with_types(lambda kind, items: List(kind, iterate(items))),
        "T this[int index]": _list_get,
        "int Count": len,
        "int Capacity": len,
        "void Add(T item)": _append,
        "void AddRange(IEnumerable<T> collection)": _extend,
        "void Clear()": lambda items: items.clear(),
        "bool Contains(T item)": lambda items, value: position(items, value) >= 0,
        "bool Exists(Predicate<T> match)": lambda items, test: any(test(item) for item in items),
        "bool TrueForAll(Predicate<T> match)": lambda items, test: all(test(item) for item in items),
        "T? Find(Predicate<T> match)": _find,
        "int FindIndex(Predicate<T> match)": _find_index,
        "List<T> FindAll(Predicate<T> match)": lambda items, test: List(items.element, [x for x in items if test(x)]),
        "List<T> GetRange(int index, int count)": _range,
        "void ForEach(Action<T> action)": _each,
        "int IndexOf(T item)": position,
        "void Insert(int index, T item)": _insert,
        "bool Remove(T item)": _remove,
        "void RemoveAt(int index)": _remove_at,
        "int RemoveAll(Predicate<T> match)": _remove_all,
        "void RemoveRange(int index, int count)": _remove_range,
        "void Reverse()": _reverse,
        "void Sort()": _sort,
        "void Sort(Comparison<T> comparison)": _sort_by,
        "T[] ToArray()": lambda items: Array(items.element, items),
    },
)
setters(LIST, {"this[int]": _list_set, "Capacity": lambda items, size: None})
members(
    p.LIST_INTERFACE,
    {
        "T this[int index]": _list_get,
        "int IndexOf(T item)": position,
        "void Insert(int index, T item)": _insert,
        "void RemoveAt(int index)": _remove_at,
    },
)
setters(p.LIST_INTERFACE, {"this[int]": _list_set})
members(
    p.COLLECTION,
    {
        "int Count": len,
        "void Add(T item)": _append,
        "void Clear()": lambda items: items.clear(),
        "bool Contains(T item)": lambda items, value: position(items, value) >= 0,
        "bool Remove(T item)": _remove,
    },
)
members(p.READ_COLLECTION, {"int Count": lambda items: count_of(items)})
members(p.READ_LIST, {"T this[int index]": _list_get})


def count_of(items: Any) -> int:
    if isinstance(items, (Dictionary, HashSet)):
        return len(items.items)
    if hasattr(items, "__len__"):
        return len(items)
    total = 0
    for _ in iterate(items):
        tick()
        total += 1
    return total


def cast_elements(value: Any, target: Type) -> bool:
    return instance_of(value, target)


OBJECT_TYPE = type_of_name("object")
