"""Dictionary, HashSet, Queue, Stack, StringComparer and the dictionary interfaces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from proxy.expressions.dotnet import primitives as p
from proxy.expressions.dotnet.collections import (
    Dictionary,
    HashSet,
    Slots,
    _append,
    copy_to,
    count_of,
    given,
    hash_of,
    iterate,
    position,
)
from proxy.expressions.dotnet.culture import compare_with, upper
from proxy.expressions.dotnet.text import to_text
from proxy.expressions.dotnet.values import Array, List, stands_for
from proxy.expressions.runtime import DotNetError, argument, argument_null, invalid_operation, out_of_range
from proxy.expressions.table import constant, define, members, setters, with_types
from proxy.expressions.types import Type, generic

_GENERIC = "System.Collections.Generic"


class Comparer:
    """StringComparer: its StringComparison, and how keys are folded before they are compared."""

    __slots__ = ("comparison", "fold", "ordinal")

    def __init__(self, comparison: int) -> None:
        self.comparison = comparison
        self.fold: Callable[[Any], Any] | None = _upper if comparison % 2 else None
        self.ordinal = comparison >= 4

    def compare(self, left: Any, right: Any) -> int:
        return compare_with(left, right, self.comparison)

    def same(self, left: Any, right: Any) -> bool:
        return (self.fold(left) == self.fold(right)) if self.fold else bool(left == right)


stands_for(Comparer, "StringComparer")


def _upper(text: Any) -> Any:
    return upper(text) if isinstance(text, str) else text


def _of_comparison(comparison: Any) -> Comparer:
    if not 0 <= int(comparison) <= 5:
        argument("The string comparison type passed in is currently not supported.", "comparisonType")
    return Comparer(int(comparison))


def _hash(comparer: Comparer, text: Any) -> int:
    if text is None:
        argument_null("obj")
    return hash_of(comparer.fold(text) if comparer.fold else text)


EQUALITY = define("IEqualityComparer", f"{_GENERIC}.IEqualityComparer", kind="interface", parameters=("T",))
ORDER = define("IComparer", f"{_GENERIC}.IComparer", kind="interface", parameters=("T",))
COMPARER = define("StringComparer", "System.StringComparer", bases=("IEqualityComparer<string>", "IComparer<string>"))
_KINDS = ("CurrentCulture", "InvariantCulture", "Ordinal")
members(
    COMPARER,
    {
        **{
            f"static StringComparer {name}{end}": constant(Comparer(2 * number + fold))
            for number, name in enumerate(_KINDS)
            for fold, end in enumerate(("", "IgnoreCase"))
        },
        "static StringComparer FromComparison(StringComparison comparisonType)": _of_comparison,
        "bool Equals(string x, string y)": Comparer.same,
        "int Compare(string x, string y)": Comparer.compare,
        "int GetHashCode(string obj)": _hash,
        "bool Equals(object x, object y)": Comparer.same,
        "int Compare(object x, object y)": Comparer.compare,
        "int GetHashCode(object obj)": _hash,
    },
)
members(EQUALITY, {"bool Equals(T x, T y)": Comparer.same, "int GetHashCode(T obj)": _hash})
members(ORDER, {"int Compare(T x, T y)": Comparer.compare})

DICTIONARY = define(
    "Dictionary",
    f"{_GENERIC}.Dictionary",
    parameters=("K", "V"),
    bases=("IDictionary<K, V>", "IReadOnlyDictionary<K, V>"),
)


def _new(key: Type, value: Type, items: Any = None, comparer: Comparer | None = None) -> Dictionary:
    made = Dictionary(generic("Dictionary", key, value), fold=comparer.fold if comparer else None)
    for pair in iterate(items) if items is not None else ():
        add_entry(made, pair.key, pair.value)
    return made


def _copy(key: Type, value: Type, items: Any, comparer: Comparer | None = None) -> Dictionary:
    return _new(key, value, given(items, "dictionary"), comparer)


def get(items: Any, key: Any) -> Any:
    found = items.find(key)
    if found is None:
        raise DotNetError(
            "System.Collections.Generic.KeyNotFoundException",
            f"The given key '{to_text(key)}' was not present in the dictionary.",
        )
    return found[1]


def add_entry(items: Dictionary, key: Any, value: Any) -> None:
    if items.find(key) is not None:
        argument(f"An item with the same key has already been added. Key: {to_text(key)}")
    items.put(key, value)


def _try_add(items: Dictionary, key: Any, value: Any) -> bool:
    if items.find(key) is not None:
        return False
    items.put(key, value)
    return True


def _drop(items: Dictionary, key: Any) -> bool:
    return items.leave(items.key(key))


def _take_out(_: Type, kind: Type, items: Dictionary, key: Any) -> tuple[bool, Any]:
    found = _try_get_typed(_, kind, items, key)
    _drop(items, key)
    return found


def _sized(key: Type, value: Type, capacity: int, comparer: Comparer | None = None) -> Dictionary:
    if capacity < 0:
        out_of_range("Non-negative number required.", "capacity")
    return _new(key, value, None, comparer)


def _capacity(items: Any, capacity: int) -> int:
    if capacity < 0:
        out_of_range("Non-negative number required.", "capacity")
    return max(capacity, count_of(items))


def _try_get_typed(_: Type, kind: Type, items: Any, key: Any) -> tuple[bool, Any]:
    found = items.find(key)
    if found is not None:
        return True, found[1]
    from proxy.expressions.bind_creation import default_of

    return False, default_of(kind)


def _keys(items: Any) -> List:
    return List(items.kind.args[0], [key for key, _ in items.items.values()])


def _values(items: Any) -> List:
    return List(items.kind.args[1], [value for _, value in items.items.values()])


def _get_or(items: Any, key: Any, default: Any = None) -> Any:
    found = items.find(key)
    return default if found is None else found[1]


_READS: dict[str, Any] = {
    "int Count": count_of,
    "bool ContainsKey(K key)": lambda items, key: items.find(key) is not None,
    "bool TryGetValue(K key, out V value)": with_types(_try_get_typed),
    "V this[K key]": get,
}
_WRITES: dict[str, Any] = {
    "void Add(K key, V value)": add_entry,
    "bool Remove(K key)": _drop,
    "void Clear()": Slots.clear,
}
members(
    DICTIONARY,
    {
        "new()": with_types(_new),
        "new(int capacity)": with_types(_sized),
        "new(int capacity, IEqualityComparer<K> comparer)": with_types(_sized),
        "new(IDictionary<K, V> dictionary)": with_types(_copy),
        "new(IEnumerable<KeyValuePair<K, V>> collection)": with_types(_copy),
        "new(IEnumerable<KeyValuePair<K, V>> collection, IEqualityComparer<K> comparer)": with_types(_copy),
        "new(IEqualityComparer<K> comparer)": with_types(lambda k, v, c: _new(k, v, None, c)),
        "new(IDictionary<K, V> dictionary, IEqualityComparer<K> comparer)": with_types(_copy),
        **_READS,
        **_WRITES,
        "bool TryAdd(K key, V value)": _try_add,
        "bool Remove(K key, out V value)": with_types(_take_out),
        "bool ContainsValue(V value)": lambda items, value: position([v for _, v in items.items.values()], value) >= 0,
        "int EnsureCapacity(int capacity)": _capacity,
        "void TrimExcess()": lambda items: None,
        "void TrimExcess(int capacity)": lambda items, capacity: None,
        "ICollection<K> Keys": _keys,
        "ICollection<V> Values": _values,
    },
)
members(p.DICTIONARY_INTERFACE, {**_READS, **_WRITES, "ICollection<K> Keys": _keys, "ICollection<V> Values": _values})
members(
    p.READ_DICTIONARY,
    {
        **_READS,
        "IEnumerable<K> Keys": _keys,
        "IEnumerable<V> Values": _values,
    },
)


def _value_or_default(kind: Type, value: Type, items: Any, key: Any) -> Any:
    from proxy.expressions.bind_creation import default_of

    return _get_or(items, key, default_of(value))


_HELPERS = define("CollectionExtensions", f"{_GENERIC}.CollectionExtensions", kind="static")
members(
    _HELPERS,
    {
        "static V? GetValueOrDefault<K, V>(this IReadOnlyDictionary<K, V> source, K key)": with_types(
            _value_or_default
        ),
        "static V? GetValueOrDefault<K, V>(this IReadOnlyDictionary<K, V> source, K key, V other)": _get_or,
    },
)
# .NET has none for IDictionary, the service's expressions have
members(
    p.DICTIONARY_INTERFACE,
    {
        "V? GetValueOrDefault(K key)": with_types(_value_or_default),
        "V? GetValueOrDefault(K key, V other)": _get_or,
    },
)
for _definition in (DICTIONARY, p.DICTIONARY_INTERFACE):
    setters(_definition, {"this[K]": lambda items, key, value: items.put(key, value)})

HASHSET = define("HashSet", f"{_GENERIC}.HashSet", parameters=("T",), bases=("ISet<T>", "IReadOnlyCollection<T>"))


def _hash_set(kind: Type, items: Any = (), comparer: Comparer | None = None) -> HashSet:
    return HashSet(kind, iterate(given(items)), comparer.fold if comparer else None)


def _other(items: HashSet, other: Any) -> dict[Any, Any]:
    """What another sequence holds, by this set's keys."""
    return {items.key(item): item for item in iterate(given(other, "other"))}


def _union(items: HashSet, more: Any) -> None:
    for item in _other(items, more).values():
        items.add(item)


def _keep(items: HashSet, more: Any) -> None:
    wanted = _other(items, more)
    for key in [key for key in items.items if key not in wanted]:
        items.leave(key)


def _except(items: HashSet, more: Any) -> None:
    for item in _other(items, more).values():
        items.remove(item)


def _differ(items: HashSet, more: Any) -> None:
    others = _other(items, more)
    both = [key for key in others if key in items.items]
    for item in others.values():
        items.add(item)
    for key in both:
        items.leave(key)


def _remove_where(items: HashSet, test: Callable[[Any], bool]) -> int:
    gone = [key for key, item in items.items.items() if test(item)]
    for key in gone:
        items.leave(key)
    return len(gone)


def _try_get(_: HashSet | Type, items: HashSet, item: Any) -> tuple[bool, Any]:
    key = items.key(item)
    if key in items.items:
        return True, items.items[key]
    from proxy.expressions.bind_creation import default_of

    return False, default_of(items.element)


def _copy_to(items: HashSet, target: list[Any], index: int = 0, count: int | None = None) -> None:
    found = list(items.items.values())[:count]
    if index < 0 or (count is not None and count < 0):
        out_of_range("Non-negative number required.", "arrayIndex" if index < 0 else "count")
    if index + len(found) > len(given(target, "array")):
        argument("Destination array is not long enough to copy all the items in the collection. Check array index and "
                 "length.")  # fmt: skip
    target[index : index + len(found)] = found


_SETS: dict[str, Any] = {
    "bool Add(T item)": HashSet.add,
    "void UnionWith(IEnumerable<T> other)": _union,
    "void IntersectWith(IEnumerable<T> other)": _keep,
    "void ExceptWith(IEnumerable<T> other)": _except,
    "void SymmetricExceptWith(IEnumerable<T> other)": _differ,
    "bool Overlaps(IEnumerable<T> other)": lambda a, o: any(key in a.items for key in _other(a, o)),
    "bool IsSupersetOf(IEnumerable<T> other)": lambda a, o: a.items.keys() >= _other(a, o).keys(),
    "bool IsProperSupersetOf(IEnumerable<T> other)": lambda a, o: a.items.keys() > _other(a, o).keys(),
    "bool IsSubsetOf(IEnumerable<T> other)": lambda a, o: a.items.keys() <= _other(a, o).keys(),
    "bool IsProperSubsetOf(IEnumerable<T> other)": lambda a, o: a.items.keys() < _other(a, o).keys(),
    "bool SetEquals(IEnumerable<T> other)": lambda a, o: a.items.keys() == _other(a, o).keys(),
}
members(p.SET_INTERFACE, _SETS)
members(
    HASHSET,
    {
        "new()": with_types(_hash_set),
        "new(int capacity)": with_types(lambda kind, capacity: _hash_set(kind)),
        "new(int capacity, IEqualityComparer<T> comparer)": with_types(lambda kind, _, c: _hash_set(kind, (), c)),
        "new(IEnumerable<T> collection)": with_types(_hash_set),
        "new(IEqualityComparer<T> comparer)": with_types(lambda kind, c: _hash_set(kind, (), c)),
        "new(IEnumerable<T> collection, IEqualityComparer<T> comparer)": with_types(_hash_set),
        **_SETS,
        "int Count": count_of,
        "bool Contains(T item)": lambda items, item: items.key(item) in items.items,
        "bool Remove(T item)": HashSet.remove,
        "void Clear()": Slots.clear,
        "int RemoveWhere(Predicate<T> match)": _remove_where,
        "bool TryGetValue(T equalValue, out T actualValue)": with_types(_try_get),
        "void CopyTo(T[] array)": _copy_to,
        "void CopyTo(T[] array, int arrayIndex)": _copy_to,
        "void CopyTo(T[] array, int arrayIndex, int count)": _copy_to,
        "int EnsureCapacity(int capacity)": _capacity,
        "void TrimExcess()": lambda items: None,
    },
)


class Queue(List):
    """Queue<T>: the head is the first element."""

    __slots__ = ()

    @property
    def dotnet(self) -> Type:
        return generic("Queue", self.element)


class Stack(List):
    """Stack<T>: the top is the first element."""

    __slots__ = ()

    @property
    def dotnet(self) -> Type:
        return generic("Stack", self.element)


def _take(items: list[Any], name: str, *, remove: bool) -> Any:
    if not items:
        invalid_operation(f"{name} empty.")
    return items.pop(0) if remove else items[0]


def _try_take(items: List, *, remove: bool) -> tuple[bool, Any]:
    if items:
        return True, items.pop(0) if remove else items[0]
    from proxy.expressions.bind_creation import default_of

    return False, default_of(items.element)


for _name, _class, _put, _pop in (("Queue", Queue, "Enqueue", "Dequeue"), ("Stack", Stack, "Push", "Pop")):
    _made = define(_name, f"{_GENERIC}.{_name}", parameters=("T",), bases=("IReadOnlyCollection<T>",))
    _push: Any = _append if _name == "Queue" else (lambda items, item: items.insert(0, item))
    members(
        _made,
        {
            "new()": with_types(lambda kind, c=_class: c(kind)),
            "new(IEnumerable<T> collection)": with_types(
                lambda kind, items, c=_class: c(kind, list(iterate(given(items)))[:: 1 if c is Queue else -1])
            ),
            "int Count": len,
            f"void {_put}(T item)": _push,
            f"T {_pop}()": lambda items, n=_name: _take(items, n, remove=True),
            "T Peek()": lambda items, n=_name: _take(items, n, remove=False),
            "void Clear()": lambda items: items.clear(),
            "bool Contains(T item)": lambda items, item: position(items, item) >= 0,
            "new(int capacity)": with_types(lambda kind, capacity, c=_class: c(kind)),
            "T[] ToArray()": lambda items: Array(items.element, items),
            "void CopyTo(T[] array, int arrayIndex)": copy_to,
            "void TrimExcess()": lambda items: None,
            f"bool Try{_pop}(out T result)": lambda items: _try_take(items, remove=True),
            "bool TryPeek(out T result)": lambda items: _try_take(items, remove=False),
        },
    )
