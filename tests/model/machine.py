"""The steps of the world as a state machine of hypothesis. One world serves all examples, and is settled between."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.model.world import Broken, World

# What changes the configuration is what the rest is about, so it is drawn more often.
OFTEN = ("edit", "add", "delete", "edit", "add", "rest")
NEVER = ("settle",)


@dataclass
class Told:
    """What came of all examples."""

    examples: int = 0
    steps: int = 0
    answers: int = 0
    worst: float = 0.0
    last: str = ""


def step_texts() -> list[str]:
    """Every step that a draw may be, those with a number with a few numbers."""
    texts: list[str] = []
    for name, numbered in World.steps().items():
        if name not in NEVER:
            texts += [f"{name}({number})" for number in range(8)] if numbered else [name]
    return texts


def machine(place: Path, cars: int) -> type[RuleBasedStateMachine]:
    """The class; `told` and `failure` are of all its examples, `finish` ends the processes."""
    names = [name for name in World.steps() if name not in NEVER]
    numbers = itertools.count()

    class Machine(RuleBasedStateMachine):
        told = Told()
        failure = ""
        world: World | None = None

        def __init__(self) -> None:
            super().__init__()
            if Machine.failure:
                return  # hypothesis runs what failed once more, for its own report
            if Machine.world is None:
                directory = place / str(next(numbers))
                directory.mkdir(parents=True)
                Machine.world = World(directory, cars)
            Machine.world.done.clear()
            self._guarded("settle")
            Machine.told.examples += 1

        @rule(name=st.sampled_from([*names, *OFTEN]), number=st.integers(0, 15))
        def step(self, name: str, number: int) -> None:
            self._guarded(f"{name}({number})" if World.steps()[name] else name)

        def teardown(self) -> None:
            if not Machine.failure:
                self._guarded("settle")

        def _guarded(self, text: str) -> None:
            world = Machine.world
            if Machine.failure or world is None:
                raise Broken(Machine.failure)
            told = Machine.told
            before = sum(car.answers for car in world.cars)
            try:
                world.do(text)
            except Broken as broken:
                Machine.failure = str(broken)
                raise
            finally:
                told.steps += 1
                told.answers += sum(car.answers for car in world.cars) - before
                told.worst, told.last = max(told.worst, world.worst), " ".join(world.done)

        @classmethod
        def finish(cls) -> None:
            if cls.world is not None:
                cls.world.close()
                cls.world = None

    return Machine
