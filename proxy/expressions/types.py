"""Static .NET types: what the binder knows of a value before it exists.

A `Type` is a name with type arguments, interned, so that identity is equality. Its `Definition` holds the members that
policies may reach; what is not in a definition does not exist. `T[]` is the type "[]" of T, `T?` of a value type is
"Nullable" of T, and inside signatures a type parameter is a type without a definition.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

INTEGRAL = ("sbyte", "byte", "short", "ushort", "int", "uint", "long", "ulong")
NUMERIC = (*INTEGRAL, "char", "float", "double", "decimal")
BITS = {"sbyte": 8, "byte": 8, "short": 16, "ushort": 16, "int": 32, "uint": 32, "long": 64, "ulong": 64}
SIGNED = ("sbyte", "short", "int", "long")


@dataclass(eq=False, frozen=True, slots=True)
class Native:
    """How a member is reached. `exchange` and `types` say what is passed before the receiver and the arguments.

    `attribute` names a Python attribute of one of our own classes instead of a function; `constant` is a value known
    at compile time.
    """

    function: Callable[..., Any] | None = None
    exchange: bool = False
    types: bool = False
    attribute: str = ""
    constant: Any = None
    # which message body it may read: "request" or "response"
    reads: str = ""
    # answers a missing receiver itself, so null is not checked before
    null_safe: bool = False


@dataclass(eq=False, slots=True)
class Parameter:
    type: Type
    name: str
    default: Any = None
    optional: bool = False
    params: bool = False
    out: bool = False
    ref: bool = False


@dataclass(eq=False, slots=True)
class Member:
    """One line of the table. `kind`: method, property, indexer, constructor, conversion."""

    name: str
    kind: str
    returns: Type
    nullable: bool
    parameters: tuple[Parameter, ...]
    native: Native
    static: bool = False
    extension: bool = False
    generics: tuple[str, ...] = ()
    setter: Native | None = None
    explicit: bool = False
    owner: Definition | None = None


@dataclass(eq=False, slots=True)
class Definition:
    """A .NET type of the allow-list. `kind`: class, value, enum, static, interface, delegate.

    Its signatures are read when a member is first asked for: a process that never meets the type never reads them.
    """

    name: str
    full_name: str
    kind: str = "class"
    parameters: tuple[str, ...] = ()
    bases: tuple[Type, ...] = ()
    # the Python class whose instances are values of this type; None for types that only exist statically
    python: Any = None
    _declared: Declared = field(default_factory=lambda: Declared())
    _unread: list[Callable[[Declared], None]] = field(default_factory=list)
    _complete: bool = True

    def later(self, declare: Callable[[Declared], None]) -> None:
        """Run `declare` before anyone sees the members; it must look at nothing but what it is given."""
        self._unread.append(declare)
        self._complete = False

    def _read(self) -> Declared:
        if not self._complete:
            with _READING:
                while self._unread:
                    self._unread.pop(0)(self._declared)
                self._complete = True
        return self._declared

    @property
    def members(self) -> dict[str, list[Member]]:
        return self._read().members

    @property
    def constructors(self) -> list[Member]:
        return self._read().constructors

    @property
    def indexers(self) -> list[Member]:
        return self._read().indexers

    @property
    def conversions(self) -> list[Member]:
        return self._read().conversions


@dataclass(eq=False, slots=True)
class Declared:
    """What a type has, by kind."""

    members: dict[str, list[Member]] = field(default_factory=dict)
    constructors: list[Member] = field(default_factory=list)
    indexers: list[Member] = field(default_factory=list)
    conversions: list[Member] = field(default_factory=list)


# Documents compile in several threads; one of them reads a type, the others wait for the whole of it.
_READING = threading.RLock()


class Type:
    """An interned type; make it with `type_of_name`, `generic`, `array_of`, `nullable_of`."""

    __slots__ = ("_bases", "args", "definition", "labels", "name", "plain")

    def __init__(
        self, name: str, args: tuple[Type, ...], definition: Definition | None, labels: tuple[str, ...] = ()
    ) -> None:
        self.name = name
        self.args = args
        self.definition = definition
        self._bases: tuple[Type, ...] | None = None
        # the names of a tuple's elements, "" for one without; they exist for the compiler only
        self.labels = labels
        # the type without such names anywhere: what exists when the program runs
        self.plain: Type = self

    @property
    def is_array(self) -> bool:
        return self.name == "[]"

    @property
    def rank(self) -> int:
        """The number of dimensions of an array, 0 of other types."""
        return len(self.name) - 1 if self.name[:1] == "[" else 0

    @property
    def is_tuple(self) -> bool:
        return self.name == "ValueTuple"

    @property
    def is_nullable(self) -> bool:
        return self.name == "Nullable"

    @property
    def is_parameter(self) -> bool:
        return self.definition is None and not self.args

    @property
    def is_value(self) -> bool:
        return self.definition is not None and self.definition.kind in ("value", "enum")

    @property
    def is_enum(self) -> bool:
        return self.definition is not None and self.definition.kind == "enum"

    @property
    def is_delegate(self) -> bool:
        return self.definition is not None and self.definition.kind == "delegate"

    @property
    def is_interface(self) -> bool:
        return self.definition is not None and self.definition.kind == "interface"

    @property
    def underlying(self) -> Type:
        """T of `T?`, else the type itself."""
        return self.args[0] if self.name == "Nullable" else self

    @property
    def full_name(self) -> str:
        """As reflection prints it: System.Collections.Generic.List`1[System.String]."""
        if self.name[:1] == "[":
            return f"{self.args[0].full_name}{self.name}"
        name = self.definition.full_name if self.definition else self.name
        if not self.args:
            return name
        return f"{name}`{len(self.args)}[{','.join(arg.full_name for arg in self.args)}]"

    def __str__(self) -> str:
        """As C# writes it: List<string>, int?, byte[]."""
        if self.name[:1] == "[":
            return f"{self.args[0]}{self.name}"
        if self.is_nullable:
            return f"{self.args[0]}?"
        if self.is_tuple and self.args:
            labels = self.labels or ("",) * len(self.args)
            return f"({', '.join(f'{arg} {label}'.rstrip() for arg, label in zip(self.args, labels, strict=True))})"
        if not self.args:
            return self.name
        return f"{self.name}<{', '.join(map(str, self.args))}>"

    __repr__ = __str__

    @property
    def bases(self) -> tuple[Type, ...]:
        """The direct base class and interfaces, with this type's arguments filled in."""
        if self._bases is None:
            if self.is_array:
                self._bases = tuple(generic(name, self.args[0]) for name in ("IList", "IReadOnlyList"))
            elif self.definition is None:
                self._bases = ()
            else:
                filling = dict(zip(self.definition.parameters, self.args, strict=False))
                self._bases = tuple(substitute(base, filling) for base in self.definition.bases)
        return self._bases

    def ancestry(self) -> Iterator[Type]:
        """The type and everything above it except object, nearest first."""
        seen = {self}
        queue = [self]
        while queue:
            current = queue.pop(0)
            yield current
            for base in current.bases:
                if base not in seen:
                    seen.add(base)
                    queue.append(base)


_DEFINITIONS: dict[tuple[str, int], Definition] = {}
_BY_FULL_NAME: dict[tuple[str, int], Definition] = {}
_INTERNED: dict[tuple[str, tuple[Type, ...], tuple[str, ...]], Type] = {}
# namespaces without a type of ours are known too, so that an error names the type and not the namespace
_NAMESPACES = {
    "System.IO", "System.Xml", "System.Xml.Linq", "System.Diagnostics", "System.Threading", "System.Threading.Tasks",
    "System.Reflection", "System.Net.Http", "System.Globalization", "System.Runtime",
}  # fmt: skip


def register(definition: Definition, *aliases: str) -> None:
    arity = len(definition.parameters)
    short = definition.full_name.rsplit(".", 1)[-1]
    for name in {definition.name, short, *aliases}:
        _DEFINITIONS[(name, arity)] = definition
    _BY_FULL_NAME[(definition.full_name, arity)] = definition
    parts = definition.full_name.split(".")[:-1]
    for length in range(1, len(parts) + 1):
        _NAMESPACES.add(".".join(parts[:length]))


def is_namespace(name: str) -> bool:
    return name in _NAMESPACES


def find(name: str, arity: int = 0) -> Definition | None:
    """The definition of a simple or full name, or None when the allow-list has no such type."""
    return _DEFINITIONS.get((name, arity)) or _BY_FULL_NAME.get((name, arity))


def definitions() -> list[Definition]:
    return list({id(definition): definition for definition in _DEFINITIONS.values()}.values())


def generic(name: str, *args: Type, labels: tuple[str, ...] = ()) -> Type:
    """The type of that name with these arguments; an unknown name is a type parameter."""
    definition = _DEFINITIONS.get((name, len(args)))
    key = (definition.name if definition else name, args, labels)
    found = _INTERNED.get(key)
    if found is None:
        found = Type(key[0], args, definition, labels)
        if labels or any(arg.plain is not arg for arg in args):
            found.plain = generic(name, *(arg.plain for arg in args))
        _INTERNED[key] = found
    elif found.definition is None and definition is not None:
        found.definition = definition
    return found


def type_of_name(name: str) -> Type:
    return generic(name)


def array_of(element: Type) -> Type:
    return generic("[]", element)


def matrix_of(element: Type, rank: int) -> Type:
    """`element[,]` for rank 2."""
    return generic(f"[{',' * (rank - 1)}]", element)


def tuple_of(args: tuple[Type, ...], labels: tuple[str, ...] = ()) -> Type:
    return generic("ValueTuple", *args, labels=labels if any(labels) else ())


def nullable_of(value: Type) -> Type:
    return generic("Nullable", value)


def substitute(target: Type, filling: dict[str, Type]) -> Type:
    """`target` with its type parameters replaced."""
    if not filling:
        return target
    if target.is_parameter:
        return filling.get(target.name, target)
    if not target.args:
        return target
    args = tuple(substitute(arg, filling) for arg in target.args)
    return target if args == target.args else generic(target.name, *args, labels=target.labels)


def has_parameters(target: Type) -> bool:
    return target.is_parameter or any(has_parameters(arg) for arg in target.args)


register(Definition("[]", "System.Array", parameters=("T",)))


def settle() -> None:
    """Give every type that was mentioned before its definition that definition; called when the table is complete."""
    for (name, args, _), kind in list(_INTERNED.items()):
        if kind.definition is None:
            kind.definition = _DEFINITIONS.get((name, len(args)))
            kind._bases = None
