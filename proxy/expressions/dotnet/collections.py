"""Arrays, List, Dictionary, HashSet, Queue, Stack, KeyValuePair and how anything is enumerated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, NoReturn

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
    invalid_operation,
    null_reference,
    out_of_range,
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


class Slots:
    """Entries by folded key. As in .NET, a new entry takes the place of the one removed last."""

    __slots__ = ("fold", "holes", "items", "version")

    def __init__(self, fold: Callable[[Any], Any] | None) -> None:
        self.fold = fold
        self.items: dict[Any, Any] = {}
        # places of removed entries, counted with the removed ones
        self.holes: list[int] = []
        self.version = 0

    def enter(self, key: Any, entry: Any) -> None:
        """A key that is new."""
        self.version += 1
        if not self.holes:
            self.items[key] = entry
            return
        spend(len(self.items) >> 5)
        hole = self.holes.pop()
        place = hole - sum(other < hole for other in self.holes)
        entries = list(self.items.items())
        entries.insert(place, (key, entry))
        self.items = dict(entries)

    def leave(self, key: Any) -> bool:
        if key not in self.items:
            return False
        spend(len(self.items) >> 5)
        place = next(index for index, other in enumerate(self.items) if other == key)
        for hole in sorted(self.holes):
            place += hole <= place
        self.holes.append(place)
        del self.items[key]
        return True

    def clear(self) -> None:
        self.items, self.holes = {}, []

    def _live(self) -> Iterator[Any]:
        version = self.version
        for entry in list(self.items.values()):
            yield entry
            if self.version != version:
                modified()


class Dictionary(Slots):
    """Dictionary<K, V>; `fold` is the key comparer. An entry is its key and value."""

    __slots__ = ("kind",)

    def __init__(
        self, kind: Type, items: Mapping[Any, Any] | None = None, fold: Callable[[Any], Any] | None = None
    ) -> None:
        super().__init__(fold)
        self.kind = kind
        for key, value in (items or {}).items():
            self.items[fold(key) if fold else key] = (key, value)

    @property
    def dotnet(self) -> Type:
        return self.kind

    def key(self, key: Any) -> Any:
        if key is None:
            argument_null("key")
        return self.fold(key) if self.fold else hashable(key)

    def find(self, key: Any) -> tuple[Any, Any] | None:
        found: tuple[Any, Any] | None = self.items.get(self.key(key))
        return found

    def put(self, key: Any, value: Any) -> None:
        folded = self.key(key)
        known = self.items.get(folded)
        if known is not None:
            self.version += 1
            self.items[folded] = (known[0], value)
        else:
            self.enter(folded, (key, value))

    def __iter__(self) -> Iterator[Pair]:
        return (Pair(key, value) for key, value in self._live())


def hashable(key: Any) -> Any:
    try:
        hash(key)
    except TypeError:
        return id(key)
    return key


class HashSet(Slots):
    """HashSet<T>."""

    __slots__ = ("element",)

    def __init__(self, element: Type, items: Iterable[Any] = (), fold: Callable[[Any], Any] | None = None) -> None:
        super().__init__(fold)
        self.element = element
        for item in items:
            self.add(item)

    @property
    def dotnet(self) -> Type:
        return generic("HashSet", self.element)

    def key(self, item: Any) -> Any:
        return self.fold(item) if self.fold and item is not None else hashable(item)

    def add(self, item: Any) -> bool:
        key = self.key(item)
        if key in self.items:
            return False
        self.enter(key, item)
        return True

    def remove(self, item: Any) -> bool:
        removed = self.leave(self.key(item))
        if not self.items:
            self.holes = []
        self.version += removed
        return removed

    def __iter__(self) -> Iterator[Any]:
        return self._live()


def modified() -> NoReturn:
    invalid_operation("Collection was modified; enumeration operation may not execute.")


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
            if type(items) is List:
                modified()
            invalid_operation("Collection was modified after the enumerator was instantiated.")


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
        if equal(item, wanted):
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


def reverse(items: list[Any]) -> None:
    items.reverse()


def sort(items: Array | List) -> None:
    from proxy.expressions.dotnet.linq_lazy import order_key

    spend(len(items) << 2)
    items.sort(key=order_key(items.element))


def copy_range(source: list[Any], start: int, target: list[Any], at: int, count: int) -> None:
    if source is None or target is None:
        argument_null("sourceArray" if source is None else "destinationArray")
    if count < 0:
        out_of_range("Non-negative number required.", "length")
    if start < 0 or at < 0:
        out_of_range(
            "Number was less than the array's lower bound in the first dimension.",
            "sourceIndex" if start < 0 else "destinationIndex",
        )
    for items, index, name in ((source, start, "Source"), (target, at, "Destination")):
        if index + count > len(items):
            argument(
                f"{name} array was not long enough. Check the {name.lower()} index, length, and the array's lower "
                "bounds.",
                f"{name.lower()}Array",
            )
    target[at : at + count] = source[start : start + count]


def find_first(kind: Type, items: Iterable[Any], test: Callable[[Any], bool]) -> Any:
    for item in items:
        if test(item):
            return item
    from proxy.expressions.bind_creation import default_of

    return default_of(kind)


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


def given(items: Any, name: str = "collection") -> Any:
    """Raises ArgumentNullException without a sequence."""
    if items is None:
        argument_null(name)
    return items


def _sized(kind: Type, capacity: int) -> List:
    if capacity < 0:
        out_of_range("Non-negative number required.", "capacity")
    return List(kind)


def _append(items: list[Any], value: Any) -> None:
    items.append(value)


def _extend(items: list[Any], more: Any) -> None:
    new = list(iterate(given(more)))
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
        out_of_range("Index must be within the bounds of the List.", "index")
    items.insert(index, value)


def _remove_all(items: list[Any], test: Callable[[Any], bool]) -> int:
    before = len(items)
    items[:] = [item for item in items if not test(item)]
    return before - len(items)


def span(items: list[Any], index: int, count: int) -> slice:
    """The part of a list that two numbers name."""
    if index < 0 or count < 0:
        out_of_range("Non-negative number required.", "index" if index < 0 else "count")
    if index + count > len(items):
        argument(
            "Offset and length were out of bounds for the array or count is greater than the number of elements from "
            "index to the end of the source collection."
        )
    return slice(index, index + count)


def _remove_range(items: list[Any], index: int, count: int) -> None:
    span(items, index, count)
    del items[index : index + count]


def _each(items: Iterable[Any], action: Callable[[Any], Any]) -> None:
    for item in items:
        action(item)


def _sort_by(items: list[Any], comparison: Callable[[Any, Any], int]) -> None:
    import functools

    items.sort(key=functools.cmp_to_key(comparison))


def _range(items: List, index: int, count: int) -> List:
    span(items, index, count)
    return List(items.element, items[index : index + count])


def copy_to(items: Any, target: list[Any], index: int = 0) -> None:
    """CopyTo(array, index) of any collection."""
    if target is None:
        argument_null("array")
    found = list(items)
    if index < 0:
        out_of_range("Number was less than the array's lower bound in the first dimension.", "dstIndex")
    if index + len(found) > len(target):
        argument(
            "Destination array was not long enough. Check the destination index, length, and the array's lower bounds.",
            "destinationArray",
        )
    target[index : index + len(found)] = found


members(
    LIST,
    {
        "new()": with_types(lambda kind: List(kind)),
        "new(int capacity)": with_types(_sized),
        "new(IEnumerable<T> collection)": with_types(lambda kind, items: List(kind, iterate(given(items)))),
        "T this[int index]": _list_get,
        "int Count": len,
        "int Capacity": len,
        "void Add(T item)": _append,
        "void AddRange(IEnumerable<T> collection)": _extend,
        "void Clear()": lambda items: items.clear(),
        "bool Contains(T item)": lambda items, value: position(items, value) >= 0,
        "bool Exists(Predicate<T> match)": lambda items, test: any(test(item) for item in items),
        "bool TrueForAll(Predicate<T> match)": lambda items, test: all(test(item) for item in items),
        "T? Find(Predicate<T> match)": lambda items, test: find_first(items.element, items, test),
        "List<T> FindAll(Predicate<T> match)": lambda items, test: List(items.element, [x for x in items if test(x)]),
        "List<T> GetRange(int index, int count)": _range,
        "void ForEach(Action<T> action)": lambda items, action: _each(iterate(items), action),
        "void Insert(int index, T item)": _insert,
        "bool Remove(T item)": _remove,
        "void RemoveAt(int index)": _remove_at,
        "int RemoveAll(Predicate<T> match)": _remove_all,
        "void RemoveRange(int index, int count)": _remove_range,
        "void Reverse()": reverse,
        "void Sort()": sort,
        "void Sort(Comparison<T> comparison)": _sort_by,
        "T[] ToArray()": lambda items: Array(items.element, items),
    },
)
setters(LIST, {"this[int]": _list_set, "Capacity": lambda items, size: None})


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
