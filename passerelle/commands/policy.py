"""`passerelle policy`: check, run, test and describe policy documents on this machine, without any server.

The sub-commands are loaded when they are asked for, since they need the whole policy engine and the others do not.
"""

from __future__ import annotations

import importlib

import click

COMMANDS = ("check", "docs", "run", "test")


class _Lazy(click.Group):
    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command = importlib.import_module(f"passerelle.policy.{name}").command
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_Lazy)
def policy() -> None:
    """Work with policy documents: no server, no network."""
