"""`passerelle doctor`: examine a set-up, say what is wrong with it, and how to mend it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from passerelle.connection import DATA
from passerelle.doctor.finding import GOOD, WARNING, WRONG, Finding
from passerelle.doctor.setup import Process, of_environment, of_home
from passerelle.home import Home
from passerelle.printed import json_option, print_json

MARKS = {GOOD: ("✓", "green"), WARNING: ("!", "yellow"), WRONG: ("✗", "red")}
FOUND = 3


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=DATA, show_default=True, help="The directory of `up`.")
@click.option("--all", "everything", is_flag=True, help="Also say what is good.")
@json_option
def doctor(data: Path, everything: bool, as_json: bool) -> None:
    """Find what is wrong with a set-up, and say how to mend it.

    It looks at the processes of `passerelle up` in --data. Where `up` never ran, in a container or a unit, it looks at
    the process whose settings are in the environment:

    \b
    docker compose exec agent passerelle doctor
    kubectl exec POD -c proxy -- passerelle doctor

    Nothing is changed. It ends with 3 when something is wrong; what may be as it is, is only said.
    """
    processes = of_home(Home(data.absolute())) or of_environment(os.environ)
    found = [(name, each) for name, findings in examinations(processes) for each in findings]
    if as_json:
        print_json([{"of": n, "state": f.state, "text": f.text, "remedy": f.remedy} for n, f in found])
    else:
        if not processes:
            raise click.UsageError(
                f"{data} is no directory of `passerelle up`, and the environment has no settings of a process: nothing "
                "to look at. Give --data, or run it where a process runs."
            )
        _print([(name, each) for name, each in found if everything or each.state != GOOD])
        _sum_up([each for _, each in found])
    if any(each.state == WRONG for _, each in found):
        raise SystemExit(FOUND)


def examinations(processes: list[Process]) -> Iterator[tuple[str, Iterator[Finding]]]:
    from passerelle.doctor import agent, machine, plane, portal, sidecar

    examiners: dict[str, Callable[[Process], Iterator[Finding]]] = {
        "management": plane.examine,
        "syncagent": agent.examine,
        "proxy": sidecar.examine,
        "portal": portal.examine,
    }
    yield "machine", machine.examine([each.settings for each in processes])
    for process in processes:
        yield process.name, examiners[process.module](process)


def _print(found: list[tuple[str, Finding]]) -> None:
    console, said = Console(highlight=False, soft_wrap=True), ""
    for name, finding in found:
        if name != said:
            console.print(Text(name, "bold"))
            said = name
        mark, colour = MARKS[finding.state]
        console.print(Text.assemble("  ", (mark, colour), f" {finding.text}"))
        if finding.remedy:
            console.print(Text(f"    → {finding.remedy}", "dim"))


def _sum_up(found: list[Finding]) -> None:
    counts = {state: sum(each.state == state for each in found) for state in MARKS}
    told = f"{counts[WRONG]} wrong, {counts[WARNING]} to look at, {counts[GOOD]} good"
    if not counts[WRONG] and not counts[WARNING]:
        click.secho(f"{told}. All is well.", fg="green")
    else:
        click.echo(f"{told} (--all says which).")
