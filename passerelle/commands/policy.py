"""`passerelle policy`: check, run, test and describe policy documents on this machine, without any server.

The sub-commands are loaded when they are asked for, since they need the whole policy engine and the others do not.
"""

from __future__ import annotations

import click

from passerelle.lazy import LazyGroup

COMMANDS = {name: name for name in ("check", "docs", "run", "test")}


@click.group(cls=LazyGroup, package="passerelle.policy", modules=COMMANDS)
def policy() -> None:
    """Work with policy documents: no server, no network."""
