"""The `passerelle` command: the explicit list of its sub-commands, each loaded when it is asked for.

Exit codes of all of them: 0 done, 1 it failed and the last line says why, 2 it was used wrongly, 3 it was done and
found something wrong (docs/command-line.md).
"""

from __future__ import annotations

import click

from passerelle.lazy import LazyGroup

COMMANDS = {
    "up": "up:up",
    "start": "start:start",
    "doctor": "doctor:doctor",
    "token": "token:token",
    "certificate": "certificate:certificate",
    "gateways": "gateways:gateways",
    "revisions": "revisions:revisions",
    "diff": "diff:diff",
    "rollback": "rollback:rollback",
    "check": "check:check",
    "apply": "apply:apply",
    "export": "export:export",
    "import": "import_:import_",
    "policy": "policy:policy",
    "trace": "trace:trace",
    "backup": "backup:backup",
    "rekey": "rekey:rekey",
    "telemetry": "telemetry:telemetry",
    "completion": "completion:completion",
    "version": "version:version",
}


@click.group(
    cls=LazyGroup,
    package="passerelle.commands",
    modules=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
def main() -> None:
    """An open, self-hosted API gateway that runs Azure API Management policies unmodified."""


if __name__ == "__main__":
    main()
