"""`passerelle start`: one process of the house again, with its own command line and environment."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from passerelle.connection import DATA
from passerelle.home import Home


@click.command()
@click.argument("name")
@click.option("--data", type=click.Path(path_type=Path), default=DATA, show_default=True, help="The directory of `up`.")
@click.option("--to-log", is_flag=True, help="Write to the log file of the process instead of the terminal.")
def start(name: str, data: Path, to_log: bool) -> None:
    """Start the process NAME (e.g. sidecar-2) of `passerelle up` again, in the foreground."""
    home = Home(data.absolute())
    file = home.launch(name)
    try:
        launch = json.loads(file.read_text(encoding="utf-8"))
    except OSError:
        known = ", ".join(sorted(each.stem for each in home.run.glob("*.json"))) or "none"
        raise click.ClickException(f"no process {name!r} was started in {home.root}; known there: {known}") from None
    if to_log:
        log = os.open(home.log(name), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
    os.execve(launch["argv"][0], launch["argv"], launch["environment"])  # noqa: S606 - what `up` wrote, 0600
