"""`passerelle token`: a gateway and its token, for agents that `up` did not start (containers, pods)."""

from __future__ import annotations

import time
from pathlib import Path

import click

from passerelle.plane import SERVICE, Plane, PlaneError
from passerelle.private import write_private


@click.command()
@click.option("--management", "url", default="http://127.0.0.1:9080", show_default=True, help="The management plane.")
@click.option(
    "--ca", type=click.Path(path_type=Path, dir_okay=False), help="PEM file of the plane's authority, for https."
)
@click.option("--token-file", type=click.Path(path_type=Path), required=True, help="File with the admin bearer.")
@click.option("--service", default=SERVICE, help="ARM id of the service.")
@click.option("--gateway", default="local", show_default=True, help="Made when there is none.")
@click.option("--days", type=click.IntRange(1, 30), default=30, show_default=True, help="How long the token lives.")
@click.option("--wait", type=float, default=0.0, help="Seconds to wait for the plane and the admin bearer.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Written with mode 0600.")
def token(
    url: str, ca: Path | None, token_file: Path, service: str, gateway: str, days: int, wait: float, out: Path
) -> None:
    """Write a fresh gateway token to a file that an agent reads (config.service.auth.key.file)."""
    deadline = time.monotonic() + wait
    while True:
        try:
            plane = Plane(url, token_file.read_text(encoding="utf-8").strip(), service, ca)
            value = plane.gateway_token(gateway, days)
            break
        except (OSError, PlaneError) as error:
            lasting = isinstance(error, PlaneError) and 400 <= error.status < 500
            if lasting or time.monotonic() >= deadline:
                raise click.ClickException(str(error)) from error
            time.sleep(0.5)
    write_private(out, f"{value}\n")
    click.echo(f"a token of gateway {gateway!r} for {days} days is in {out}", err=True)
