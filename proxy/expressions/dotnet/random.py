"""System.Random on the clock port's randomness; with a seed, .NET's own sequence."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from proxy.expressions.dotnet import primitives  # noqa: F401
from proxy.expressions.dotnet.numeric import wrap32
from proxy.expressions.dotnet.values import stands_for
from proxy.expressions.runtime import argument_null, out_of_range
from proxy.expressions.table import define, members, with_exchange

if TYPE_CHECKING:
    from proxy.exchange import Exchange

_MOST = 0x7FFFFFFF


class Random:
    """`sample` gives numbers from 0 up to, not including, int.MaxValue; `next` from 0 up to, not including, 1."""

    __slots__ = ("next", "sample")

    def __init__(self, sample: Callable[[], int], following: Callable[[], float]) -> None:
        self.sample = sample
        self.next = following


class Subtractive:
    """Knuth's subtractive generator, as every version of .NET has it for a seed."""

    __slots__ = ("one", "state", "two")

    def __init__(self, seed: int) -> None:
        state = [0] * 56
        later = wrap32(161803398 - min(abs(seed), _MOST))
        state[55] = later
        now = 1
        place = 0
        for _ in range(1, 55):
            place = (place + 21) % 55
            state[place] = now
            now = wrap32(later - now)
            if now < 0:
                now += _MOST
            later = state[place]
        for _ in range(4):
            for index in range(1, 56):
                state[index] = wrap32(state[index] - state[1 + (index + 30) % 55])
                if state[index] < 0:
                    state[index] += _MOST
        self.state = state
        self.one, self.two = 0, 21

    def __call__(self) -> int:
        self.one = self.one % 55 + 1
        self.two = self.two % 55 + 1
        made = self.state[self.one] - self.state[self.two]
        if made == _MOST:
            made -= 1
        if made < 0:
            made += _MOST
        self.state[self.one] = made
        return made


stands_for(Random, "Random")
RANDOM = define("Random", "System.Random")


def _new(exchange: Exchange) -> Random:
    chance = exchange.ports.clock.random
    return Random(lambda: int(chance() * _MOST), chance)


def _seeded(seed: int) -> Random:
    sample = Subtractive(seed)
    return Random(sample, lambda: sample() * (1.0 / _MOST))


def _between(source: Random, low: int, high: int) -> int:
    if low > high:
        out_of_range("'minValue' cannot be greater than maxValue.", "minValue")
    if high - low <= _MOST:
        return int(source.next() * (high - low)) + low
    number = source.sample()
    number = -number if source.sample() % 2 == 0 else number
    return int((number + (_MOST - 1.0)) / (2 * _MOST - 1.0) * (high - low)) + low


def _below(source: Random, high: int) -> int:
    if high < 0:
        out_of_range("'maxValue' must be greater than zero.", "maxValue")
    return int(source.next() * high)


def _fill(source: Random, data: list[Any]) -> None:
    if data is None:
        argument_null("buffer")
    data[:] = [source.sample() & 0xFF for _ in data]


members(
    RANDOM,
    {
        "new()": with_exchange(_new),
        "new(int Seed)": _seeded,
        "int Next()": lambda source: source.sample(),
        "int Next(int maxValue)": _below,
        "int Next(int minValue, int maxValue)": _between,
        "double NextDouble()": lambda source: source.next(),
        "void NextBytes(byte[] buffer)": _fill,
    },
)
