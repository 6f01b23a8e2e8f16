"""The `passerelle` command: the explicit list of its sub-commands."""

from __future__ import annotations

import click

from passerelle.commands.apply import apply
from passerelle.commands.check import check
from passerelle.commands.export import export
from passerelle.commands.import_ import import_
from passerelle.commands.policy import policy
from passerelle.commands.rollback import rollback
from passerelle.commands.start import start
from passerelle.commands.telemetry import telemetry
from passerelle.commands.token import token
from passerelle.commands.trace import trace
from passerelle.commands.up import up
from passerelle.commands.version import version


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def main() -> None:
    """An open, self-hosted API gateway that runs Azure API Management policies unmodified."""


for command in (up, start, token, check, apply, export, import_, rollback, policy, telemetry, trace, version):
    main.add_command(command)

if __name__ == "__main__":
    main()
