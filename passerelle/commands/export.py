"""`passerelle export`: a service as an APIOps folder."""

from __future__ import annotations

from pathlib import Path

import click

from passerelle.apiops.write import write
from passerelle.connection import connected
from passerelle.plane import Plane, PlaneError


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@connected
def export(plane: Plane, folder: Path) -> None:
    """Write the service to FOLDER, as APIOps artifacts; what is there is replaced, but for hidden files.

    Secrets are not written: set them by --overrides or --set when the folder is applied elsewhere.
    """
    try:
        count = write(plane, folder, lambda collection: click.echo(f"reading {collection}", err=True))
    except (PlaneError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{count} files in {folder}")
