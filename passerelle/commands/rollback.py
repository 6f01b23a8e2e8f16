"""`passerelle rollback`: a service as it was after a revision."""

from __future__ import annotations

import click

from passerelle.connection import connected
from passerelle.plane import Plane, PlaneError
from passerelle.printed import json_option, print_json


@click.command()
@click.argument("revision", type=click.IntRange(0))
@connected
@json_option
def rollback(plane: Plane, revision: int, as_json: bool) -> None:
    """Make everything what it was after REVISION, as a new revision.

    `passerelle revisions` lists them, and `passerelle diff NOW REVISION` says what this would do.
    """
    try:
        told = plane.call("POST", "/rollback", {"revision": revision}, timeout=600.0)
    except PlaneError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        print_json(told)
        return
    click.echo(f"as after revision {revision}, which is now revision {told['revision']}")
