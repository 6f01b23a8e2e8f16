"""`passerelle check`: is a folder good? As `apply` and an agent would find, without any server."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from passerelle.commands.apply import environment, tokens_of

REFUSED = 3  # 1 and 2 are click's, and an interpreter's that fails


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@environment
@click.option("--gateway", default="", help="One of the folder's gateways; without it, all APIs are looked at.")
@click.option("--feed", is_flag=True, help="Print the configuration feed that the folder is, secrets in clear.")
def check(
    folder: Path, overrides: Path | None, token_folder: Path | None, values: tuple[str, ...], gateway: str, feed: bool
) -> None:
    """Check FOLDER, an APIOps artifact folder, as if it were a service of its own.

    It ends with 3 when something is wrong, and tells each finding with file, line and column. The setting policy.check
    is read as a management plane reads it.
    """
    # the plane's code and its libraries, which the other commands do not need
    from management import settings
    from passerelle.apiops.read import FolderWrong, read
    from passerelle.apiops.standalone import feed_of

    strict = settings.read(os.environ).strict
    try:
        artifacts = read(folder, overrides, tokens_of(values, token_folder))
        lines, told = feed_of(artifacts, folder, gateway, strict)
    except FolderWrong as error:
        click.echo(str(error), err=True)
        raise SystemExit(REFUSED) from None
    for sentence in told:
        click.secho(sentence, fg="yellow", err=True)
    if feed:
        sys.stdout.writelines(lines)
    else:
        click.echo(f"{folder} is good: {len(artifacts.resources)} resources")
