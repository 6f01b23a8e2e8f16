"""docs/command-line.md has every command, and says the truth about --json."""

from __future__ import annotations

import re
from pathlib import Path

import click

from passerelle.main import COMMANDS, main

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "command-line.md").read_text(encoding="utf-8")


def commands() -> dict[str, click.Command]:
    context = click.Context(main)
    return {name: found for name in COMMANDS if (found := main.get_command(context, name))}


def test_every_command_is_on_the_page() -> None:
    rows = [row for row in PAGE.splitlines() if row.startswith("| `passerelle ")]
    named = {found for row in rows for found in re.findall(r"`passerelle ([a-z]+)", row)}
    assert named == set(COMMANDS)


def test_commands_that_tell_something_tell_it_to_scripts() -> None:
    told = {name for name, each in commands().items() if any(option.name == "as_json" for option in each.params)}
    assert told >= {
        "gateways",
        "revisions",
        "diff",
        "rollback",
        "apply",
        "export",
        "trace",
        "doctor",
        "token",
        "version",
    }


def test_every_option_says_what_it_is() -> None:
    silent = [
        f"{name} {option.opts[0]}"
        for name, command in commands().items()
        for option in command.params
        if isinstance(option, click.Option) and not option.help and not option.show_default and not option.metavar
    ]
    assert not silent
