"""The interfaces of collections: IList, ICollection, IReadOnlyList, IEnumerator."""

from __future__ import annotations

from typing import Any

from proxy.expressions.dotnet import primitives as p
from proxy.expressions.dotnet.collections import (
    Dictionary,
    HashSet,
    _insert,
    _list_get,
    _list_set,
    _remove,
    _remove_at,
    copy_to,
    count_of,
    equal,
    iterate,
    position,
)
from proxy.expressions.dotnet.text import to_text
from proxy.expressions.dotnet.values import Array, stands_for
from proxy.expressions.runtime import DotNetError, argument, tick
from proxy.expressions.table import attribute, define, members, setters

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


def _fixed(items: Any) -> None:
    if isinstance(items, Array):
        raise DotNetError("System.NotSupportedException", "Collection was of a fixed size.")


def _collect(items: Any, value: Any) -> None:
    """ICollection.Add."""
    _fixed(items)
    if isinstance(items, HashSet):
        items.add(value)
    elif isinstance(items, Dictionary):
        if items.find(value.key) is not None:
            argument(f"An item with the same key has already been added. Key: {to_text(value.key)}")
        items.put(value.key, value.value)
    else:
        items.append(value)


def _holds(items: Any, value: Any) -> bool:
    if isinstance(items, HashSet):
        return items.key(value) in items.items
    if isinstance(items, Dictionary):
        found = items.find(value.key)
        return found is not None and equal(found[1], value.value)
    return position(items, value) >= 0


def _discard(items: Any, value: Any) -> bool:
    _fixed(items)
    if isinstance(items, HashSet):
        return items.remove(value)
    if isinstance(items, Dictionary):
        return _holds(items, value) and items.leave(items.key(value.key))
    return _remove(items, value)


def _empty(items: Any) -> None:
    _fixed(items)
    items.clear()


members(
    p.COLLECTION,
    {
        "int Count": lambda items: count_of(items),
        "bool IsReadOnly": lambda items: isinstance(items, Array),
        "void Add(T item)": _collect,
        "void Clear()": _empty,
        "bool Contains(T item)": _holds,
        "bool Remove(T item)": _discard,
        "void CopyTo(T[] array, int arrayIndex)": copy_to,
    },
)


class Enumerator:
    """IEnumerator<T>."""

    __slots__ = ("current", "rest")

    def __init__(self, items: Any) -> None:
        self.rest = iterate(items)
        self.current: Any = None

    def move(self) -> bool:
        tick()
        for item in self.rest:
            self.current = item
            return True
        return False


ENUMERATOR = define(
    "IEnumerator", "System.Collections.Generic.IEnumerator", kind="interface", parameters=("T",), bases=("IDisposable",)
)
stands_for(Enumerator, "IEnumerator")
members(ENUMERATOR, {"T Current": attribute("current"), "bool MoveNext()": Enumerator.move})
members(p.ENUMERABLE, {"IEnumerator<T> GetEnumerator()": Enumerator})
members(p.READ_COLLECTION, {"int Count": lambda items: count_of(items)})
members(p.READ_LIST, {"T this[int index]": _list_get})
