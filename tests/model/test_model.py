"""The model in short: a sequence that has every step, and then some that hypothesis makes up, the same in every run.

`make model` takes as many as one likes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import machine
from tests.model.oracle import Answer, History, State
from tests.model.world import GOAL, World

SEQUENCE = """
edit add(0) rest cut(0) edit delete(0) add(1) heal rest kill_agent edit kill_car(0) start_agent start_car(0) settle
plane_fault(5) rest rest kill_backend edit rest rest rest start_backend plane_well plane_fault(6) add(2) rest
new_dataset plane_well break_policy edit rest kill_plane edit kill_agent corrupt(3) start_agent start_plane settle
fill_disk edit rest free_disk mend_policy freeze_agent edit kill_car(1) start_car(1) thaw_agent cut(1) edit rest heal
settle
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


@pytest.mark.e2e
def test_every_step_in_one_sequence(world: World) -> None:
    world.settle()
    assert {text.partition("(")[0] for text in SEQUENCE.split()} == World.steps().keys()
    for step in SEQUENCE.split():
        world.do(step)
    answers = sum(car.answers for car in world.cars)
    print(f"\n{answers} answers; equal {world.worst:.2f} s after healing at most (goal {GOAL:g} s)")
    assert answers > 100


@pytest.mark.e2e
def test_what_hypothesis_makes_up(tmp_path: Path) -> None:
    Machine = machine(tmp_path, cars=1)
    try:
        run_state_machine_as_test(  # type: ignore[no-untyped-call]
            Machine,
            settings=settings(
                max_examples=2,
                stateful_step_count=10,
                derandomize=True,
                deadline=None,
                database=None,
                phases=(Phase.generate,),
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        Machine.finish()  # type: ignore[attr-defined]


def test_the_oracle_tells_what_is_mixed_and_what_is_old() -> None:
    states = [
        State("d", n, value, items, ("7",), False) for n, value, items in [(1, 1, {}), (2, 2, {0: 5}), (3, 3, {})]
    ]
    history = History(states)

    def explained(answer: Answer, floor: int = 0) -> int | None:
        return history.explaining(answer, floor)

    assert explained(Answer("shop", 0, 200, "2", "2", None)) == 1
    assert explained(Answer("shop", 0, 200, "1", "2", None)) is None
    assert explained(Answer("shop", 0, 200, "2", "2", None), 2) is None
    assert explained(Answer("item", 0, 404, None, None, None), 1) == 2
    assert explained(Answer("item", 0, 200, "3", None, "5")) is None
    assert explained(Answer("odd", 0, 500, None, None, None)) is None
