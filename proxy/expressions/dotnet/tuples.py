"""System.Tuple<...> and Tuple.Create, one to seven items."""

from __future__ import annotations

from typing import Any

from proxy.expressions.dotnet import primitives  # noqa: F401
from proxy.expressions.dotnet.text import TEXTS, boxed_texts
from proxy.expressions.table import define, members, with_types
from proxy.expressions.types import Type, generic


class Tuple:
    """Equal by its items."""

    __slots__ = ("dotnet", "items")

    def __init__(self, dotnet: Type, items: tuple[Any, ...]) -> None:
        self.dotnet = dotnet
        self.items = items

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tuple) and self.dotnet is other.dotnet and self.items == other.items

    def __hash__(self) -> int:
        return hash(self.items)

    def text(self) -> str:
        return f"({', '.join(boxed_texts(self.items, self.dotnet.args))})"


TEXTS[Tuple] = Tuple.text
CREATE = define("Tuple", "System.Tuple", kind="static")


def _maker(arity: int) -> Any:
    def make(*given: Any) -> Tuple:
        return Tuple(generic("Tuple", *given[:arity]), given[arity:])

    return with_types(make)


for _arity in range(1, 8):
    _names = [f"T{index}" for index in range(1, _arity + 1)]
    _items = ", ".join(f"{name} item{index}" for index, name in enumerate(_names, 1))
    _definition = define("Tuple", "System.Tuple", parameters=tuple(_names))
    members(
        _definition,
        {
            f"new({_items})": _maker(_arity),
            **{f"{name} Item{i}": (lambda value, i=i: value.items[i - 1]) for i, name in enumerate(_names, 1)},
            "string ToString()": Tuple.text,
            "bool Equals(object other)": lambda a, b: a == b,
        },
    )
    _generic = ", ".join(_names)
    members(CREATE, {f"static Tuple<{_generic}> Create<{_generic}>({_items})": _maker(_arity)})
