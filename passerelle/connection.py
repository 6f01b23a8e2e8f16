"""The options of every command that talks to a plane: which one, with what token, about which service."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from passerelle.plane import SERVICE, Plane

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--management",
        envvar="PASSERELLE_MANAGEMENT",
        default="http://127.0.0.1:9080",
        show_default=True,
        show_envvar=True,
        help="The management plane.",
    ),
    click.option(
        "--token", envvar="PASSERELLE_TOKEN", show_envvar=True, help="The admin bearer, or @FILE that holds it."
    ),
    click.option(
        "--service", envvar="PASSERELLE_SERVICE", default=SERVICE, show_envvar=True, help="ARM id of the service."
    ),
    click.option(
        "--ca",
        envvar="PASSERELLE_CA",
        show_envvar=True,
        type=click.Path(path_type=Path, dir_okay=False, exists=True),
        help="PEM file of the plane's authority, for https.",
    ),
)


def connected(command: Command) -> Command:
    """Add the options to a click command; it gets `plane`."""

    @functools.wraps(command)
    def run(*args: Any, management: str, token: str | None, service: str, ca: Path | None, **more: Any) -> Any:
        if not token:
            raise click.UsageError("Give the admin bearer by --token, or in PASSERELLE_TOKEN.")
        if token.startswith("@"):
            try:
                token = Path(token[1:]).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise click.UsageError(f"--token: {error.filename}: {error.strerror}") from None
        return command(*args, plane=Plane(management, token, service, ca), **more)

    made: Any = run
    for option in reversed(_OPTIONS):
        made = option(made)
    return made  # type: ignore[no-any-return]
