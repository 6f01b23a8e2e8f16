"""`passerelle rollback`: a service as it was after a revision."""

from __future__ import annotations

import click

from passerelle.connection import connected
from passerelle.plane import Plane, PlaneError


@click.command()
@click.argument("revision", type=click.IntRange(0))
@connected
def rollback(plane: Plane, revision: int) -> None:
    """Make everything what it was after REVISION, as a new revision.

    `apply` and `import` print the number of theirs.
    """
    try:
        told = plane.call("POST", "/rollback", {"revision": revision}, timeout=600.0)
    except PlaneError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"as after revision {revision}, which is now revision {told['revision']}")
