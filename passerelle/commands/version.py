"""`passerelle version`: which release this is."""

from __future__ import annotations

import platform
from importlib import metadata

import click

from passerelle.printed import json_option, print_json


@click.command()
@json_option
def version(as_json: bool) -> None:
    """Print the version of Passerelle and of Python."""
    if as_json:
        print_json({"passerelle": installed_version(), "python": platform.python_version()})
        return
    click.echo(f"passerelle {installed_version()} (Python {platform.python_version()})")


def installed_version() -> str:
    """The version of the installed distribution; a source tree that was never installed has none."""
    try:
        return metadata.version("passerelle")
    except metadata.PackageNotFoundError:
        return "not installed"
