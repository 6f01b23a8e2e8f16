"""Dictionary, HashSet, Queue, Stack, StringComparer and the dictionary interfaces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from proxy.expressions.dotnet import primitives as p
from proxy.expressions.dotnet.collections import Dictionary, HashSet, _append, count_of, iterate
from proxy.expressions.dotnet.values import List, stands_for
from proxy.expressions.runtime import DotNetError, argument, invalid_operation
from proxy.expressions.table import constant, define, members, setters, with_types
from proxy.expressions.types import Type, generic

_GENERIC = "System.Collections.Generic"


class Comparer:
    """StringComparer: how keys are folded before they are compared."""

    __slots__ = ("fold", "ordinal")

    def __init__(self, fold: Callable[[Any], Any] | None, ordinal: bool) -> None:
        self.fold = fold
        self.ordinal = ordinal


stands_for(Comparer, "StringComparer")


def _upper(text: Any) -> Any:
    return text.upper() if isinstance(text, str) else text


define("IEqualityComparer", f"{_GENERIC}.IEqualityComparer", kind="interface", parameters=("T",))
define("IComparer", f"{_GENERIC}.IComparer", kind="interface", parameters=("T",))
COMPARER = define("StringComparer", "System.StringComparer", bases=("IEqualityComparer<string>", "IComparer<string>"))
members(
    COMPARER,
    {
        **{
            f"static StringComparer {name}{end}": constant(Comparer(_upper if end else None, name == "Ordinal"))
            for name in ("Ordinal", "InvariantCulture", "CurrentCulture")
            for end in ("", "IgnoreCase")
        },
        "bool Equals(string x, string y)": lambda c, x, y: (c.fold(x) == c.fold(y)) if c.fold else x == y,
    },
)

DICTIONARY = define(
    "Dictionary",
    f"{_GENERIC}.Dictionary",
    parameters=("K", "V"),
    bases=("IDictionary<K, V>", "IReadOnlyDictionary<K, V>"),
)


def _new(key: Type, value: Type, items: Any = None, comparer: Comparer | None = None) -> Dictionary:
    made = Dictionary(generic("Dictionary", key, value), fold=comparer.fold if comparer else None)
    for pair in iterate(items) if items is not None else ():
        made.put(pair.key, pair.value)
    return made


def get(items: Any, key: Any) -> Any:
    found = items.find(key)
    if found is None:
        raise DotNetError(
            "System.Collections.Generic.KeyNotFoundException",
            f"The given key '{key}' was not present in the dictionary.",
        )
    return found[1]


def _add(items: Dictionary, key: Any, value: Any) -> None:
    if items.find(key) is not None:
        argument(f"An item with the same key has already been added. Key: {key}")
    items.put(key, value)


def _try_add(items: Dictionary, key: Any, value: Any) -> bool:
    if items.find(key) is not None:
        return False
    items.put(key, value)
    return True


def _drop(items: Dictionary, key: Any) -> bool:
    found = items.find(key)
    if found is None:
        return False
    del items.items[items.fold(key) if items.fold else key]
    return True


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
    "void Add(K key, V value)": _add,
    "bool Remove(K key)": _drop,
    "void Clear()": lambda items: items.items.clear(),
}
members(
    DICTIONARY,
    {
        "new()": with_types(_new),
        "new(int capacity)": with_types(lambda k, v, size: _new(k, v)),
        "new(IDictionary<K, V> dictionary)": with_types(_new),
        "new(IEqualityComparer<K> comparer)": with_types(lambda k, v, c: _new(k, v, None, c)),
        "new(IDictionary<K, V> dictionary, IEqualityComparer<K> comparer)": with_types(_new),
        **_READS,
        **_WRITES,
        "bool TryAdd(K key, V value)": _try_add,
        "bool ContainsValue(V value)": lambda items, value: any(v == value for _, v in items.items.values()),
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
    return HashSet(kind, iterate(items), comparer.fold if comparer else None)


def _union(items: HashSet, more: Any) -> None:
    for item in iterate(more):
        items.add(item)


def _keep(items: HashSet, more: Any) -> None:
    wanted = {items.key(item) for item in iterate(more)}
    items.items = {key: value for key, value in items.items.items() if key in wanted}


def _except(items: HashSet, more: Any) -> None:
    for item in iterate(more):
        items.items.pop(items.key(item), None)


members(
    HASHSET,
    {
        "new()": with_types(_hash_set),
        "new(IEnumerable<T> collection)": with_types(_hash_set),
        "new(IEqualityComparer<T> comparer)": with_types(lambda kind, c: _hash_set(kind, (), c)),
        "new(IEnumerable<T> collection, IEqualityComparer<T> comparer)": with_types(_hash_set),
        "int Count": count_of,
        "bool Add(T item)": HashSet.add,
        "bool Contains(T item)": lambda items, item: items.key(item) in items.items,
        "bool Remove(T item)": lambda items, item: items.items.pop(items.key(item), items) is not items,
        "void Clear()": lambda items: items.items.clear(),
        "void UnionWith(IEnumerable<T> other)": _union,
        "void IntersectWith(IEnumerable<T> other)": _keep,
        "void ExceptWith(IEnumerable<T> other)": _except,
        "bool Overlaps(IEnumerable<T> other)": lambda a, o: any(a.key(x) in a.items for x in iterate(o)),
        "bool IsSupersetOf(IEnumerable<T> other)": lambda a, o: all(a.key(x) in a.items for x in iterate(o)),
        "bool IsSubsetOf(IEnumerable<T> other)": lambda a, o: set(a.items) <= {a.key(x) for x in iterate(o)},
        "bool SetEquals(IEnumerable<T> other)": lambda a, o: set(a.items) == {a.key(x) for x in iterate(o)},
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


for _name, _class, _put, _pop in (("Queue", Queue, "Enqueue", "Dequeue"), ("Stack", Stack, "Push", "Pop")):
    _made = define(_name, f"{_GENERIC}.{_name}", parameters=("T",), bases=("IReadOnlyCollection<T>",))
    _push: Any = _append if _name == "Queue" else (lambda items, item: items.insert(0, item))
    members(
        _made,
        {
            "new()": with_types(lambda kind, c=_class: c(kind)),
            "new(IEnumerable<T> collection)": with_types(
                lambda kind, items, c=_class: c(kind, list(iterate(items))[:: 1 if c is Queue else -1])
            ),
            "int Count": len,
            f"void {_put}(T item)": _push,
            f"T {_pop}()": lambda items, n=_name: _take(items, n, remove=True),
            "T Peek()": lambda items, n=_name: _take(items, n, remove=False),
            "void Clear()": lambda items: items.clear(),
            "bool Contains(T item)": lambda items, item: item in items,
        },
    )
