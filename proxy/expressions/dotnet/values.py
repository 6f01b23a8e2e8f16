"""How .NET values stand in Python.

    string str · int int · bool bool · double float · decimal Decimal · null None
    char   a str of one character while its static type is char, `Char` once it is an object
    other integers and float   plain while static, a thin subclass (`Int64`, `Single` ...) once they are objects
    T[], List<T>   list subclasses that know T;  enum   `EnumValue`
Everything else is a class of its own with a `dotnet` type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from proxy.expressions.types import Type, array_of, generic, type_of_name


class Char(str):
    __slots__ = ()


class SByte(int):
    __slots__ = ()


class Byte(int):
    __slots__ = ()


class Int16(int):
    __slots__ = ()


class UInt16(int):
    __slots__ = ()


class UInt32(int):
    __slots__ = ()


class Int64(int):
    __slots__ = ()


class UInt64(int):
    __slots__ = ()


class Single(float):
    __slots__ = ()


BOXES: dict[str, Callable[[Any], Any]] = {
    "char": Char,
    "sbyte": SByte,
    "byte": Byte,
    "short": Int16,
    "ushort": UInt16,
    "uint": UInt32,
    "long": Int64,
    "ulong": UInt64,
    "float": Single,
}


# GetHashCode of value types whose number is the same in every process, by the type's name
HASHES: dict[str, Callable[[Any], int]] = {}


class EnumValue(int):
    """A member of an enumeration; prints its name."""

    kind: Type
    label: str

    def __new__(cls, kind: Type, value: int, label: str = "") -> EnumValue:
        made = super().__new__(cls, value)
        made.kind = kind
        made.label = label or str(value)
        return made

    @property
    def dotnet(self) -> Type:
        return self.kind


class Array(list[Any]):
    """T[]; its length never changes."""

    __slots__ = ("element",)

    def __init__(self, element: Type, items: Any = ()) -> None:
        super().__init__(items)
        self.element = element

    @property
    def dotnet(self) -> Type:
        return array_of(self.element)


class List(list[Any]):
    """List<T>."""

    __slots__ = ("element",)

    def __init__(self, element: Type, items: Any = ()) -> None:
        super().__init__(items)
        self.element = element

    @property
    def dotnet(self) -> Type:
        return generic("List", self.element)


class Sequence:
    """A deferred IEnumerable<T>: each enumeration calls `start` anew."""

    __slots__ = ("element", "start")

    def __init__(self, start: Callable[[], Iterator[Any]], element: Type | None = None) -> None:
        self.start = start
        self.element = element

    def __iter__(self) -> Iterator[Any]:
        return self.start()

    @property
    def dotnet(self) -> Type:
        return generic("IEnumerable", self.element or type_of_name("object"))


class Anonymous:
    """An instance of `new { a = 1 }`: names and values in order."""

    __slots__ = ("dotnet", "items")

    def __init__(self, dotnet: Type, items: tuple[tuple[str, Any], ...]) -> None:
        self.dotnet = dotnet
        self.items = items

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Anonymous) and self.dotnet is other.dotnet and self.items == other.items

    def __hash__(self) -> int:
        return hash(self.items)


class Delegate:
    """A function that became an object: it still knows its delegate type."""

    __slots__ = ("dotnet", "function")

    def __init__(self, dotnet: Type, function: Callable[..., Any]) -> None:
        self.dotnet = dotnet
        self.function = function

    def __call__(self, *given: Any) -> Any:
        return self.function(*given)


_EXACT: dict[type, str] = {
    str: "string",
    bool: "bool",
    int: "int",
    float: "double",
    Decimal: "decimal",
    Char: "char",
    SByte: "sbyte",
    Byte: "byte",
    Int16: "short",
    UInt16: "ushort",
    UInt32: "uint",
    Int64: "long",
    UInt64: "ulong",
    Single: "float",
}


def stands_for(python: type, name: str) -> None:
    """Instances of exactly this Python class are values of the type `name`."""
    _EXACT[python] = name


def runtime_type(value: Any) -> Type:
    """The .NET type of a value that is not null."""
    name = _EXACT.get(type(value))
    if name is not None:
        return type_of_name(name)
    found = getattr(value, "dotnet", None)
    if isinstance(found, Type):
        return found
    return type_of_name("object")


def name_of(value: Any) -> str:
    return runtime_type(value).full_name


def instance_of(value: Any, target: Type) -> bool:
    """C# `is`: not null, and of that type or below it."""
    if value is None:
        return False
    if target.name == "object":
        return True
    actual = runtime_type(value)
    target = target.underlying.plain
    if actual is target:
        return True
    if actual.is_value:
        return False
    for above in actual.ancestry():
        if above is target:
            return True
        # covariance holds between reference types
        same = above.name == target.name and above.args and above.definition is target.definition
        if same and all(
            a is b or (not a.is_value and b.name == "object") for a, b in zip(above.args, target.args, strict=True)
        ):
            return True
    return False
