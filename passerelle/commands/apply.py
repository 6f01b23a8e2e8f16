"""`passerelle apply`: make a service what an APIOps folder says, as one revision."""

from __future__ import annotations

from pathlib import Path

import click

from passerelle.apiops.layout import BUILT_IN, INFORMATION
from passerelle.apiops.read import FolderWrong, Resource, read
from passerelle.connection import connected
from passerelle.imports.applied import tell
from passerelle.plane import Plane, PlaneError


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@connected
@click.option("--dry-run", is_flag=True, help="Tell what would change, and change nothing.")
@click.option("--overrides", type=click.Path(path_type=Path, dir_okay=False), help="A configuration.<env>.yaml.")
@click.option("--set", "tokens", multiple=True, metavar="NAME=VALUE", help="Replaces {#NAME#} in the files.")
@click.option("--prune", is_flag=True, help="Also delete APIs, products, backends ... that the folder does not have.")
def apply(
    plane: Plane, folder: Path, dry_run: bool, overrides: Path | None, tokens: tuple[str, ...], prune: bool
) -> None:
    """Apply FOLDER, an APIOps artifact folder: everything in it, or nothing when something is wrong."""
    pairs = dict(token.partition("=")[::2] for token in tokens)
    try:
        resources = read(folder, overrides, pairs)
        click.echo(f"{len(resources)} resources in {folder}", err=True)
        document = {
            "resources": [{"id": each.id, "properties": each.properties} for each in resources],
            "delete": _superfluous(plane, {each.id.lower() for each in resources}) if prune else [],
            "dryRun": dry_run,
        }
        told = plane.call("POST", "/apply", document, timeout=600.0)
    except FolderWrong as error:
        raise click.ClickException(str(error)) from error
    except PlaneError as error:
        raise click.ClickException(_at_their_files(error, folder, resources)) from error
    tell(told)


def _superfluous(plane: Plane, wanted: set[str]) -> list[str]:
    """Ids at the top level that the folder does not have."""
    found = []
    for collection in (each for each in INFORMATION if "/" not in each):
        for item in plane.all(f"/{collection}"):
            id = f"/{collection}/{item['name']}"
            if id.lower() not in wanted and id not in BUILT_IN and collection not in ("gateways", "subscriptions"):
                found.append(id)
    return found


def _at_their_files(error: PlaneError, folder: Path, resources: list[Resource]) -> str:
    """The plane's findings, each with the file it is about."""
    if not error.details:
        return str(error)
    files = {each.id.lower(): each.files for each in resources}
    lines = []
    for target, message in error.details:
        id, _, field = target.partition(" ")
        of = files.get(id.lower(), ())
        place = next((name for name in of if field == "value" or name.endswith(".json")), of[0] if of else id)
        lines.append(f"{folder / place if of else id}: {message}")
    return "nothing was changed:\n" + "\n".join(lines)
