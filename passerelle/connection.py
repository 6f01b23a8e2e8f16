"""Which plane a command talks to, with what token, about which service: the same options for every such command.

Rules
1. What is not said is that of a `passerelle up` in --data: its plane, its admin bearer, its service.
2. A token on the command line is visible to every user of the machine, so give one by @FILE or PASSERELLE_TOKEN.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from passerelle.home import Home
from passerelle.plane import SERVICE, Plane

Command = TypeVar("Command", bound=Callable[..., Any])

DATA = ".passerelle"
DEFAULT = "http://127.0.0.1:9080"  # where a plane listens that was not told otherwise

_OPTIONS = (
    click.option(
        "--management",
        envvar="PASSERELLE_MANAGEMENT",
        show_envvar=True,
        metavar="URL",
        help="The management plane.  [default: that of `up` in --data]",
    ),
    click.option(
        "--token",
        envvar="PASSERELLE_TOKEN",
        show_envvar=True,
        metavar="@FILE",
        help="The admin bearer, or @ and the file that holds it.  [default: that of `up`]",
    ),
    click.option(
        "--service", envvar="PASSERELLE_SERVICE", show_envvar=True, metavar="ID", help="ARM id of the service."
    ),
    click.option(
        "--ca",
        envvar="PASSERELLE_CA",
        show_envvar=True,
        type=click.Path(path_type=Path, dir_okay=False),
        help="PEM file of the plane's authority, for https.",
    ),
    click.option(
        "--data",
        type=click.Path(path_type=Path),
        default=DATA,
        show_default=True,
        help="The directory of a `passerelle up`.",
    ),
)


@dataclass(frozen=True, slots=True)
class Found:
    """The plane of a running `up`, from what it wrote down of how it started it."""

    url: str
    service: str


def connected(command: Command) -> Command:
    """Add the options to a click command; it gets `plane`."""
    return _given_plane(command, lambda make: {"plane": make()})


def connecting(command: Command) -> Command:
    """The same for a command that may have to wait for a plane; it gets `connection`, to be called for one."""
    return _given_plane(command, lambda make: {"connection": make})


def _given_plane(command: Command, given: Callable[[Callable[[], Plane]], dict[str, Any]]) -> Command:
    @functools.wraps(command)
    def run(
        *args: Any, management: str | None, token: str | None, service: str | None, ca: Path | None, data: Path,
        **more: Any,
    ) -> Any:  # fmt: skip
        make = functools.partial(connect, management, token, service, ca, Home(data.absolute()))
        return command(*args, **given(make), **more)

    made: Any = run
    for option in reversed(_OPTIONS):
        made = option(made)
    return made  # type: ignore[no-any-return]


def connect(management: str | None, token: str | None, service: str | None, ca: Path | None, home: Home) -> Plane:
    """Raises click.UsageError, which says what is missing."""
    up = found_in(home)
    if management and not _is_url(management):
        raise click.UsageError(f"--management: {management!r} is no URL such as https://plane.example:9443.")
    if not management and not token and up is None:
        raise click.UsageError(
            f"{home.root} is no directory of a running `passerelle up`. Give --data, or --management (or "
            "PASSERELLE_MANAGEMENT) with the URL of the plane."
        )
    bearer = _read(Path(token[1:])) if token and token.startswith("@") else token
    if not bearer and not management:
        bearer = _read(home.admin_token)
    if not bearer:
        raise click.UsageError("Give the admin bearer by --token @FILE, or in PASSERELLE_TOKEN.")
    try:
        return Plane(management or (up.url if up else DEFAULT), bearer, service or (up.service if up else SERVICE), ca)
    except OSError as problem:
        raise click.UsageError(f"--ca: {ca} cannot be read: {problem.strerror or problem}") from None


def found_in(home: Home) -> Found | None:
    try:
        environment = json.loads(home.launch("management").read_text(encoding="utf-8"))["environment"]
        return Found(f"http://127.0.0.1:{environment['management.http.port']}", environment["management.service"])
    except (OSError, ValueError, KeyError):
        return None


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as problem:
        raise click.UsageError(f"{path} cannot be read: {problem.strerror}. Give --token @FILE.") from None
