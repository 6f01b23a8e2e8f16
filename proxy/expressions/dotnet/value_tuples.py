"""(a, b): System.ValueTuple of one to sixteen items, flat (.NET nests from the eighth on, which nobody can see)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from proxy.expressions.dotnet import primitives  # noqa: F401
from proxy.expressions.dotnet.text import TEXTS, boxed_texts
from proxy.expressions.table import define, members, with_types
from proxy.expressions.types import Type, tuple_of

MOST = 16


class ValueTuple(tuple[Any, ...]):
    """A tuple that knows its type; items are held as their static types hold them."""

    dotnet: Type

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ValueTuple) and self.dotnet is other.dotnet and tuple.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = tuple.__hash__

    def text(self) -> str:
        return f"({', '.join(boxed_texts(self, self.dotnet.args))})"


TEXTS[ValueTuple] = ValueTuple.text


@lru_cache(1024)
def tuple_builder(kind: Type) -> Callable[..., ValueTuple]:
    """The function that makes a tuple of that type from its items."""
    kind = kind.plain

    def build(*items: Any) -> ValueTuple:
        made = ValueTuple(items)
        made.dotnet = kind
        return made

    return build


@lru_cache(1024)
def tuple_converter(kind: Type, parts: tuple[Callable[[Any], Any] | None, ...]) -> Callable[[ValueTuple], ValueTuple]:
    """Item by item to another tuple type."""
    build = tuple_builder(kind)
    return lambda value: build(*(item if part is None else part(item) for item, part in zip(value, parts, strict=True)))


def with_item(value: ValueTuple, index: int, item: Any) -> ValueTuple:
    """The tuple that an assignment to one of its fields leaves in the variable."""
    return tuple_builder(value.dotnet)(*value[:index], item, *value[index + 1 :])


def _create(*given: Any) -> ValueTuple:
    half = len(given) // 2
    return tuple_builder(tuple_of(given[:half]))(*given[half:])


def _compare(one: ValueTuple, other: ValueTuple) -> int:
    from proxy.expressions.dotnet.linq_lazy import compare

    for left, right in zip(one, other, strict=True):
        order = compare(left, right)
        if order:
            return order
    return 0


STATIC = define("ValueTuple", "System.ValueTuple", kind="static")
for _arity in range(1, MOST + 1):
    _names = [f"T{index}" for index in range(1, _arity + 1)]
    _items = ", ".join(f"{name} item{index}" for index, name in enumerate(_names, 1))
    _all = ", ".join(_names)
    _definition = define("ValueTuple", "System.ValueTuple", kind="value", parameters=tuple(_names))
    members(
        _definition,
        {
            f"new({_items})": with_types(_create),
            **{f"{name} Item{i}": (lambda value, i=i: value[i - 1]) for i, name in enumerate(_names, 1)},
            "string ToString()": ValueTuple.text,
            "bool Equals(object other)": lambda one, other: one == other,
            "int GetHashCode()": lambda value: hash(value) & 0x7FFFFFFF,
            f"int CompareTo(ValueTuple<{_all}> other)": _compare,
        },
    )
    members(STATIC, {f"static ValueTuple<{_all}> Create<{_all}>({_items})": with_types(_create)})
