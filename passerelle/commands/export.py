"""`passerelle export`: a service as an APIOps folder."""

from __future__ import annotations

from pathlib import Path

import click

from passerelle.apiops.filter import Filter
from passerelle.apiops.write import write
from passerelle.apiops.wrong import FolderWrong
from passerelle.connection import connected
from passerelle.plane import Plane, PlaneError
from passerelle.printed import json_option, print_json
from passerelle.progress import working


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@connected
@click.option(
    "--filter",
    "filter_file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A configuration.extractor.yaml: only what it names.",
)
@json_option
def export(plane: Plane, folder: Path, filter_file: Path | None, as_json: bool) -> None:
    """Write the service to FOLDER, as APIOps artifacts; what is there is replaced, but for hidden files.

    Secrets are not written: set them by --overrides or --set when the folder is applied elsewhere.
    """
    try:
        wanted = Filter.read(filter_file) if filter_file is not None else None
        with working(f"exporting to {folder}") as told:
            count, lost = write(plane, folder, wanted, told)
    except (PlaneError, FolderWrong, OSError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        print_json({"folder": str(folder), "files": count, "lost": lost})
        return
    for each in lost:
        click.secho(f"applied again, the folder would not be the same: {each}", fg="yellow", err=True)
    click.echo(f"{count} files in {folder}")
