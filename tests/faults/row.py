"""What a row of the matrix is, and what it measured.

    @fault("F1", "kill -9 of the agent", promise="sidecars serve from memory", goal="0 failed; in sync <= 5 s")
    def agent_killed(place: Place) -> Figures:
        figures = Figures()
        with place.load() as load:
            ...
        figures.failed(load)
        figures.at_most("in sync", seconds, 5, "s", bound=15)
        return figures

A row is a function in a file of `rows/`; that is all. It raises `NotHere` where this machine cannot do it, and leaves
the shared place as it was: what it killed is back, what it changed is repaired. A row that cannot do so takes a place
of its own (`place.another()`).
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.load import Load
    from tests.faults.place import Place


class NotHere(Exception):
    """Why this machine cannot run the row."""


@dataclass
class Figures:
    """What was measured, as texts in order, and what of it does not hold.

    `at_most` and `at_least` compare with the goal; a `bound` beyond the goal is for figures that a busy machine
    worsens: between the two the row is `slow`, beyond the bound it does not hold.
    """

    texts: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)

    def at_most(self, name: str, value: float, goal: float, unit: str = "", bound: float | None = None) -> None:
        self._judge(f"{name} {_figure(value)}{unit and f' {unit}'}", value <= goal, value <= max(bound or goal, goal))

    def at_least(
        self, name: str, value: float, goal: float, unit: str = "", bound: float | None = None, error: float = 0.0
    ) -> None:
        """`error`, of an estimate: it misses the goal when it does so with that much added."""
        low = goal if bound is None else min(bound, goal)
        exact = f" ± {_figure(error)}" if error else ""
        most = value + error
        self._judge(f"{name} {_figure(value)}{exact}{unit and f' {unit}'}", most >= goal, most >= low)

    def true(self, name: str, holds: object, otherwise: str = "") -> None:
        """A yes or no, told as `name` when it holds."""
        self._judge(name if holds else otherwise or f"not: {name}", bool(holds), bool(holds))

    def say(self, text: str) -> None:
        """A figure that nothing is promised about."""
        self.texts.append(text)

    def failed(self, load: Load, least: int = 50) -> None:
        """No answer of the load was wrong, and there were at least so many."""
        self._judge(f"{len(load.failures)} of {load.total} failed", not load.failures, not load.failures)
        if load.failures:
            self.broken += load.failures[:5]
        if load.total < least:
            self.broken.append(f"only {load.total} requests were made")

    def _judge(self, text: str, met: bool, bearable: bool) -> None:
        self.texts.append(text)
        if not bearable:
            self.broken.append(text)
        elif not met:
            self.slow.append(text)

    @property
    def holds(self) -> str:
        return "no" if self.broken else "slow" if self.slow else "yes"

    def __str__(self) -> str:
        return "; ".join(self.texts)


@dataclass(frozen=True)
class Row:
    """`number` is `F1` or, where a fault has several rows, `F4a`."""

    number: str
    fault: str
    promise: str
    goal: str
    measure: Callable[[Place], Figures]

    @property
    def order(self) -> tuple[str, int, str]:
        found = re.fullmatch(r"([A-Z]+)(\d+)(.*)", self.number)
        assert found is not None, self.number
        return found[1], int(found[2]), found[3]


_rows: dict[str, Row] = {}


def fault(
    number: str, text: str, *, promise: str, goal: str
) -> Callable[[Callable[[Place], Figures]], Callable[[Place], Figures]]:
    """Register a row."""

    def register(measure: Callable[[Place], Figures]) -> Callable[[Place], Figures]:
        assert number not in _rows or _rows[number].measure.__name__ == measure.__name__, f"{number} is taken"
        _rows[number] = Row(number, text, promise, goal, measure)
        return measure

    return register


def rows() -> list[Row]:
    """All rows, by number."""
    import tests.faults.rows as package

    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return sorted(_rows.values(), key=lambda row: row.order)


def chosen(names: list[str]) -> list[Row]:
    """Those named, e.g. `F4` (with F4a, F4b) or `F4a`; all when none is. Raises KeyError for one that there is not."""
    every = rows()
    found: list[Row] = []
    for name in names:
        mine = [row for row in every if row.number.upper() == name.upper()]
        mine = mine or [row for row in every if re.fullmatch(rf"{re.escape(name)}[a-z]+", row.number, re.IGNORECASE)]
        if not mine:
            raise KeyError(name)
        found += mine
    return found or every


def _figure(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.0f}" if value >= 100 else f"{value:.3g}"
