"""`passerelle token`: a gateway and its token, for agents that `up` did not start (containers, pods)."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import click

from passerelle.connection import connecting
from passerelle.plane import Plane, PlaneError
from passerelle.printed import json_option, print_json
from passerelle.private import write_private


@click.command()
@connecting
@click.option("--gateway", default="local", show_default=True, help="Made when there is none.")
@click.option("--days", type=click.IntRange(1, 30), default=30, show_default=True, help="How long the token lives.")
@click.option("--wait", type=float, default=0.0, help="Seconds to wait for the plane and the admin bearer.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Written with mode 0600.")
@click.option("--ca-out", type=click.Path(path_type=Path, dir_okay=False), help="Put a copy of the file of --ca there.")
@json_option
def token(
    connection: Callable[[], Plane],
    gateway: str,
    days: int,
    wait: float,
    out: Path,
    ca_out: Path | None,
    as_json: bool,
) -> None:
    """Write a fresh gateway token to a file that an agent reads (config.service.auth.key.file)."""
    deadline = time.monotonic() + wait
    while True:
        try:
            plane = connection()
            value = plane.gateway_token(gateway, days)
            break
        except (click.UsageError, PlaneError) as error:
            lasting = isinstance(error, PlaneError) and 400 <= error.status < 500
            if lasting or time.monotonic() >= deadline:
                raise error if isinstance(error, click.UsageError) else click.ClickException(str(error)) from error
            time.sleep(0.5)
    try:
        write_private(out, f"{value}\n")
        if ca_out is not None and plane.ca is not None:
            ca_out.write_bytes(plane.ca.read_bytes())
    except OSError as problem:
        raise click.ClickException(f"{problem.filename} cannot be written: {problem.strerror}") from None
    if as_json:
        print_json({"gateway": gateway, "days": days, "file": str(out)})
    else:
        click.echo(f"a token of gateway {gateway!r} for {days} days is in {out}", err=True)
