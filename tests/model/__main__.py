"""`make model`: sequences of steps that hypothesis makes up, against real processes.

    make model ARGUMENTS="--examples 20 --steps 25 --seed 7"
    make model ARGUMENTS="--replay 'edit cut(1) kill_agent start_agent settle'"

A broken promise ends it with 1 and prints the steps in the form that --replay takes. `tests/model/world.py` says what
is promised, and what each step does.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.model.machine import machine
from tests.model.world import GOAL, Broken, World


def main() -> int:
    arguments = argparse.ArgumentParser(prog="model")
    arguments.add_argument("--examples", type=int, default=10)
    arguments.add_argument("--steps", type=int, default=25)
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    arguments.add_argument("--cars", type=int, default=2)
    arguments.add_argument("--replay", default="")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="passerelle-model-") as place:
        if given.replay:
            return replay(Path(place), given.cars, given.replay.split())
        return explore(Path(place), given)


def replay(place: Path, cars: int, steps: list[str]) -> int:
    world = World(place, cars)
    try:
        world.settle()
        for step in [*steps, "settle"]:
            print(step, flush=True)
            world.do(step)
    except Broken as broken:
        print(f"BROKEN\n{broken}")
        return 1
    finally:
        world.close()
    print(f"holds; equal {world.worst:.2f} s after healing (goal {GOAL:g} s)")
    return 0


def explore(place: Path, given: argparse.Namespace) -> int:
    print(f"seed {given.seed}: {given.examples} examples of {given.steps} steps, {given.cars} sidecars", flush=True)
    Machine: type[RuleBasedStateMachine] = seed(given.seed)(machine(place, given.cars))
    began, broken = time.monotonic(), ""
    try:
        run_state_machine_as_test(  # type: ignore[no-untyped-call]
            Machine,
            settings=settings(
                max_examples=given.examples,
                stateful_step_count=given.steps,
                deadline=None,
                database=None,
                phases=(
                    Phase.generate,
                ),  # a smaller sequence would have to fail the same way, and timing is part of it
                suppress_health_check=list(HealthCheck),
                print_blob=False,
            ),
        )
    except Exception:
        broken = Machine.failure  # type: ignore[attr-defined]
        if not broken:
            raise
    finally:
        Machine.finish()  # type: ignore[attr-defined]
    told = Machine.told  # type: ignore[attr-defined]
    print(f"{told.examples} examples, {told.steps} steps, {told.answers} answers in {time.monotonic() - began:.0f} s")
    print(f"{'promise':<58} {'measured':>10}  holds")
    rows = [
        ("never an answer without a configuration, none is mixed", f"{told.answers}", not broken),
        ("no version goes back; the backup has what was served", f"{told.steps}", not broken),
        (f"equal after healing (goal {GOAL:g} s)", f"{told.worst:.2f} s", not broken),
    ]
    for promise, measured, holds in rows:
        print(f"{promise:<58} {measured:>10}  {'yes' if holds else 'NO'}")
    if broken:
        print(f"\nBROKEN\n{broken}\n\nthe same steps again: make model ARGUMENTS=\"--replay '{told.last}'\"")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
