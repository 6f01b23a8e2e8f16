"""System.Random on the clock port's randomness. A seed gives a repeatable sequence, but not .NET's numbers."""

from __future__ import annotations

import random as engine
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from proxy.expressions.dotnet import primitives  # noqa: F401
from proxy.expressions.dotnet.values import stands_for
from proxy.expressions.runtime import out_of_range
from proxy.expressions.table import define, members, with_exchange

if TYPE_CHECKING:
    from proxy.exchange import Exchange


class Random:
    __slots__ = ("next",)

    def __init__(self, source: Callable[[], float]) -> None:
        self.next = source


stands_for(Random, "Random")
RANDOM = define("Random", "System.Random")


def _new(exchange: Exchange) -> Random:
    return Random(exchange.ports.clock.random)


def _seeded(seed: int) -> Random:
    return Random(engine.Random(seed).random)  # noqa: S311


def _between(source: Random, low: int, high: int) -> int:
    if low > high:
        out_of_range("'minValue' cannot be greater than maxValue.", "minValue")
    return low + int(source.next() * (high - low))


def _below(source: Random, high: int) -> int:
    if high < 0:
        out_of_range("'maxValue' must be greater than zero.", "maxValue")
    return int(source.next() * high)


def _fill(source: Random, data: list[Any]) -> None:
    data[:] = [int(source.next() * 256) for _ in data]


members(
    RANDOM,
    {
        "new()": with_exchange(_new),
        "new(int seed)": _seeded,
        "int Next()": lambda source: _below(source, 0x7FFFFFFF),
        "int Next(int maxValue)": _below,
        "int Next(int minValue, int maxValue)": _between,
        "double NextDouble()": lambda source: source.next(),
        "void NextBytes(byte[] buffer)": _fill,
    },
)
