"""`passerelle rekey`: another key for the plane's store, in place, while planes run (docs/operations.md)."""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path

import click
from rich.progress import Progress

from management import resealing, settings
from management.store import StoreUnusable
from management.vault import VaultBroken, former_of, renew
from passerelle.connection import DATA

WRONG = 3
KEY = "store.key"


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help=f"The directory of the plane.  [default: management.data, else {DATA}]",
)
@click.option("--keys-only", is_flag=True, help="Make the new key and seal nothing yet: other planes get it first.")
@click.option("--check", is_flag=True, help="Change nothing; end with 3 while the former key is needed.")
def rekey(data: Path | None, keys_only: bool, check: bool) -> None:
    """Make a new key for the plane's store, and seal everything in it with that key.

    \b
    passerelle rekey
    env management.store.url=postgresql://... passerelle rekey --data /var/lib/passerelle

    The key before is kept in store.key.former. Planes may run. What was begun and did not end is ended by the next
    call, with the same keys; until then the store opens with the two of them.
    """
    try:
        environment = {"management.data": DATA, **os.environ}
        given = settings.read({**environment, "management.data": str(data)} if data else environment)
        path = given.data / KEY
        if not path.exists():
            raise click.UsageError(f"{path} is not there: give the plane's directory with --data.")
        descriptor = os.open(given.data, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _rekey(given.store_url, path, keys_only, check)
        finally:
            os.close(descriptor)
    except BlockingIOError:
        raise click.ClickException("Another `passerelle rekey` is at work here.") from None
    except (StoreUnusable, VaultBroken, settings.SettingWrong) as problem:
        raise click.ClickException(str(problem)) from None
    except OSError as problem:
        raise click.ClickException(f"{problem.filename}: {problem.strerror}") from None


def _rekey(url: str, path: Path, keys_only: bool, check: bool) -> None:
    former = former_of(path)
    needed = _needed(url, path)
    if check:
        click.echo(f"{needed} values need {former.name}" if needed else f"nothing in the store needs {former.name}")
        raise SystemExit(WRONG if needed else 0)
    if needed:
        click.echo(f"going on: {needed} values are sealed with {former.name}")
    else:
        renew(path)
        click.echo(f"{path} is a new key; the one before is {former.name}")
    if keys_only:
        click.echo(f"Give every plane {path.name} and {former.name}, then call passerelle rekey.")
        return
    with Progress(transient=True, disable=not sys.stdout.isatty()) as progress:
        task = progress.add_task("sealing", total=_needed(url, path) or 1)
        count = resealing.reseal_all(url, path, lambda: progress.update(task, advance=resealing.PAGE))
    click.echo(f"{count} values are sealed with {path.name}; nothing needs {former.name} any more")
    click.echo(f"Saves of the store from before need it: keep it with them, and remove {former}.")


def _needed(url: str, path: Path) -> int:
    """How many values the former key alone opens. Raises VaultBroken when this is not the key of the store at all."""
    with resealing.opened(url, path) as store:
        return resealing.needs_former(store)
