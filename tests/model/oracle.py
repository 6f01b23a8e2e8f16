"""What may be answered: every state that the plane ever had, and which of them explain an answer. Pure.

A state has two named values that are always changed together (`value`; one goes to the backend, the other into the
answer), APIs that come and go, each with a `stamp` that is used once, and an API whose policy may be broken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

ITEMS = 4


class State(NamedTuple):
    """One version of one dataset. `items`: number of an API -> its stamp; `odds`: all good stamps of the odd API so
    far, the last of which is in force unless its policy is `broken`: then any may be, or none."""

    dataset: str
    number: int
    value: int
    items: Mapping[int, int]
    odds: tuple[str, ...]
    broken: bool


class Answer(NamedTuple):
    """What a sidecar said. `kind` is shop, item or odd; `number` that of the item; values are None where none came."""

    kind: str
    number: int
    status: int
    first: str | None
    second: str | None
    stamp: str | None

    def __str__(self) -> str:
        name = self.kind if self.kind != "item" else f"item-{self.number}"
        return f"{name}: {self.status}, first {self.first}, second {self.second}, stamp {self.stamp}"


def explains(state: State, answer: Answer) -> bool:
    """Whether `answer` is what a gateway with exactly this state says."""
    value = str(state.value)
    if answer.kind == "shop":
        return (answer.status, answer.first, answer.second) == (200, value, value)
    if answer.kind == "odd":
        if state.broken and answer.status == 500:
            return True
        good = state.odds if state.broken else state.odds[-1:]
        return (answer.status, answer.first) == (200, value) and answer.stamp in good
    if answer.number not in state.items:
        return answer.status == 404
    return (answer.status, answer.first, answer.stamp) == (200, value, str(state.items[answer.number]))


@dataclass
class History:
    """All states, oldest first; an index into them is an age."""

    states: list[State] = field(default_factory=list)

    def explaining(self, answer: Answer, floor: int) -> int | None:
        """The oldest state not older than `floor` that explains the answer; None: no state does."""
        for index in range(floor, len(self.states)):
            if explains(self.states[index], answer):
                return index
        return None

    @property
    def newest(self) -> State:
        return self.states[-1]
