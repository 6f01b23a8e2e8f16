"""Arrays of two and three dimensions: T[,] and T[,,]."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from proxy.expressions.dotnet import primitives  # noqa: F401
from proxy.expressions.runtime import DotNetError, allocate_elements, overflow
from proxy.expressions.table import define, members, setters
from proxy.expressions.types import Type


class Matrix:
    """The elements in one list, the last dimension running fastest."""

    __slots__ = ("dotnet", "items", "lengths")

    def __init__(self, dotnet: Type, lengths: tuple[int, ...], items: list[Any]) -> None:
        self.dotnet = dotnet
        self.lengths = lengths
        self.items = items

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items)

    def place(self, indexes: tuple[int, ...]) -> int:
        at = 0
        for index, length in zip(indexes, self.lengths, strict=True):
            if not 0 <= index < length:
                _outside()
            at = at * length + index
        return at


def _outside() -> None:
    raise DotNetError("System.IndexOutOfRangeException", "Index was outside the bounds of the array.")


def new_matrix(kind: Type, initial: Any) -> Callable[..., Matrix]:
    kind = kind.plain

    def build(*lengths: int) -> Matrix:
        if min(lengths) < 0:
            overflow()
        size = math.prod(lengths)
        allocate_elements(size)
        return Matrix(kind, lengths, [initial] * size)

    return build


def matrix_of_items(kind: Type, lengths: tuple[int, ...]) -> Callable[..., Matrix]:
    kind = kind.plain
    return lambda *items: Matrix(kind, lengths, list(items))


def _get(matrix: Matrix, *indexes: int) -> Any:
    return matrix.items[matrix.place(indexes)]


def _set(matrix: Matrix, *given: Any) -> None:
    *indexes, value = given
    matrix.items[matrix.place(tuple(indexes))] = value


def _length(matrix: Matrix, dimension: int) -> int:
    if not 0 <= dimension < len(matrix.lengths):
        _outside()
    return matrix.lengths[dimension]


for _rank in (2, 3):
    _name = f"[{',' * (_rank - 1)}]"
    _definition = define(_name, _name, parameters=("T",), bases=("PlainSequence",))
    members(
        _definition,
        {
            f"T this[{', '.join(f'int i{index}' for index in range(_rank))}]": _get,
            "int Length": lambda matrix: len(matrix.items),
            "long LongLength": lambda matrix: len(matrix.items),
            "int Rank": lambda matrix: len(matrix.lengths),
            "int GetLength(int dimension)": _length,
            "int GetUpperBound(int dimension)": lambda matrix, dimension: _length(matrix, dimension) - 1,
            "int GetLowerBound(int dimension)": lambda matrix, dimension: 0,
        },
    )
    setters(_definition, {"this[int]": _set})
