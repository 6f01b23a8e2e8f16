"""`passerelle backup`: what an agent's backup holds, and putting one back. Nothing here talks to a plane."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.text import Text

from passerelle.connection import DATA
from passerelle.home import Home
from passerelle.printed import json_option, print_json, print_table
from portal.instances import ago
from syncagent.backup import Backup, ReadOnlyBackup
from syncagent.backup_file import BackupError
from syncagent.backup_keys import KeysUnavailable
from syncagent.backup_reading import Inspection, contents, inspect

WRONG = 3
KEY = "backup.key"

Command = TypeVar("Command", bound=Callable[..., Any])


@click.group()
def backup() -> None:
    """Look into the encrypted backup of a sync agent, or put one of its generations back (docs/backups.md)."""


def located(command: Command) -> Command:
    """Add the options that say where a backup and its keys are; the command gets `path` and `keys`."""
    for option in (
        click.option(
            "--key-file",
            "key_files",
            type=click.Path(path_type=Path, dir_okay=False),
            multiple=True,
            help=f"Its key, or several.  [default: config.backup.key.file, {KEY} beside it]",
        ),
        click.option(
            "--path",
            type=click.Path(path_type=Path),
            help="The directory of the backup.  [default: config.backup.path, that of `up` in --data]",
        ),
        click.option(
            "--data", type=click.Path(path_type=Path), default=DATA, show_default=True, help="The directory of `up`."
        ),
    ):
        command = option(command)
    return command


@backup.command("inspect")
@located
@click.option("--contents", "whole", is_flag=True, help="Name the resources of the newest one that can be read.")
@json_option
def inspect_command(data: Path, path: Path | None, key_files: tuple[Path, ...], whole: bool, as_json: bool) -> None:
    """Say of each generation whose it is, what version it holds, how old it is, and what is wrong with it.

    It may be run beside the agent, and changes nothing. It ends with 3 when a generation cannot be used. No secret is
    shown: of resources only the names.
    """
    place = _place(data, path)
    keys = _keys(place, key_files)
    try:
        found = inspect(place, keys)
        named = sorted(contents(place, keys).resources) if whole else []
    except (OSError, BackupError, KeysUnavailable) as problem:
        raise click.ClickException(f"{place}: {getattr(problem, 'strerror', None) or problem}") from None
    if as_json:
        print_json({"path": str(place), "generations": [_told(each) for each in found], "resources": named})
    else:
        columns = ["Generation", "Saved", "Gateway", "Version", "Resources", "Size", "State"]
        print_table(columns, [_row(each) for each in found], f"There is no backup in {place}.")
        for name in named:
            click.echo(name)
    if any(each.problem for each in found) or not any(each.readable for each in found):
        raise SystemExit(WRONG)


@backup.command()
@click.argument("source")
@located
def restore(source: str, data: Path, path: Path | None, key_files: tuple[Path, ...]) -> None:
    """Make SOURCE, a generation (prev-1) or the file of one, the newest generation of the backup.

    \b
    passerelle backup restore prev-1 --path /apim/config
    passerelle backup restore copy/current --path /apim/config --key-file old.key --key-file backup.key

    The agent of the directory must not run. It then starts from this configuration, and as soon as its plane answers
    takes what the plane has.
    """
    place = _place(data, path)
    keys = _keys(place, key_files)
    file = place / source if "/" not in source and (place / source).exists() else Path(source)
    try:
        chosen = inspect(file, keys)[0]
        if not chosen.readable or chosen.header is None:
            raise click.ClickException(f"{file} cannot be used: {chosen.problem}")
        snapshot = contents(file, keys)
        # The first key writes: the one that the agent will read with.
        store = Backup(place, chosen.header.gateway, _keys(place, ()) or keys)
        try:
            store.save(snapshot)
        finally:
            store.close()
    except ReadOnlyBackup as problem:
        raise click.ClickException(f"{problem}: end the agent first.") from None
    except (OSError, BackupError, KeysUnavailable) as problem:
        raise click.ClickException(f"{file}: {getattr(problem, 'strerror', None) or problem}") from None
    click.echo(
        f"{place} now begins with version {snapshot.cursor} of gateway {chosen.header.gateway}, "
        f"{len(snapshot.resources)} resources, saved {ago(time.time() - chosen.saved)}. Start the agent."
    )


def _place(data: Path, path: Path | None) -> Path:
    if path is not None:
        return path
    home = Home(data.absolute())
    return home.backup if home.backup.is_dir() else Path(_setting("config.backup.path") or "/apim/config")


def _keys(place: Path, files: tuple[Path, ...]) -> list[str]:
    """The lines of all key files. Raises click.UsageError."""
    if not files and (text := _setting("config.backup.key")):
        return _lines(text) + _former()
    directory = place if place.is_dir() else place.parent
    found: list[str] = []
    for file in files or (Path(_setting("config.backup.key.file") or directory / KEY),):
        try:
            found += _lines(file.read_text(encoding="utf-8"))
        except OSError as problem:
            raise click.UsageError(f"the key {file} cannot be read: {problem.strerror}. Give --key-file.") from None
    return found + ([] if files else _former())


def _former() -> list[str]:
    """The keys before the present one, as the agent's settings have them."""
    found, file = _lines(_setting("config.backup.key.former")), _setting("config.backup.key.former.file")
    with contextlib.suppress(OSError):  # not needed, see `syncagent/backup_keys.py`
        found += _lines(Path(file).read_text(encoding="utf-8")) if file else []
    return found


def _setting(name: str) -> str:
    return os.environ.get(name, "")


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _row(each: Inspection) -> list[str | Text]:
    good = "good" if each.present_key else "good, but for a former key"
    state = (
        Text(good, "green" if each.present_key else "yellow")
        if not each.problem
        else Text(each.problem, "yellow" if each.readable else "red")
    )
    changes = f" (+{each.changes} changes)" if each.changes else ""
    saved = ago(time.time() - each.saved) if each.saved else "-"
    gateway = each.header.gateway if each.header else "-"
    known = each.dataset != ""
    return [each.name, saved, gateway, f"{each.cursor}{changes}" if known else "-",
            str(each.resources) if each.readable else "-", f"{each.size / 1024:.0f} KiB", state]  # fmt: skip


def _told(each: Inspection) -> dict[str, Any]:
    return {
        "name": each.name,
        "gateway": each.header.gateway if each.header else None,
        "dataset": each.dataset or None,
        "version": each.cursor if each.dataset else None,
        "saved": each.saved or None,
        "resources": each.resources,
        "changes": each.changes,
        "size": each.size,
        "readable": each.readable,
        "presentKey": each.present_key,
        "problem": each.problem or None,
    }
